"""Which requests pass sidecars, in plaintext and with mutual TLS, and what a change of policy does to them."""

import socket
from collections.abc import Iterator
from http.client import HTTPException
from itertools import count

import pytest
from http2_ends import Http2Client, http2_backend
from http_ends import Answer, Backend, ask, asking, connected, get, keep_alive
from records import recorded
from request_policies import POLICY, egress, http, http_headers, ingress, rule
from test_node_proxy_changes import POLICIES

from harness.dataplanes.port import Attachment, DataPlaneError, RestartKind
from harness.dataplanes.sidecar import DATA_PLANES
from harness.lab.port import Lab, LabPod
from harness.model.cilium import CiliumPolicy, HeaderMatch
from harness.model.flow import Flow
from harness.model.request import HTTPRequest

DENIED = Answer(403, b"Access denied\r\n")
PUBLIC = http("/public/.*")
BOTH = pytest.mark.parametrize("app", ["server", "neighbour"])
FAMILIES = pytest.mark.parametrize("family", [4, 6])
HTTP2_PORT = 9090


@pytest.fixture(scope="module", params=DATA_PLANES, ids=lambda each: each.name)
def sidecars(pair_lab: Lab, backends: dict[str, Backend], request: pytest.FixtureRequest) -> Iterator[Attachment]:
    with request.param.attach(pair_lab) as attachment:
        yield attachment


@pytest.fixture
def plane(sidecars: Attachment, backends: dict[str, Backend]) -> Attachment:
    """Without policies, and nothing seen, whatever the last test left."""
    sidecars.apply(())
    for each in backends.values():
        each.seen.clear()
    return sidecars


@BOTH
@pytest.mark.parametrize("way", ["ingress", "egress", "both"])
def test_only_what_a_rule_takes_reaches_the_backend(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], app: str, way: str
) -> None:
    policies = [ingress(app, rule("client", PUBLIC)), egress("client", rule(app, PUBLIC))]
    plane.apply(policies if way == "both" else policies[way == "egress" :][:1])
    server = pair_lab.pod(f"shop/{app}")
    for family in (4, 6):
        assert get(client, server, "/public/a?b=c", family) == Answer(200, f"shop/{app}".encode())
        assert get(client, server, "/private", family) == DENIED
        assert backends[app].targets() == ["/public/a?b=c"]


def test_requests_reach_their_backend_as_they_came_whichever_end_judges_them(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend]
) -> None:
    """Names keep their case, and no proxy on the way adds any header, be it that of the end that judges or the other."""
    head = b"GET /public/ HTTP/1.1\r\nHost: B\r\nX-oDD: one\r\nx-forwarded-proto: https\r\n\r\n"
    for policy in (ingress("server", rule("client", PUBLIC)), egress("client", rule("server", PUBLIC))):
        plane.apply([policy])
        with connected(client, pair_lab.pod("shop/server")) as connection:
            connection.sendall(head)
            assert b"\r\nServer: own\r\n" in connection.recv(65536)
        (seen,) = backends["server"].seen
        assert seen.head == head
        backends["server"].seen.clear()


@FAMILIES
def test_who_may_not_connect_is_rejected_and_the_sidecar_says_so(
    plane: Attachment, pair_lab: Lab, backends: dict[str, Backend], family: int
) -> None:
    plane.apply([ingress("server", rule("client", PUBLIC))])
    assert get(pair_lab.pod("evil/stranger"), pair_lab.pod("shop/server"), "/public/", family).status == 503
    assert backends["server"].targets() == []
    found = recorded(plane, Flow("evil/stranger", "shop/server", 8080, family=family))
    assert found is not None
    assert found.reason.startswith("rbac_access_denied")


