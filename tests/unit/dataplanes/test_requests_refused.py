"""What a node's Envoy refuses under a set of policies, as Envoy's RBAC would decide it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request_world import CLUSTER, LOCAL, Asked, refuses, refusing, scopes_of

from harness.dataplanes.scopes import grounds
from harness.envoy.admission import Direction
from harness.model.cilium import (
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    EnableDefaultDeny,
    HTTPRule,
    L7Rules,
    PortRule,
)
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy

POLICY, RULE, REQUESTS = (Origin("requests.yaml", line) for line in (1, 9, 20))
GET = HTTPRule(REQUESTS, method="GET")
PEERS = {
    None: {},
    "client": {"endpoints": (LabelSelector({"app": "client"}),)},
    "other": {"endpoints": (LabelSelector({"app": "other"}),)},
    "server": {"endpoints": (LabelSelector({"app": "server"}),)},
    "pods": {"entities": ("cluster",)},
    "outside": {"cidrs": ("192.0.2.0/24", "2001:db8::/32")},
}
MEANT = {None: {"client", "other", "server", "outside"}, "pods": {"client", "other", "server"}}


def rule(peer: str | None, *requests: HTTPRule, ports: tuple[int, int] | None = (80, 80)) -> CiliumRule:
    rules = L7Rules(REQUESTS, http=requests) if requests else None
    written = None
    if ports is not None:
        first, last = ports
        written = (PortRule(RULE, (CiliumPort(RULE, str(first), None if first == last else last, "TCP"),), rules),)
    peers = PEERS[peer] if peer or written else {"entities": ("all",)}
    return CiliumRule(RULE, ports=written, **peers)


def policy(
    *rules: CiliumRule,
    subject: str = "server",
    way: str = "ingress",
    deny: tuple[CiliumRule, ...] | None = None,
    isolates: bool | None = None,
) -> CiliumPolicy:
    default = None if isolates is None else EnableDefaultDeny(isolates, isolates)
    fields = {way: rules or None, f"{way}_deny": deny}
    return CiliumPolicy(
        POLICY, "p", "shop", (CiliumSpec(POLICY, LabelSelector({"app": subject}), enable_default_deny=default, **fields),)
    )


@pytest.mark.parametrize("family", [4, 6])
def test_requests_of_a_peer_must_meet_a_rule_about_it(family: int) -> None:
    found = scopes_of([policy(rule("client", GET), rule("other", HTTPRule(REQUESTS, path="/o")))])
    assert not refuses(found, Asked(family=family))
    assert refuses(found, Asked(family=family, method="POST"))
    assert refuses(found, Asked("other", family=family))
    assert not refuses(found, Asked("other", family=family, path="/o", method="PUT"))


def test_a_request_of_anothers_flow_is_none_of_a_scopes_business() -> None:
    found = scopes_of([policy(rule("client", GET))])
    assert not refuses(found, Asked(port=81, method="POST"))
    assert not refuses(found, Asked("server", "client", method="POST"))


def test_who_may_not_connect_is_refused_too() -> None:
    """A request may wait in Envoy while its client's right to connect is taken."""
    found = scopes_of([policy(rule("client", GET))])
    assert refuses(found, Asked("other"))
    assert refuses(scopes_of([policy(rule("client", GET), deny=(rule("client"),))]), Asked())


def test_who_is_not_isolated_is_judged_only_where_a_rule_narrows() -> None:
    found = scopes_of([policy(rule("client", GET), isolates=False)])
    assert refuses(found, Asked(method="POST"))
    assert not refuses(found, Asked("other", method="POST"))


@pytest.mark.parametrize("other", [rule("client"), rule(None), rule("client", ports=(1, 100)), rule(None, ports=None)])
def test_one_rule_without_requests_allows_them_all(other: CiliumRule) -> None:
    assert not refuses(scopes_of([policy(rule("client", GET)), policy(other)]), Asked(method="POST"))


def test_a_network_policy_allows_every_request() -> None:
    everybody = NetworkPolicy(POLICY, "k", "shop", LabelSelector({"app": "server"}), ingress=())
    assert refuses(scopes_of([policy(rule("client", GET)), everybody]), Asked(method="POST"))


def test_each_direction_refuses_by_itself() -> None:
    found = scopes_of(
        [policy(rule("client", GET)), policy(rule("server", HTTPRule(REQUESTS, path="/a")), subject="client", way="egress")]
    )
    assert {scope.direction for scope in found} == set(Direction)
    assert refusing(found, Asked(path="/a")) == []
    assert len(refusing(found, Asked(path="/b"))) == 1
    assert len(refusing(found, Asked(path="/b", method="POST"))) == 2


def test_ranges_of_ports_are_cut_where_other_rules_begin() -> None:
    found = scopes_of([policy(rule("client", GET, ports=(80, 90)), rule("client", ports=(85, 86)))])
    assert sorted((scope.first, scope.last) for scope in found) == [(80, 84), (85, 86), (87, 90)]
    assert [refuses(found, Asked(port=port, method="POST")) for port in (79, 80, 84, 85, 86, 87, 90, 91)] == [
        False, True, True, False, False, True, True, False,
    ]  # fmt: skip


