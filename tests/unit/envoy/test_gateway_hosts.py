"""What Envoy is told of Gateways: the first route that a request meets is the one that the oracle says."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from harness.envoy.gateway_hosts import gateway_hosts
from harness.envoy.gateway_parents import accepted
from harness.envoy.node_tuning import DEFAULTS
from harness.envoy.request_rules import NONE
from harness.envoy.resources import message
from harness.envoy.service_backends import Backend
from harness.envoy.service_hosts import Host, HostRoute
from harness.envoy.service_resources import ServiceRules, backends, service_routes
from harness.envoy.transparent import ruleset, service_sets
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, Requirement
from harness.model.request import GRPCRequest, HTTPRequest
from harness.model.route import (
    AllowedRoutes,
    BackendObject,
    BackendRef,
    Gateway,
    GRPCRoute,
    GRPCRouteRule,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    Listener,
    ParentReference,
    PathMatch,
    RouteKind,
)
from harness.model.routing import Call, Forwarded, Replied, Routing
from harness.model.service import Service, ServicePort
from harness.model.topology import Namespace, Pod, Topology
from harness.oracle.routing import Router

HERE = Origin("m.yaml", 1)
SPACES = (Namespace("infra"), Namespace("web", {"team": "web"}), Namespace("app", {"team": "app"}))
PODS = tuple(
    Pod(f"v{number}", space.name, "n1", {"app": f"v{number}"}, ips=(f"10.1.{index}.{number}", f"fd00::{index}:{number}"))
    for index, space in enumerate(SPACES)
    for number in (1, 2, 3)
)
TOPOLOGY = Topology("t", ("n1",), SPACES, PODS)
SERVICES = tuple(
    Service(HERE, f"v{number}", space.name, (ServicePort(HERE, 80),), {"app": f"v{number}"})
    for space in SPACES
    for number in (1, 2, 3)
)
ADDRESSES = {"infra/edge": ("172.21.0.1", "fd00:172:21::1")}
HOSTS = ("a.org", "b.a.org", "c.b.a.org", "*.a.org", "*.b.a.org", "*.org", "b.com")
ASKED = ("a.org", "b.a.org", "x.a.org", "c.b.a.org", "x.b.a.org", "B.A.org:81", "x.org:80", "b.com", "com")

spaces = st.sampled_from(["infra", "web", "app"])
times = st.sampled_from([None, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"])
hostnames = st.none() | st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3, unique=True).map(tuple)
paths = st.builds(PathMatch, st.sampled_from([None, "PathPrefix", "Exact"]), st.sampled_from(["/", "/a", "/a/b", "/a/"]))
selectors = st.sampled_from(
    [
        LabelSelector({"team": "web"}),
        LabelSelector({}, (Requirement("team", "In", ("web", "app")),)),
        LabelSelector({}, (Requirement("team", "NotIn", ("web",)),)),
        LabelSelector({}, (Requirement("team", "Exists"),)),
        LabelSelector({}, (Requirement("team", "DoesNotExist"),)),
        LabelSelector({"kubernetes.io/metadata.name": "app"}),
        LabelSelector(),
    ]
)
kinds = st.none() | st.lists(st.sampled_from([RouteKind("HTTPRoute"), RouteKind("GRPCRoute")]), max_size=2).map(tuple)
allowed = st.none() | st.builds(AllowedRoutes, st.sampled_from([None, "Same", "All"]), st.none(), kinds)
allowed |= st.builds(AllowedRoutes, st.just("Selector"), selectors, kinds)
parents = st.builds(
    ParentReference,
    origin=st.just(HERE),
    name=st.sampled_from(["edge", "edge", "other"]),
    namespace=st.just("infra"),
    section_name=st.sampled_from([None, None, "l0", "l1"]),
    port=st.sampled_from([None, None, 80, 81]),
)


@st.composite
def gateways(draw: st.DrawFn) -> Gateway:
    places = draw(
        st.lists(st.tuples(st.sampled_from([80, 81]), st.none() | st.sampled_from(HOSTS)), min_size=1, max_size=4, unique=True)
    )
    listeners = tuple(
        Listener(HERE, f"l{index}", port, "HTTP", host, draw(allowed)) for index, (port, host) in enumerate(places)
    )
    return Gateway(HERE, "edge", "infra", "c", listeners)


@st.composite
def routings(draw: st.DrawFn) -> Routing:
    http, grpc = [], []
    for number in range(draw(st.integers(0, 5))):
        where, refs = draw(spaces), draw(st.lists(parents, min_size=1, max_size=2))
        head = (HERE, f"r{number}", where, tuple(refs), draw(hostnames))
        to = (BackendRef(BackendObject(HERE, f"v{draw(st.integers(1, 3))}", namespace=where, port=80)),)
        line = Origin("m.yaml", 10 + number)
        if draw(st.integers(0, 3)):
            matches = tuple(HTTPRouteMatch(line, each) for each in draw(st.lists(paths, max_size=2)))
            http.append(HTTPRoute(*head, (HTTPRouteRule(line, matches=matches or None, backend_refs=to),), draw(times)))
        else:
            grpc.append(GRPCRoute(*head, (GRPCRouteRule(line, backend_refs=to),), draw(times)))
    return Routing(SERVICES, (draw(gateways()),), tuple(http), tuple(grpc))


requests = st.builds(HTTPRequest, path=st.sampled_from(["/", "/a", "/a/b", "/ab", "/a/b/c"]), host=st.sampled_from(ASKED))
requests |= st.builds(GRPCRequest, st.just("a/B"), st.sampled_from(ASKED))


def met(match: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Whether Envoy would take a request with these ``headers``, of those matches that are generated here."""
    path = headers[":path"]
    prefix = match.get("path_separated_prefix")
    asked = [prefix is None or path == prefix or path.startswith(f"{prefix}/")]
    asked += [match.get("path", path) == path, path.startswith(match.get("prefix", "/"))]
    asked += ["grpc" not in match or headers["content-type"] == "application/grpc"]
    for each in match.get("headers", ()):
        wanted, value = each["string_match"], headers[each["name"]]
        asked.append(wanted.get("exact", value) == value)
        asked.append("safe_regex" not in wanted or re2.fullmatch(wanted["safe_regex"]["regex"], value) is not None)
    return all(asked)