@FAMILIES
@pytest.mark.parametrize("way", ["ingress", "egress"])
def test_a_refused_request_proves_its_reason(plane: Attachment, pair_lab: Lab, client: LabPod, family: int, way: str) -> None:
    plane.apply([ingress("server", rule("client", PUBLIC)) if way == "ingress" else egress("client", rule("server", PUBLIC))])
    server = pair_lab.pod("shop/server")
    flow = Flow("shop/client", "shop/server", 8080, family=family)
    get(client, server, "/public/", family)
    assert plane.evidence(flow) is None
    get(client, server, "/private?x=1", family)
    asked = Flow("shop/client", "shop/server", 8080, family=family, request=HTTPRequest(path="/private?x=1"))
    for each in (flow, asked):
        found = plane.evidence(each)
        assert found is not None
        assert (found.reason, found.rule) == ("rbac_access_denied", str(POLICY))
        judge = "shop/server" if way == "ingress" else "shop/client"
        assert found.detail == f"{way}, at the sidecar of {judge}: GET /private?x=1"
    plane.apply([ingress("server", rule("client", PUBLIC))])
    assert plane.evidence(flow) is None


def test_headers_that_differ_are_changed_by_the_client_first(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend]
) -> None:
    wants = [http_headers(HeaderMatch("X-Team", value, "REPLACE")) for value in ("one", "two")]
    plane.apply([egress("client", rule("server", wants[0])), ingress("server", rule("client", wants[1]))])
    assert get(client, pair_lab.pod("shop/server"), headers={"X-Team": "none"}).status == 200
    (seen,) = backends["server"].seen
    assert b"x-team: two" in [line.lower() for line in seen.lines]


@BOTH
def test_each_request_of_a_connection_of_http2_is_judged(plane: Attachment, pair_lab: Lab, client: LabPod, app: str) -> None:
    server = pair_lab.pod(f"shop/{app}")
    plane.apply([ingress(app, rule("client", http("/a"), http("/b", "POST"), port=HTTP2_PORT))])
    with http2_backend(server, HTTP2_PORT) as backend, connected(client, server, port=HTTP2_PORT) as connection:
        asked = Http2Client(connection)
        assert asked.ask("/a") == Answer(200, server.pod.ref.encode())
        assert asked.ask("/b") == DENIED
        plane.apply([ingress(app, rule("client", http("/b"), port=HTTP2_PORT))])
        assert [asked.ask("/a").status, asked.ask("/b").status] == [403, 200]
    assert backend.paths == ["/a", "/b"]


@FAMILIES
@pytest.mark.parametrize("way", ["ingress", "egress"])
def test_a_change_reaches_requests_on_an_open_connection(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], family: int, way: str
) -> None:
    def policy(*paths: str) -> CiliumPolicy:
        rules = [http(path) for path in paths]
        return ingress("server", rule("client", *rules)) if way == "ingress" else egress("client", rule("server", *rules))

    plane.apply([policy("/a", "/b")])
    with keep_alive(client, pair_lab.pod("shop/server"), family) as connection:
        assert [ask(connection, "/a").status, ask(connection, "/b").status] == [200, 200]
        plane.apply([policy("/b", "/c")])
        assert [ask(connection, path).status for path in ("/a", "/b", "/c")] == [403, 200, 200]
        plane.apply([])
        assert ask(connection, "/a").status == 200
        plane.apply([policy("/c")])
        assert ask(connection, "/a").status == 403
    assert backends["server"].targets() == ["/a", "/b", "/b", "/c", "/a"]


def test_who_may_connect_may_change_for_others_while_a_request_is_answered(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend]
) -> None:
    """For longer than chains drain: the one that judges requests is none of those that a change replaces."""
    plane.apply([ingress("server", rule("client", http("/a")))])
    with keep_alive(client, pair_lab.pod("shop/server")) as connection:
        with backends["server"].holding() as held:
            connection.request("GET", "/a")
            assert held.wait(5.0)
            plane.apply([ingress("server", rule("client", http("/a")), rule("neighbour"))])
            plane.apply([ingress("server", rule("client", http("/a")))])
        assert connection.getresponse().read() == b"shop/server"
        assert ask(connection, "/a").status == 200