def test_blocks_mean_the_worlds_addresses_alone() -> None:
    everywhere = CiliumRule(RULE, cidrs=("0.0.0.0/0",), ports=rule(None, GET).ports)
    found = scopes_of([policy(everywhere, isolates=False)])
    assert refuses(found, Asked("outside", method="POST"))
    assert not refuses(found, Asked("outside", method="GET"))
    assert not refuses(found, Asked("client", method="POST"))


def test_a_named_port_is_what_the_destination_calls_so() -> None:
    named = (PortRule(RULE, (CiliumPort(RULE, "http", None, "TCP"),), L7Rules(REQUESTS, http=(GET,))),)
    for way, subject in (("ingress", "server"), ("egress", "client")):
        found = scopes_of([policy(CiliumRule(RULE, entities=("cluster",), ports=named), subject=subject, way=way)])
        assert refuses(found, Asked(method="POST"))
        assert not refuses(found, Asked(port=81, method="POST"))


def test_only_pods_of_the_node_are_subjects() -> None:
    assert scopes_of([policy(rule("client", GET), subject="other")]) == []
    assert scopes_of([policy(rule("client", GET))], local=LOCAL[:2]) == []


def test_policies_without_requests_give_an_envoy_nothing_to_do() -> None:
    assert scopes_of([policy(rule("client")), policy(rule("other"), way="egress")]) == []


def test_what_an_envoy_has_judged_it_goes_on_to_judge() -> None:
    """Its connections are still open when no rule looks into their requests any more."""
    known = grounds(scopes_of([policy(rule("client", GET))]))
    assert refuses(scopes_of([policy(rule("other"))], known), Asked(method="GET"))
    assert not refuses(scopes_of([policy(rule("client"))], known), Asked(method="POST"))
    assert not refuses(scopes_of([], known), Asked(method="POST"))


def test_a_refusal_names_where_the_isolating_policy_was_written() -> None:
    assert [scope.origin for scope in scopes_of([policy(rule("client", GET))])] == [POLICY]
    assert [scope.origin for scope in scopes_of([policy(rule("client", GET), isolates=False)])] == [REQUESTS]


# Against what the documentation says, written down once more


PATHS = ["/a", "/a/b", "/b"]
REQUESTS_DRAWN = st.lists(
    st.builds(
        HTTPRule,
        st.just(REQUESTS),
        method=st.sampled_from([None, "GET", "GET|PUT"]),
        path=st.sampled_from([None, "/a", "/a.*", ".*"]),
    ),
    min_size=0,
    max_size=2,
)
PORTS = st.sampled_from([None, (80, 80), (80, 82), (81, 81), (1, 65535)])


@st.composite
def drawn_rules(draw: st.DrawFn) -> tuple[CiliumRule, str | None, tuple[int, int] | None, list[HTTPRule]]:
    peer, ports, asked = draw(st.sampled_from(list(PEERS))), draw(PORTS), draw(REQUESTS_DRAWN)
    asked = asked if ports else []
    return rule(peer, *asked, ports=ports), peer, ports, asked


def about(drawn: tuple[CiliumRule, str | None, tuple[int, int] | None, list[HTTPRule]], asked: Asked) -> bool:
    _, peer, ports, _ = drawn
    return asked.source in MEANT.get(peer, {peer}) and (ports is None or ports[0] <= asked.port <= ports[1])


def takes(http: HTTPRule, asked: Asked) -> bool:
    methods = {None: {"GET", "PUT", "POST"}, "GET": {"GET"}, "GET|PUT": {"GET", "PUT"}}[http.method]
    paths = {None: PATHS, "/a": ["/a"], "/a.*": ["/a", "/a/b"], ".*": PATHS}[http.path]
    return asked.method in methods and asked.path in paths


@given(
    st.lists(drawn_rules(), max_size=4),
    st.booleans(),
    st.builds(
        Asked,
        source=st.sampled_from(["client", "other", "outside"]),
        port=st.integers(79, 83),
        family=st.sampled_from([4, 6]),
        method=st.sampled_from(["GET", "PUT", "POST"]),
        path=st.sampled_from(PATHS),
    ),
)
def test_a_request_that_may_reach_an_envoy_is_refused_unless_a_rule_takes_it(
    drawn: list[tuple[CiliumRule, str | None, tuple[int, int] | None, list[HTTPRule]]], isolates: bool, asked: Asked
) -> None:
    found = scopes_of([policy(each[0], isolates=isolates) for each in drawn])
    admitting = [each for each in drawn if about(each, asked)]
    narrowed = bool(admitting) and all(each[3] for each in admitting)
    if narrowed:
        taken = any(takes(http, asked) for each in admitting for http in each[3])
        assert refuses(found, asked) is not taken
    elif admitting or not isolates:
        assert not refuses(found, asked)


def test_the_world_of_these_tests_is_what_it_seems() -> None:
    assert {address for address, _ in CLUSTER.addresses} > set(LOCAL)
