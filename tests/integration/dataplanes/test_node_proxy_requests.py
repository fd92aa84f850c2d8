"""Which requests pass a node proxy, and what their backends see of them."""

import pytest
from http_ends import Answer, Backend, ask, get, keep_alive, raw, reaches
from request_policies import POLICY, egress, http, http_headers, ingress, rule

from harness.dataplanes.port import Attachment
from harness.lab.port import Lab, LabPod
from harness.model.cilium import HeaderMatch
from harness.model.flow import Flow
from harness.model.request import HTTPRequest

DENIED = Answer(403, b"Access denied\r\n")
BOTH = pytest.mark.parametrize("app", ["server", "neighbour"])
"""On the other node than the client, and on the same."""
FAMILIES = pytest.mark.parametrize("family", [4, 6])
PUBLIC = http("/public/.*")


@BOTH
@FAMILIES
@pytest.mark.parametrize("way", ["ingress", "egress", "both"])
def test_only_what_a_rule_takes_reaches_the_backend_and_from_the_clients_own_address(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], app: str, family: int, way: str
) -> None:
    policies = [ingress(app, rule("client", PUBLIC)), egress("client", rule(app, PUBLIC))]
    plane.apply(policies if way == "both" else policies[way == "egress" :][:1])
    server = pair_lab.pod(f"shop/{app}")
    assert get(client, server, "/public/a?b=c", family) == Answer(200, f"shop/{app}".encode())
    assert get(client, server, "/private", family) == DENIED
    assert get(client, server, "/publicity", family) == DENIED
    (seen,) = backends[app].seen
    assert (seen.target, seen.peer) == ("/public/a?b=c", client.pod.ip(family))


@BOTH
def test_egress_and_ingress_must_both_take_a_request(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], app: str
) -> None:
    plane.apply([ingress(app, rule("client", http("/(a|b)"))), egress("client", rule(app, http("/(b|c)")))])
    server = pair_lab.pod(f"shop/{app}")
    assert [get(client, server, path).status for path in ("/a", "/b", "/c")] == [403, 200, 403]
    assert backends[app].targets() == ["/b"]


@BOTH
@FAMILIES
def test_who_may_not_connect_is_dropped_not_answered(
    plane: Attachment, pair_lab: Lab, backends: dict[str, Backend], app: str, family: int
) -> None:
    plane.apply([ingress(app, rule("client", PUBLIC))])
    assert not reaches(pair_lab.pod("evil/stranger"), pair_lab.pod(f"shop/{app}"), family)
    found = plane.evidence(Flow("evil/stranger", f"shop/{app}", 8080, family=family))
    assert found is not None
    assert (found.reason, found.rule) == ("policy_ingress", str(POLICY))


def test_what_no_rule_narrows_goes_past_the_proxy(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend]
) -> None:
    """HTTP that Envoy would refuse gets through where only connections are judged, and does not where requests are."""
    plane.apply([ingress("server", rule("client", PUBLIC))])
    odd = b"GET /public/ HTTP/1.1\r\nNo colon\r\n\r\n"
    assert b"200 OK" in raw(client, pair_lab.pod("shop/neighbour"), odd)
    assert raw(client, pair_lab.pod("shop/server"), odd).startswith(b"HTTP/1.1 400 ")
    assert backends["neighbour"].targets() == ["/public/"]
    assert backends["server"].targets() == []


@BOTH
def test_one_rule_without_requests_allows_every_request_of_its_peers(
    plane: Attachment, pair_lab: Lab, client: LabPod, app: str
) -> None:
    server = pair_lab.pod(f"shop/{app}")
    narrowed = rule("client", PUBLIC)
    plane.apply([ingress(app, narrowed), ingress(app, rule("neighbour"))])
    assert get(client, server, "/private") == DENIED
    plane.apply([ingress(app, narrowed), ingress(app, rule("client"))])
    assert get(client, server, "/private").status == 200


