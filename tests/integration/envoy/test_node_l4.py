"""Node Envoys for TCP: what passes, what it looks like on the wire and at the server, and what does not pass."""

import os
import socket
import threading
from collections.abc import Iterator

import pytest
from l4_clients import LINE, credentials, ended, line, listening, passes, reached, speaks_tls
from pod_sockets import datagram_arrives
from sidecar_clients import PORT, answer, ask, connect, line_server
from wire_capture import await_bytes, captured

from harness.dataplanes.node_l4 import NodeL4
from harness.dataplanes.port import Attachment
from harness.envoy.certificates import Authority, spiffe_id
from harness.envoy.configuration import write_credentials
from harness.lab.port import Lab, LabPod
from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Rule

AT = Origin("policy.yaml", 3)
CLIENT = Peer(AT, pod_selector=LabelSelector({"app": "client"}))
ALERT = b"\x15\x03"
MARKER = b"/plaintext-marker-4711"


def ingress(app: str, *rules: Rule) -> NetworkPolicy:
    return NetworkPolicy(AT, f"to-{app}", "shop", LabelSelector({"app": app}), ("Ingress",), rules)


def egress(app: str, *rules: Rule) -> NetworkPolicy:
    return NetworkPolicy(AT, f"from-{app}", "shop", LabelSelector({"app": app}), ("Egress",), egress=rules)


CLIENT_ONLY = ingress("server", Rule(AT, (CLIENT,)))


@pytest.fixture(scope="module")
def attached(pair_lab: Lab, server: LabPod) -> Iterator[Attachment]:
    with NodeL4().attach(pair_lab) as attachment:
        yield attachment


@pytest.fixture
def plane(attached: Attachment) -> Attachment:
    attached.apply(())
    return attached


@pytest.fixture
def client(pair_lab: Lab) -> LabPod:
    return pair_lab.pod("shop/client")


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("destination", ["shop/server", "shop/neighbour"])
def test_bytes_arrive_as_they_were_sent_from_the_clients_own_address(
    plane: Attachment, pair_lab: Lab, client: LabPod, destination: str, family: int
) -> None:
    sent = os.urandom(3_000_000)
    with line(client, pair_lab.pod(destination), family) as (near, far):
        assert far.getpeername()[0].removeprefix("::ffff:") == client.pod.ip(family)
        for one, other in ((near, far), (far, near)):
            thread = threading.Thread(target=one.sendall, args=(sent,))
            thread.start()
            got = bytearray()
            while len(got) < len(sent):
                got += other.recv(65536)
            thread.join()
            assert got == sent
        near.shutdown(socket.SHUT_WR)
        assert far.recv(1) == b""
        far.sendall(b"after the half-close")
        assert near.recv(99) == b"after the half-close"


def test_the_wire_carries_tls_alone(plane: Attachment, pair_lab: Lab, client: LabPod, server: LabPod) -> None:
    with captured(pair_lab, "n1", "n2") as capture:
        with connect(client, server, PORT) as connection:
            connection.sendall(b"GET " + MARKER + b" HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n")
            got = b""
            while more := connection.recv(4096):
                got += more
            assert got.startswith(b"HTTP/1.1 404")
        tail = b"end-of-capture"  # a node's own words are in the clear, and the last that the capture must have seen
        with connect(pair_lab.node("n1"), server, PORT) as last:
            last.sendall(tail)
            await_bytes(capture, tail)
        seen = capture.read_bytes()
    assert MARKER not in seen
    assert b"HTTP/1.1 404" not in seen
    assert b"\x16\x03\x01" in seen, "a handshake of TLS"


def test_who_speaks_no_tls_from_another_node_reaches_nobody(plane: Attachment, pair_lab: Lab, server: LabPod) -> None:
    with listening(server) as listener:
        with connect(pair_lab.node("n1"), server, LINE) as connection:
            assert answer(connection, b"hello\n").startswith(ALERT)
        assert not reached(listener)


def test_identity_is_the_certificates(plane: Attachment, pair_lab: Lab, client: LabPod, server: LabPod) -> None:
    """From a node, as one that is not the mesh's could: the address alone proves nothing."""
    plane.apply([CLIENT_ONLY])
    node, address = pair_lab.node("n1"), client.pod.ip(4)
    mine, theirs = (credentials(pair_lab, ref) for ref in ("shop/client", "evil/stranger"))
    forged = pair_lab.folder / "forged"
    forged.mkdir()
    other = Authority("another")
    write_credentials(forged, other.issue(spiffe_id("shop", "client")), other.certificate)
    with line_server(server, LINE) as echo:
        assert speaks_tls(node, address, server, LINE, mine, b"hello") == b"hello"
        seen = echo.accepted
        for folder in (theirs, forged, None):
            assert speaks_tls(node, address, server, LINE, folder, b"hello") == b""
        assert echo.accepted == seen


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("app", ["server", "neighbour"])
def test_ingress_is_judged_on_the_servers_node(plane: Attachment, pair_lab: Lab, client: LabPod, family: int, app: str) -> None:
    plane.apply([ingress(app, Rule(AT, (CLIENT,)))])
    destination = pair_lab.pod(f"shop/{app}")
    with line_server(destination, LINE) as echo:
        with connect(client, destination, LINE, family) as allowed:
            assert answer(allowed, b"hello") == b"hello"
        seen = echo.accepted
        with connect(pair_lab.pod("evil/stranger"), destination, LINE, family) as denied:
            assert answer(denied, b"hello") == b""
        assert echo.accepted == seen
    found = plane.evidence(Flow("evil/stranger", destination.pod.ref, LINE, family=family))
    assert found is not None
    assert found.reason.startswith("rbac_access_denied")
    where = "inbound on node n2, peer spiffe://cluster.local/ns/evil/sa/stranger"
    assert found.detail == (where if app == "server" else "outbound on node n1")
    assert plane.evidence(Flow("shop/client", destination.pod.ref, LINE, family=family)) is None