def first(found: Sequence[Host], port: int, request: HTTPRequest | GRPCRequest, family: int = 4) -> HostRoute:
    host = next(each for each in found if each.port == port and (":" in each.address) == (family == 6))
    call = isinstance(request, GRPCRequest)
    headers = {
        ":path": f"/{request.method}" if isinstance(request, GRPCRequest) else request.path,
        ":method": "POST" if call else "GET",
        ":authority": request.host or "",
        "content-type": "application/grpc" if call else "",
    }
    return next(route for route in host.routes if met(route.match, headers))


@given(routing=routings(), asked=st.lists(st.tuples(requests, st.sampled_from([4, 6])), min_size=5, max_size=5))
def test_the_first_route_that_a_request_meets_is_the_oracles(
    routing: Routing, asked: list[tuple[HTTPRequest | GRPCRequest, int]]
) -> None:
    found, router = gateway_hosts(routing, ADDRESSES, TOPOLOGY), Router(routing, TOPOLOGY)
    for port in sorted({each.port for each in routing.gateways[0].listeners}):
        for request, family in asked:
            (said,) = router.answer(Call("192.0.2.7", "infra/edge", port, request, to_gateway=True))
            (share,) = first(found, port, request, family).shares
            if isinstance(said, Replied):
                assert (share.backend, share.status) == (None, 404)
            else:
                ((pod, number),) = router.endpoints(said.backend, said.port)
                assert share.backend == Backend(TOPOLOGY.pod(pod).ip(family), number)


EDGE = Gateway(HERE, "edge", "infra", "c", (Listener(HERE, "l", 80, "HTTP", "*.a.org"), Listener(HERE, "m", 81, "HTTP")))
AWAY = BackendRef(BackendObject(HERE, "v1", namespace="web", port=80))


def to_edge(*refs: BackendRef, kind: type[HTTPRoute] | type[GRPCRoute] = HTTPRoute, **more: Any) -> Any:
    rule = HTTPRouteRule if kind is HTTPRoute else GRPCRouteRule
    return kind(HERE, "r", "infra", (ParentReference(HERE, "edge"),), None, (rule(HERE, backend_refs=refs),), **more)


def test_a_gateway_has_a_public_host_for_each_address_and_port() -> None:
    found = gateway_hosts(Routing(SERVICES, (EDGE,)), ADDRESSES, TOPOLOGY)
    places = {(each.address, each.port, each.clients, each.public) for each in found}
    assert places == {(address, port, None, True) for address in ADDRESSES["infra/edge"] for port in (80, 81)}
    assert all([share.status for share in each.routes[-1].shares] == [404] for each in found)


def test_envoy_takes_what_it_is_told() -> None:
    found = tuple(gateway_hosts(Routing(SERVICES, (EDGE,), (to_edge(AWAY),)), ADDRESSES, TOPOLOGY))
    rules = dict.fromkeys(backends(found), NONE)
    described = service_routes(ServiceRules(found, rules), DEFAULTS)
    assert message(described)
    assert [each["domains"] for each in described["virtual_hosts"][:2]] == [["172.21.0.1:80/*"], ["[fd00:172:21::1]:80/*"]]


@pytest.mark.parametrize("kind", [HTTPRoute, GRPCRoute])
def test_a_backend_in_another_namespace_is_invalid_without_a_grant(kind: type[HTTPRoute] | type[GRPCRoute]) -> None:
    route = to_edge(AWAY, kind=kind)
    routing = Routing(SERVICES, (EDGE,), *(((route,), ()) if kind is HTTPRoute else ((), (route,))))
    request = HTTPRequest(host="x.a.org") if kind is HTTPRoute else GRPCRequest("a/B", "x.a.org")
    (said,) = Router(routing, TOPOLOGY).answer(Call("infra/v1", "infra/edge", 80, request, to_gateway=True))
    (share,) = first(gateway_hosts(routing, ADDRESSES, TOPOLOGY), 80, request).shares
    assert not isinstance(said, Forwarded)
    assert share.status == (500 if kind is HTTPRoute else 503)


def test_routes_are_accepted_by_age() -> None:
    listener = EDGE.listeners[1]
    old, new = to_edge(created="2026-01-01T00:00:00Z"), to_edge(kind=GRPCRoute, created="2026-01-02T00:00:00Z")
    assert accepted([new, old], EDGE, listener, {}) == [old]
    older = replace(new, created="2025-01-01T00:00:00Z")
    assert accepted([old, older], EDGE, listener, {}) == [older]


def test_only_what_is_public_is_open_to_interfaces_outside() -> None:
    rules = ruleset(1, ["o1-b", "o0-a"])
    assert 'iifname { "o0-a", "o1-b" } jump edge' in rules
    assert "jump edge" not in ruleset(1)
    sets = service_sets([("172.20.0.1", 80), ("172.21.0.1", 80)], [], ["172.21.0.1"])
    added = [line for line in sets.splitlines() if " public4 " in line and line.startswith("add")]
    assert added == ["add element inet node_proxy public4 { 172.21.0.1 }"]