def test_rules_add_up_over_policies(plane: Attachment, pair_lab: Lab, client: LabPod) -> None:
    server = pair_lab.pod("shop/server")
    plane.apply([ingress("server", rule("client", http("/a"))), ingress("server", rule("client", http("/b", "POST")))])
    assert get(client, server, "/a").status == 200
    assert get(client, server, "/b") == DENIED
    with keep_alive(client, server) as connection:
        assert [ask(connection, "/b", "POST").status, ask(connection, "/a", "POST").status] == [200, 200]


def test_a_rule_that_denies_the_connection_wins(plane: Attachment, pair_lab: Lab, client: LabPod) -> None:
    plane.apply([ingress("server", rule("client", PUBLIC), deny=(rule("client"),))])
    assert not reaches(client, pair_lab.pod("shop/server"))


@pytest.mark.parametrize(
    ("taken", "asked", "status"),
    [
        (http(None, None, r"shop\.example"), {"Host": "shop.example"}, 200),
        (http(None, None, r"shop\.example"), {"Host": "shop.example:80"}, 403),
        (http(None, None, None, "X-Token: 42"), {"x-token": "42"}, 200),
        (http(None, None, None, "X-Token: 42"), {"x-token": "421"}, 403),
        (http(None, None, None, "X-Token"), {"X-Token": ""}, 200),
        (http(None, None, None, "X-Token"), {}, 403),
        (http(None, None, None, "X-A", "X-B: 1"), {"X-A": "0"}, 403),
        (http_headers(HeaderMatch("X-Token", "42")), {"X-Token": "42"}, 200),
        (http_headers(HeaderMatch("X-Token", "42")), {"X-Token": "4"}, 403),
        (http_headers(HeaderMatch("X-Token")), {"X-Token": "any"}, 200),
        (http_headers(HeaderMatch("X-Token", "42", "LOG")), {}, 200),
    ],
)
def test_hosts_and_headers(
    plane: Attachment, pair_lab: Lab, client: LabPod, taken: object, asked: dict[str, str], status: int
) -> None:
    plane.apply([ingress("server", rule("client", taken))])  # type: ignore[arg-type] # made by http()
    assert get(client, pair_lab.pod("shop/server"), headers=asked).status == status


@pytest.mark.parametrize(("wanted", "status"), [("X-Role: user", 403), ("X-Role: user,admin", 200), ("X-Role: admin", 403)])
def test_a_header_that_comes_twice_is_one_value(
    plane: Attachment, pair_lab: Lab, client: LabPod, wanted: str, status: int
) -> None:
    plane.apply([ingress("server", rule("client", http(None, None, None, wanted)))])
    head = b"GET / HTTP/1.1\r\nHost: b\r\nX-Role: user\r\nX-Role: admin\r\n\r\n"
    assert raw(client, pair_lab.pod("shop/server"), head).startswith(b"HTTP/1.1 %d " % status)


@FAMILIES
def test_a_refused_request_proves_its_reason(plane: Attachment, pair_lab: Lab, client: LabPod, family: int) -> None:
    plane.apply([ingress("server", rule("client", PUBLIC))])
    server = pair_lab.pod("shop/server")
    get(client, server, "/public/", family)
    flow = Flow("shop/client", "shop/server", 8080, family=family)
    assert plane.evidence(flow) is None
    get(client, server, "/private?x=1", family)
    asked = Flow("shop/client", "shop/server", 8080, family=family, request=HTTPRequest(path="/private?x=1"))
    for each in (flow, asked):
        found = plane.evidence(each)
        assert found is not None
        assert (found.reason, found.rule) == ("rbac_access_denied", str(POLICY))
        assert found.detail == "ingress on node n2: GET /private?x=1"
    other = Flow("shop/client", "shop/server", 8080, family=family, request=HTTPRequest(path="/public/"))
    assert plane.evidence(other) is None
    plane.apply([ingress("server", rule("client", PUBLIC))])
    assert plane.evidence(flow) is None
