"""NetworkPolicy as the sidecars enforce it: on new connections, on open ones, and in their own words."""

import pytest
from sidecar_clients import PLANES, PORT, ask, connect, line_server

from harness.dataplanes.port import Attachment, Feature, Yes
from harness.lab.port import Lab, LabPod
from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Rule

AT = Origin("policy.yaml", 3)
LINE_PORT = 2626
CLIENT_ONLY = NetworkPolicy(
    AT,
    "client-only",
    "shop",
    LabelSelector({"app": "server"}),
    ingress=(Rule(AT, (Peer(AT, pod_selector=LabelSelector({"app": "client"})),), (PolicyPort(AT, port="http"),)),),
)
NOTHING_OUT = NetworkPolicy(AT, "nothing-out", "shop", LabelSelector({"app": "client"}), policy_types=("Egress",))


@pytest.mark.parametrize("family", [4, 6])
def test_ingress_policy_rejects_whom_it_does_not_name(unrestricted: Attachment, pair_lab: Lab, family: int) -> None:
    assert ask(pair_lab, "evil/stranger", family=family).verdict is Verdict.FORWARDED
    unrestricted.apply([CLIENT_ONLY])
    assert ask(pair_lab, "shop/client", family=family).verdict is Verdict.FORWARDED
    assert ask(pair_lab, "evil/stranger", family=family).verdict is Verdict.REJECTED
    assert ask(pair_lab, "shop/neighbour", family=family).verdict is Verdict.REJECTED
    assert ask(pair_lab, "shop/client", family=family).verdict is Verdict.FORWARDED


@pytest.mark.parametrize("family", [4, 6])
def test_egress_policy_rejects_at_the_client(unrestricted: Attachment, pair_lab: Lab, family: int) -> None:
    unrestricted.apply([NOTHING_OUT])
    assert ask(pair_lab, "shop/client", family=family).verdict is Verdict.REJECTED
    assert ask(pair_lab, "shop/neighbour", family=family).verdict is Verdict.FORWARDED
    found = unrestricted.evidence(Flow("shop/client", "shop/server", PORT, family=family))
    assert found is not None
    assert found.detail.startswith("outbound of shop/client")


def test_address_block_of_an_ingress_rule_is_kept(unrestricted: Attachment, pair_lab: Lab) -> None:
    stranger = pair_lab.pod("evil/stranger").pod.ip(4)
    block = Peer(AT, ip_block=IPBlock("0.0.0.0/0", (f"{stranger}/32",)))
    unrestricted.apply([NetworkPolicy(AT, "p", "shop", LabelSelector({"app": "server"}), ingress=(Rule(AT, (block,)),))])
    assert ask(pair_lab, "shop/client").verdict is Verdict.FORWARDED
    assert ask(pair_lab, "evil/stranger").verdict is Verdict.REJECTED
    assert ask(pair_lab, "shop/client", family=6).verdict is Verdict.REJECTED


def test_evidence_is_envoys_own_word_for_a_denied_flow_only(unrestricted: Attachment, pair_lab: Lab) -> None:
    unrestricted.apply([CLIENT_ONLY])
    ask(pair_lab, "evil/stranger")
    ask(pair_lab, "shop/client")
    found = unrestricted.evidence(Flow("evil/stranger", "shop/server", PORT))
    assert found is not None
    assert found.reason.startswith("rbac_access_denied")
    assert found.detail.startswith("inbound of shop/server")
    assert unrestricted.evidence(Flow("shop/client", "shop/server", PORT)) is None
    unrestricted.apply([])
    assert unrestricted.evidence(Flow("evil/stranger", "shop/server", PORT)) is None


def test_server_sees_nothing_of_a_denied_connection(unrestricted: Attachment, pair_lab: Lab, server: LabPod) -> None:
    with line_server(server, LINE_PORT) as line:
        with connect(pair_lab.pod("shop/client"), server, LINE_PORT) as allowed:
            allowed.sendall(b"hello\n")
            assert allowed.recv(99) == b"hello\n"
        unrestricted.apply([CLIENT_ONLY])
        seen = line.accepted
        with connect(pair_lab.pod("shop/client"), server, LINE_PORT) as denied:
            denied.sendall(b"hello\n")
            assert denied.recv(99) == b""
        assert line.accepted == seen


def test_revocation_has_reached_open_connections_when_apply_returns(
    unrestricted: Attachment, plane: str, pair_lab: Lab, server: LabPod
) -> None:
    assert isinstance(PLANES[plane].supports(Feature.REVOKE_OPEN_CONNECTIONS), Yes)
    request = b"GET /name HTTP/1.1\r\nHost: server\r\n\r\n"
    stranger = pair_lab.pod("evil/stranger")
    with (
        line_server(server, LINE_PORT),
        connect(stranger, server, LINE_PORT) as line,
        connect(stranger, server, PORT) as http,
        connect(pair_lab.pod("shop/client"), server, PORT) as allowed,
    ):
        line.sendall(b"before\n")
        assert line.recv(99) == b"before\n"
        for connection in (http, allowed):
            connection.sendall(request)
            assert b"200 OK" in connection.recv(4096)
        unrestricted.apply([CLIENT_ONLY])
        assert line.recv(99) == b""
        http.sendall(request)
        assert b"200 OK" not in http.recv(4096)
        allowed.sendall(request)
        assert b"200 OK" in allowed.recv(4096)
