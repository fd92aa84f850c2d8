"""Requests that are judged go between the nodes as all others do: in plaintext, or hidden by mutual TLS."""

from sidecar_clients import PORT, answer, connect
from wire_capture import await_bytes, captured

from harness.dataplanes.port import Attachment
from harness.lab.port import Lab, LabPod
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, HTTPRule, L7Rules, PortRule
from harness.model.origin import Origin
from harness.model.policy import LabelSelector

HERE = Origin("requests.yaml", 7)
MARKER = b"/plaintext-marker-0815"
RULES = L7Rules(HERE, http=(HTTPRule(HERE, path="/(name|plaintext-.*)"),))
TO_PORT = (PortRule(HERE, (CiliumPort(HERE, str(PORT), None, "TCP"),), RULES),)


def policy(subject: str, peer: str, way: str) -> CiliumPolicy:
    rule = CiliumRule(HERE, endpoints=(LabelSelector({"app": peer}),), ports=TO_PORT)
    return CiliumPolicy(HERE, "p", "shop", (CiliumSpec(HERE, LabelSelector({"app": subject}), **{way: (rule,)}),))


def test_only_mutual_tls_hides_requests_that_are_judged(
    unrestricted: Attachment, plane: str, pair_lab: Lab, server: LabPod
) -> None:
    client = pair_lab.pod("shop/client")
    for policies in ([policy("server", "client", "ingress")], [policy("client", "server", "egress")]):
        unrestricted.apply(policies)
        with captured(pair_lab, "n1", "n2") as capture, connect(client, server, PORT) as connection:
            got = answer(connection, b"GET " + MARKER + b" HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n")
            # What a node itself sends has no sidecar: it is the last that the capture must have seen.
            tail = b"end-of-capture"
            with connect(pair_lab.node("n1"), server, PORT) as last:
                last.sendall(tail)
                await_bytes(capture, tail)
        assert got.startswith(b"HTTP/1.1 404")  # of the server, which has no such page
        assert (MARKER in capture.read_bytes()) is (plane == "sidecar")


def test_a_client_without_a_certificate_asks_nothing_where_requests_are_judged(
    unrestricted: Attachment, plane: str, pair_lab: Lab, server: LabPod
) -> None:
    """Whom a rule allows, by its address: with mutual TLS that is not enough."""
    everybody = CiliumRule(HERE, ports=TO_PORT)
    spec = CiliumSpec(HERE, LabelSelector({"app": "server"}), ingress=(everybody,))
    unrestricted.apply([CiliumPolicy(HERE, "p", "shop", (spec,))])
    with connect(pair_lab.node("n2"), server, PORT) as connection:
        got = answer(connection, b"GET /name HTTP/1.1\r\nHost: server\r\n\r\n")
    assert (b"200 OK" in got) is (plane == "sidecar")