@BOTH
@pytest.mark.parametrize("way", ["ingress", "egress"])
def test_who_may_no_longer_connect_is_cut_off_in_the_middle_of_an_answer(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], app: str, way: str
) -> None:
    def policy(*rules: object) -> CiliumPolicy:
        return ingress(app, *rules) if way == "ingress" else egress("client", *rules)  # type: ignore[arg-type] # of rule()

    server = pair_lab.pod(f"shop/{app}")
    plane.apply([policy(rule("client" if way == "ingress" else app, http("/a")))])
    with backends[app].holding() as held, keep_alive(client, server) as connection:
        connection.request("GET", "/a")
        assert held.wait(5.0)
        plane.apply([policy(rule("nobody"))])
        try:  # the client's own sidecar answers where it was the server's that ended the connection
            assert connection.getresponse().status == 503
        except (OSError, HTTPException):
            assert way == "egress"
    found = plane.evidence(Flow("shop/client", f"shop/{app}", 8080))
    assert found is not None
    assert (found.reason, found.detail) == ("revoked", f"{way} of shop/{app if way == 'ingress' else 'client'}")


@pytest.mark.parametrize("pair", list(POLICIES))
def test_nothing_that_both_policies_refuse_gets_through_while_they_change(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], pair: str
) -> None:
    server, numbers, private = pair_lab.pod("shop/server"), count(), []
    policies = POLICIES[pair]
    plane.apply(policies[0])

    def work() -> None:
        path = f"/private/{next(numbers)}"
        try:
            with keep_alive(client, server) as connection:
                ask(connection, "/public/a")
                private.append(ask(connection, path).status)
        except (OSError, HTTPException):
            private.append(0)

    with asking(work):
        for turn in range(1, 7):
            plane.apply(policies[turn % 2])
    assert 403 in private
    assert set(private) <= {0, 403, 503}
    assert not [target for target in backends["server"].targets() if target.startswith("/private")]


@pytest.mark.parametrize("way", ["ingress", "egress"])
def test_requests_that_both_policies_allow_are_answered_while_they_change(
    plane: Attachment, pair_lab: Lab, client: LabPod, way: str
) -> None:
    server, seen = pair_lab.pod("shop/server"), []
    rules = [rule("client" if way == "ingress" else "server", http(path), http("/public")) for path in ("/a", "/b")]
    policies = [[ingress("server", each) if way == "ingress" else egress("client", each)] for each in rules]
    plane.apply(policies[0])
    with keep_alive(client, server) as connection, asking(lambda: seen.append(ask(connection, "/public").status)):
        for turn in range(1, 11):
            plane.apply(policies[turn % 2])
    assert len(seen) > 10
    assert set(seen) == {200}


def test_what_speaks_no_http_where_requests_are_judged_gets_nothing_through(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend]
) -> None:
    plane.apply([ingress("server", rule("client", http(".*")))])
    with connected(client, pair_lab.pod("shop/server")) as connection:
        connection.sendall(b"4711 is no request\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert not connection.recv(65536).startswith(b"HTTP/1.1 200")
    assert backends["server"].seen == []


def test_an_expression_that_envoy_refuses_is_named_by_its_line_and_changes_nothing(
    plane: Attachment, pair_lab: Lab, client: LabPod
) -> None:
    server = pair_lab.pod("shop/server")
    plane.apply([ingress("server", rule("client", http("/a")))])
    with pytest.raises(DataPlaneError, match=r"requests\.yaml:20: .*missing \)"):
        plane.apply([ingress("server", rule("client", http("/(")))])
    assert [get(client, server, path).status for path in ("/a", "/b")] == [200, 403]
    plane.apply([ingress("server", rule("client", http("/b")))])
    assert [get(client, server, path).status for path in ("/a", "/b")] == [403, 200]


@pytest.mark.parametrize("how", list(RestartKind))
def test_a_restarted_sidecar_judges_by_the_same_rules(
    plane: Attachment, pair_lab: Lab, client: LabPod, how: RestartKind
) -> None:
    server = pair_lab.pod("shop/server")
    plane.apply([ingress("server", rule("client", http("/a")))])
    plane.restart("shop/server", how)
    assert [get(client, server, path).status for path in ("/a", "/b")] == [200, 403]
    plane.apply([ingress("server", rule("client", http("/b")))])
    assert [get(client, server, path).status for path in ("/a", "/b")] == [403, 200]