@pytest.mark.parametrize("family", [4, 6])
def test_egress_is_judged_on_the_clients_node(plane: Attachment, pair_lab: Lab, family: int) -> None:
    plane.apply([egress("client")])
    assert ask(pair_lab, "shop/client", family=family).verdict is Verdict.REJECTED
    assert ask(pair_lab, "shop/neighbour", family=family).verdict is Verdict.FORWARDED
    found = plane.evidence(Flow("shop/client", "shop/server", PORT, family=family))
    assert found is not None
    assert found.detail == "outbound on node n1"


def test_ports_names_and_address_blocks_are_kept(plane: Attachment, pair_lab: Lab) -> None:
    stranger = pair_lab.pod("evil/stranger").pod.ip(4)
    block = Peer(AT, ip_block=IPBlock("0.0.0.0/0", (f"{stranger}/32",)))
    plane.apply([ingress("server", Rule(AT, (block,), (PolicyPort(AT, port="http"),)))])
    assert ask(pair_lab, "shop/client").verdict is Verdict.FORWARDED
    assert ask(pair_lab, "evil/stranger").verdict is Verdict.REJECTED
    assert ask(pair_lab, "shop/client", family=6).verdict is Verdict.REJECTED
    assert ask(pair_lab, "shop/client", port=9090).verdict is Verdict.REJECTED


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("app", ["server", "neighbour"])
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_a_change_ends_open_connections_that_it_does_not_allow_and_no_others(
    plane: Attachment, pair_lab: Lab, client: LabPod, direction: str, app: str, family: int
) -> None:
    destination, stranger = pair_lab.pod(f"shop/{app}"), pair_lab.pod("evil/stranger")
    if direction == "ingress":
        change, kept, cut = ingress(app, Rule(AT, (CLIENT,))), client, stranger
        by = f"ingress of shop/{app} on node {'n2' if app == 'server' else 'n1'}"
    else:
        change, kept, cut = egress("client"), stranger, client
        by = "egress of shop/client on node n1"
    with line(kept, destination, family) as lasting, line(cut, destination, family, LINE + 1) as doomed:
        plane.apply([change])
        assert ended(doomed[0])
        assert ended(doomed[1])
        assert passes(*lasting)
        plane.apply([change])
        plane.apply(())
        assert passes(*lasting)
    plane.apply([change])
    assert plane.evidence(Flow(kept.pod.ref, destination.pod.ref, LINE, family=family)) is None
    with line(kept, destination, family) as again:
        assert passes(*again)
    plane.apply(())
    with line(cut, destination, family) as doomed:
        plane.apply([change])
        assert ended(doomed[0])
        found = plane.evidence(Flow(cut.pod.ref, destination.pod.ref, LINE, family=family))
    assert found is not None
    assert (found.reason, found.detail) == ("revoked", by)


def test_a_pod_that_sends_from_anothers_address_is_not_heard(
    plane: Attachment, pair_lab: Lab, client: LabPod, server: LabPod
) -> None:
    stranger, address = pair_lab.pod("evil/stranger"), client.pod.ip(4)
    stranger.run(["ip", "address", "add", f"{address}/32", "dev", "lo"])
    try:
        with listening(server) as listener, stranger.entered():
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as near:
                near.settimeout(0.5)
                near.bind((address, 0))
                with pytest.raises(TimeoutError):
                    near.connect((server.pod.ip(4), LINE))
            assert not reached(listener)
    finally:
        stranger.run(["ip", "address", "delete", f"{address}/32", "dev", "lo"])
    found = plane.evidence(Flow("shop/client", "shop/server", LINE))
    assert found is not None
    assert found.reason == "spoofed"


@pytest.mark.parametrize("app", ["server", "neighbour"])
@pytest.mark.parametrize("port", [2525, LINE], ids=["declared", "undeclared"])
@pytest.mark.parametrize("isolated", [False, True])
def test_a_server_may_speak_first_unless_policy_waits_for_the_client(
    plane: Attachment, pair_lab: Lab, client: LabPod, app: str, port: int, isolated: bool
) -> None:
    plane.apply([ingress(app, Rule(AT, (CLIENT,)))] if isolated else ())
    server = pair_lab.pod(f"shop/{app}")
    with line_server(server, port, b"welcome") as echo, connect(client, server, port) as connection:
        if isolated and port == LINE:
            connection.sendall(b"\x00")
        assert connection.recv(7) == b"welcome"
        assert echo.accepted == 1


def test_a_port_that_nobody_listens_on_ends_the_connection(plane: Attachment, client: LabPod, server: LabPod) -> None:
    with connect(client, server, 9999) as connection:
        assert answer(connection, b"hello") == b""


def test_a_pod_reaches_itself_and_its_node_reaches_it(plane: Attachment, pair_lab: Lab, server: LabPod) -> None:
    plane.apply([ingress("server"), egress("server")])
    assert ask(pair_lab, "shop/server").verdict is Verdict.FORWARDED
    with connect(pair_lab.node("n2"), server, PORT) as connection:
        assert b"200 OK" in answer(connection, b"GET /name HTTP/1.1\r\nHost: server\r\n\r\n")


@pytest.mark.parametrize("family", [4, 6])
def test_datagrams_pass_envoy_by(plane: Attachment, client: LabPod, server: LabPod, family: int) -> None:
    plane.apply([ingress("server")])
    assert datagram_arrives(client, server, family)
