"""What Envoy is told of routes of Services."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.envoy.node_tuning import DEFAULTS
from harness.envoy.request_rules import NONE
from harness.envoy.resources import message
from harness.envoy.route_durations import seconds
from harness.envoy.route_filters import context_of, response_changes
from harness.envoy.route_matches import grpc_match, http_match, http_place
from harness.envoy.service_backends import Backend
from harness.envoy.service_hosts import Host, hosts
from harness.envoy.service_resources import ServiceRules, backends, service_clusters, service_listener, service_routes
from harness.envoy.transparent import service_sets
from harness.model.origin import Origin
from harness.model.route import (
    BackendObject,
    BackendRef,
    GRPCMethodMatch,
    GRPCRoute,
    GRPCRouteMatch,
    HeaderChanges,
    HTTPHeader,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
    PathModifier,
    RequestHeaderModifier,
    RequestMirror,
    RequestRedirect,
    ResponseHeaderModifier,
    Retry,
    Timeouts,
    URLRewrite,
    ValueMatch,
)
from harness.model.routing import Routing
from harness.model.service import Service, ServicePort
from harness.model.topology import ContainerPort, Pod, Topology

HERE = Origin("m.yaml", 1)


def pod(name: str, number: int, app: str) -> Pod:
    ports = (ContainerPort("http", 8000 + number),)
    return Pod(name, "shop", "n1", {"app": app}, ports=ports, ips=(f"10.0.0.{number}", f"fd00::{number}"))


def service(name: str, target: int | str | None = None, selector: str | None = None) -> Service:
    return Service(HERE, name, "shop", (ServicePort(HERE, 80, "main", target),), {"app": selector or name})


TOPOLOGY = Topology("t", ("n1",), (), (pod("a", 1, "one"), pod("b", 2, "two"), pod("c", 3, "two")))
SERVICES = (service("web", selector="nobody"), service("one", "http"), service("two", 9000), service("none"))
ADDRESSES = {"shop/web": ("172.20.0.1", "fd00:172:20::1")}
PARENT = ParentReference(HERE, "web", "", "Service")


def ref(name: str, weight: int | None = None, port: int = 80) -> BackendRef:
    return BackendRef(BackendObject(HERE, name, namespace="shop", port=port), weight)


def route(*rules: HTTPRouteRule, name: str = "r", namespace: str = "shop", parent: ParentReference = PARENT) -> HTTPRoute:
    return HTTPRoute(HERE, name, namespace, (replace(parent, namespace="shop"),), None, rules)


def compiled(*routes: HTTPRoute | GRPCRoute, local: dict[str, list[str]] | None = None) -> list[Host]:
    http = tuple(each for each in routes if isinstance(each, HTTPRoute))
    grpc = tuple(each for each in routes if isinstance(each, GRPCRoute))
    return hosts(Routing(SERVICES, (), http, grpc), ADDRESSES, TOPOLOGY, local or {})


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (None, {"prefix": "/"}),
        (PathMatch(None, "/"), {"prefix": "/"}),
        (PathMatch("PathPrefix", "/a/"), {"path_separated_prefix": "/a"}),
        (PathMatch("Exact", "/a/"), {"path": "/a/"}),
        (PathMatch("RegularExpression", "/a.*"), {"safe_regex": {"regex": "/a.*"}}),
    ],
)
def test_paths(path: PathMatch | None, expected: dict[str, object]) -> None:
    assert http_match(HTTPRouteMatch(HERE, path)) == expected


def test_of_matches_of_one_header_the_first_counts_and_host_is_envoys_authority() -> None:
    match = HTTPRouteMatch(HERE, None, (ValueMatch("X-A", "1"), ValueMatch("x-a", "2"), ValueMatch("Host", "h")))
    assert [each["name"] for each in http_match(match)["headers"]] == ["x-a", ":authority"]
    assert http_place(match) == http_place(HTTPRouteMatch(HERE, None, (ValueMatch("a", "1"), ValueMatch("b", "1"))))


def test_what_is_no_expression_of_a_call_is_taken_literally() -> None:
    match = GRPCRouteMatch(HERE, GRPCMethodMatch(None, "a.B", None))
    assert grpc_match(match)["safe_regex"] == {"regex": r"/a\.B/[^/]*"}


def test_the_most_specific_match_is_asked_first() -> None:
    def to(path: PathMatch | None, method: str | None = None, headers: int = 0, params: int = 0) -> HTTPRouteMatch:
        some = tuple(ValueMatch(f"x-{number}", "1") for number in range(3))
        return HTTPRouteMatch(HERE, path, some[:headers] or None, some[:params] or None, method)

    order = [
        to(PathMatch("Exact", "/a")),
        to(PathMatch("RegularExpression", "/aaaa*")),
        to(PathMatch("RegularExpression", "/a*")),
        to(PathMatch(None, "/long/er")),
        to(PathMatch(None, "/a"), "GET"),
        to(PathMatch(None, "/a"), headers=2),
        to(PathMatch(None, "/a"), headers=1, params=1),
        to(PathMatch(None, "/a"), headers=1),
        to(PathMatch(None, "/a/"), params=1),
        to(PathMatch(None, "/a")),
        to(None, "GET", 2, 2),
    ]
    rule = HTTPRouteRule(HERE, matches=tuple(reversed(order)), backend_refs=(ref("one"),))
    (host, _) = compiled(route(rule))
    assert [each.match for each in host.routes[:-1]] == [http_match(each) for each in order]
    assert [share.status for share in host.routes[-1].shares] == [404]


def test_of_equal_matches_the_older_route_is_asked_first_then_by_name() -> None:
    def named(name: str, created: str | None, backend: str) -> HTTPRoute:
        return replace(route(HTTPRouteRule(HERE, backend_refs=(ref(backend),)), name=name), created=created)

    found = compiled(
        named("b", None, "none"),
        named("a", None, "one"),
        named("z", "2026-01-01T01:00:01+01:00", "missing"),
        named("y", "2026-01-01T00:00:02Z", "two"),
    )[0]
    assert [len(each.shares) if each.shares[0].backend else each.shares[0].status for each in found.routes] == [
        500,
        2,
        1,
        503,
        404,
    ]


@given(
    st.lists(st.tuples(st.sampled_from(["one", "two", "none", "missing"]), st.integers(1, 1_000_000)), min_size=1, max_size=4)
)
def test_every_backend_has_its_share(refs: list[tuple[str, int]]) -> None:
    (host, _) = compiled(route(HTTPRouteRule(HERE, backend_refs=tuple(ref(*each) for each in refs))))
    shares = host.routes[0].shares
    total = sum(each.weight for each in shares)
    assert total < 1 << 32
    owners = {"one": ["10.0.0.1"], "two": ["10.0.0.2", "10.0.0.3"]}
    for name in {name for name, _ in refs}:
        wanted = Fraction(sum(weight for each, weight in refs if each == name), sum(weight for _, weight in refs))
        status = {"none": 503, "missing": 500}.get(name)
        mine = [
            each
            for each in shares
            if (each.status == status if status else each.backend and each.backend.address in owners[name])
        ]
        assert abs(Fraction(sum(each.weight for each in mine), total) - wanted) < Fraction(1, 1_000_000)
        assert len({each.weight for each in mine}) == 1 or len(refs) > 1, "its pods share it evenly"


def test_named_target_ports_are_each_pods_own() -> None:
    four, six = compiled(route(HTTPRouteRule(HERE, backend_refs=(ref("one"),))))
    assert backends([four]) == {Backend("10.0.0.1", 8001)}
    assert backends([six]) == {Backend("fd00::1", 8001)}


def test_consumer_routes_are_for_their_namespace_alone() -> None:
    consumer = route(HTTPRouteRule(HERE, backend_refs=(ref("one"),)), namespace="consumer")
    found = compiled(consumer, local={"consumer": ["10.0.0.9"], "shop": ["10.0.0.8"]})
    assert [(each.address, each.clients) for each in found] == [
        ("172.20.0.1", ("10.0.0.9",)), ("172.20.0.1", None), ("fd00:172:20::1", ("10.0.0.9",)), ("fd00:172:20::1", None),
    ]  # fmt: skip
    assert [each.routes[0].shares[0].status for each in found] == [None, 503, None, 503], "web has no endpoints of its own"


def test_a_parent_may_be_one_port_of_a_service() -> None:
    rule = HTTPRouteRule(HERE, backend_refs=(ref("one"),))
    for parent, here in (
        (replace(PARENT, port=80), True), (replace(PARENT, port=81), False),
        (replace(PARENT, section_name="main"), True), (replace(PARENT, section_name="x"), False),
        (replace(PARENT, kind="Gateway"), False), (replace(PARENT, name="one"), False),
    ):  # fmt: skip
        assert (len(compiled(route(rule, parent=parent))[0].routes) == 2) is here, parent


def test_where_kinds_of_routes_meet_those_of_grpc_count() -> None:
    http = route(HTTPRouteRule(HERE, backend_refs=(ref("one"),)))
    grpc = GRPCRoute(HERE, "g", "shop", (PARENT,), None, ())
    assert [share.status for each in compiled(http, grpc)[0].routes for share in each.shares] == [404]


def test_changes_of_response_headers_add_up_in_order() -> None:
    def changes(**lists: object) -> ResponseHeaderModifier:
        return ResponseHeaderModifier(HERE, HeaderChanges(**lists))  # type: ignore[arg-type]

    one = changes(set=(HTTPHeader("A", "1"),), add=(HTTPHeader("B", "1"), HTTPHeader("C", "100%")))
    two = changes(set=(HTTPHeader("b", "2"),), add=(HTTPHeader("a", "2"),), remove=("c", "D"))
    found = response_changes([one, two])
    said = [
        (each["header"]["key"], each["header"]["value"], each["append_action"][:6]) for each in found["response_headers_to_add"]
    ]
    assert said == [("A", "1", "OVERWR"), ("a", "2", "APPEND"), ("b", "2", "OVERWR")]
    assert found["response_headers_to_remove"] == ["c", "d"]
    assert response_changes([one])["response_headers_to_add"][-1]["header"]["value"] == "100%%"


@pytest.mark.parametrize(
    ("redirect", "port", "at"),
    [
        (RequestRedirect(HERE), 80, ""),
        (RequestRedirect(HERE), 8080, ":8080"),
        (RequestRedirect(HERE, scheme="https"), 8080, ""),
        (RequestRedirect(HERE, scheme="https", port=80), 8080, ":80"),
        (RequestRedirect(HERE, port=443), 80, ":443"),
    ],
)
def test_the_port_of_a_redirect(redirect: RequestRedirect, port: int, at: str) -> None:
    assert context_of([redirect], "/", port)["redirect"]["at"] == at


EVERYTHING = (
    HTTPRouteRule(
        HERE,
        matches=(HTTPRouteMatch(HERE, PathMatch(None, "/a"), (ValueMatch("a", "b"),), (ValueMatch("q", "1"),), "GET"),),
        filters=(
            RequestHeaderModifier(HERE, HeaderChanges((HTTPHeader("Host", "h"),), (HTTPHeader("b", "c"),), ("d",))),
            ResponseHeaderModifier(HERE, HeaderChanges((HTTPHeader("a", "%"),))),
            URLRewrite(HERE, "new.example", PathModifier("ReplacePrefixMatch", None, "/")),
            RequestMirror(HERE, BackendObject(HERE, "two", port=80), percent=20),
        ),
        backend_refs=(ref("one", 3), ref("two"), ref("none"), ref("missing")),
        timeouts=Timeouts("10s", "500ms"),
        retry=Retry((500, 503), 3, "100ms"),
    ),
    HTTPRouteRule(HERE, filters=(RequestRedirect(HERE, "https", "h", PathModifier("ReplaceFullPath", "/x"), 8443, 301),)),
)


def test_every_field_is_one_of_its_type() -> None:
    found = compiled(route(*EVERYTHING), local={"shop": ["10.0.0.1"]})
    services = ServiceRules(tuple(found), dict.fromkeys(backends(found), NONE))
    made = [service_routes(services, DEFAULTS), *service_clusters(services, DEFAULTS)]
    names = [message(each).name for each in made]
    assert names[0] == "services"
    assert "mirror 10.0.0.2:9000 10.0.0.3:9000" in names
    assert "[fd00::1]:8001" in names


def test_every_cluster_that_is_named_exists() -> None:
    found = compiled(route(*EVERYTHING))
    services = ServiceRules(tuple(found), dict.fromkeys(backends(found), NONE))
    made = {each["name"] for each in service_clusters(services, DEFAULTS)} | {"backend"}
    for host in service_routes(services, DEFAULTS)["virtual_hosts"]:
        for each in host["routes"]:
            assert {cluster["name"] for cluster in each["route"]["weighted_clusters"]["clusters"]} <= made
            assert {mirror["cluster"] for mirror in each["route"].get("request_mirror_policies", ())} <= made


def test_no_route_is_chosen_anew_after_one_has_been_judged(tmp_path: object) -> None:
    """By what the script changes: another backend could be chosen than the one whose rules were asked."""
    [_, chain] = service_listener(DEFAULTS, tmp_path)["filter_chains"]  # type: ignore[arg-type] # a path
    script = chain["filters"][0]["typed_config"]["http_filters"][0]["typed_config"]
    assert script["clear_route_cache"] is False


@pytest.mark.parametrize(
    ("written", "expected"),
    [(None, None), ("0s", None), ("500ms", "0.500s"), ("1m30s", "90.000s"), ("1h", "3600.000s"), ("1s5ms", "1.005s")],
)
def test_durations(written: str | None, expected: str | None) -> None:
    assert seconds(written) == expected


def test_the_nodes_stack_knows_ports_of_services_and_pods_that_may_be_their_own_backends() -> None:
    told = service_sets([("172.20.0.1", 80), ("fd00::1", 80)], ["10.0.0.1", "fd00::9"])
    assert "add element inet node_proxy services4 { 172.20.0.1 . 80 }" in told
    assert "add element inet node_proxy addresses6 { fd00::1 }" in told
    assert "add element inet node_proxy own6 { fd00::9 . fd00::9 }" in told
    assert "add element" not in service_sets([], ["10.0.0.1"])
