"""The kernel routes a request only where the oracle does, to the same backends in the same shares; all else is Envoy's."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite
from kernel_routes import decide, odds

from harness.dataplanes.l7routes import asked, fronts
from harness.envoy.route_matches import http_match
from harness.envoy.service_hosts import hosts
from harness.mesh.l7choices import Choice, Plan, Table
from harness.mesh.l7fronts import Asked, End, Front, FrontRoute, front_of
from harness.mesh.l7law import Law, Target
from harness.mesh.l7layout import HEADER_BITS, ROUTE_CHOICES, RequestRule, SlowRoute
from harness.mesh.l7messages import Judge, Messages, line
from harness.model.origin import Origin
from harness.model.request import HTTPRequest
from harness.model.route import (
    BackendObject,
    BackendRef,
    GRPCRoute,
    GRPCRouteRule,
    HeaderChanges,
    HTTPHeader,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
    RequestHeaderModifier,
    Retry,
    Timeouts,
    URLRewrite,
    ValueMatch,
)
from harness.model.routing import Call, Forwarded, Routing
from harness.model.service import Service, ServicePort
from harness.model.topology import Namespace, Pod, Topology
from harness.oracle.routing import Router

HERE = Origin("m.yaml", 1)
NAMES = ("v0", "v1", "v2", "nobody")


def pod(name: str, number: int, app: str = "", namespace: str = "shop") -> Pod:
    return Pod(name, namespace, "n1", {"app": app or name}, ips=(f"10.0.0.{number}", f"fd00::{number}"))


PODS = (
    pod("v0", 1), pod("v1a", 2, "v1"), pod("v1b", 3, "v1"), pod("v2", 4), pod("client", 8), pod("client", 9, "", "other")
)  # fmt: skip
CLUSTER = Topology("t", ("n1",), (Namespace("shop"), Namespace("other")), PODS)
SERVICES = tuple(
    Service(HERE, name, "shop", (ServicePort(HERE, 80, target_port=8080),), {"app": name}) for name in ("web", *NAMES)
)
ADDRESSES = {"shop/web": ("172.20.0.1", "fd00:172:20::1")}
LOCAL = {"shop": ["10.0.0.1", "10.0.0.8"], "other": ["10.0.0.9"]}

elements = st.sampled_from(("a", "b", "ab"))
paths = st.lists(elements, max_size=3).map(lambda parts: "/" + "/".join(parts))
slashed = st.builds(lambda path, slash: path + slash if path != "/" else path, paths, st.sampled_from(("", "/")))
names = st.sampled_from(("x-a", "X-B", "host", "x-forwarded-proto"))
values = st.sampled_from(("one", "two", "one,two"))
plain_paths = st.none() | st.builds(PathMatch, st.sampled_from((None, "Exact", "PathPrefix")), slashed)
odd_paths = st.builds(PathMatch, st.just("RegularExpression"), st.sampled_from(("/a.*", "/[ab]+", ".*b")))
plain_headers = st.builds(ValueMatch, st.sampled_from(("x-a", "X-B", "Host")), values, st.sampled_from((None, "Exact")))
odd_headers = st.builds(ValueMatch, names, st.sampled_from(("o.*", "one|two")), st.just("RegularExpression"))
filters = st.sampled_from(
    (
        None,
        None,
        None,
        (RequestHeaderModifier(HERE, HeaderChanges(set=(HTTPHeader("x", "y"),))),),
        (URLRewrite(HERE, "new.example"),),
    )
)


@composite
def matches(draw: DrawFn, odd: bool) -> HTTPRouteMatch:
    asked = draw(st.lists(plain_headers | odd_headers if odd else plain_headers, max_size=2))
    params = draw(st.lists(st.just(ValueMatch("q", "one")), max_size=1)) if odd else []
    path = draw(plain_paths | odd_paths if odd else plain_paths)
    return HTTPRouteMatch(
        HERE, path, tuple(asked) or None, tuple(params) or None, draw(st.sampled_from((None, None, "GET", "POST")))
    )


@composite
def rules(draw: DrawFn, odd: bool) -> HTTPRouteRule:
    reference = st.tuples(st.sampled_from(NAMES if odd else NAMES[:-1]), st.none() | st.integers(0 if odd else 1, 3))
    some = draw(st.lists(reference, min_size=0 if odd else 1, max_size=3))
    refs = tuple(
        BackendRef(BackendObject(HERE, name, port=80), weight, draw(filters) if odd else None) for name, weight in some
    )
    line = Origin("m.yaml", draw(st.integers(2, 1 << 30)))
    times = draw(st.sampled_from((None, None, Timeouts("1s"), Timeouts("0s")))) if odd else None
    retry = draw(st.sampled_from((None, None, Retry((503,))))) if odd else None
    some_matches = tuple(draw(st.lists(matches(odd), max_size=2))) or None
    return HTTPRouteRule(line, None, some_matches, draw(filters) if odd else None, refs, times, retry)


@composite
def routes(draw: DrawFn, odd: bool) -> tuple[HTTPRoute, ...]:
    parent = ParentReference(HERE, "web", "", "Service", "shop")
    when = st.sampled_from((None, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"))
    return tuple(
        HTTPRoute(HERE, f"r{number}", draw(st.sampled_from(("shop", "shop", "other"))), (parent,), None,
                  tuple(draw(st.lists(rules(odd), min_size=1, max_size=4))), draw(when))
        for number in range(draw(st.integers(0, 3)))
    )  # fmt: skip


calls = st.builds(
    lambda client, method, path, query, host, headers: Call(
        client, "shop/web", 80, HTTPRequest(method, path + query, host, tuple(headers))
    ),
    st.sampled_from(("shop/client", "other/client", "shop/v0")),
    st.sampled_from(("GET", "GET", "POST")),
    slashed,
    st.sampled_from(("", "", "?q=one", "?q=two", "?p=one", "?")),
    st.sampled_from(("web", "one", "two")),
    st.lists(st.tuples(st.sampled_from(("x-a", "X-A", "x-b", "x-c")), values), max_size=3),
)


def everything(client: str, end: End) -> Target | None:
    return Target(None, None)


def table_of(routing: Routing, client: str) -> Table:
    """As the agent makes it, of what reaches it."""
    said = Law((), frozenset(), frozenset(), fronts(hosts(routing, ADDRESSES, CLUSTER, LOCAL)), ())
    (judged,) = Messages().of(line(Judge(1, said)))
    assert judged == Judge(1, said)
    assert isinstance(judged, Judge)
    front = front_of(judged.law.fronts, CLUSTER.pod(client).ip(4), ("172.20.0.1", 80))
    assert front is not None
    return Plan(front).table(CLUSTER.pod(client).ip(4), everything)


def chosen(routing: Routing, call: Call) -> Choice:
    request = call.request
    assert isinstance(request, HTTPRequest)
    headers = [("Host", request.host or ""), *request.headers]
    return decide(table_of(routing, call.source), request.method, request.path, headers)


def expected_odds(router: Router, answers: Sequence[Forwarded]) -> dict[End, Fraction]:
    found: dict[End, Fraction] = {}
    total = sum(each.weight for each in answers)
    for each in answers:
        ends = [(CLUSTER.pod(ref).ip(4), port) for ref, port in router.endpoints(each.backend, each.port)]
        for end in ends:
            found[end] = found.get(end, Fraction(0)) + Fraction(each.weight, total * len(ends))
    return found


def unchanged(answer: object, call: Call) -> bool:
    """Whether a request goes to a backend as it came, and nothing else becomes of it."""
    request = call.request
    assert isinstance(request, HTTPRequest)
    return (
        isinstance(answer, Forwarded)
        and (answer.path, answer.host) == (request.path, request.host)
        and {name.lower(): value for name, value in answer.headers.items()} == _joined(request.headers)
        and not (answer.response or answer.mirrors or answer.retry)
        and (answer.timeouts is None or answer.timeouts.request == "0s")
    )


def _joined(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return {name: ",".join(each) for name, each in found.items()}


@settings(max_examples=300)
@given(st.booleans().flatmap(routes), calls)
def test_what_the_kernel_routes_goes_where_the_oracle_says(some: tuple[HTTPRoute, ...], call: Call) -> None:
    routing = Routing(SERVICES, http_routes=some)
    choice = chosen(routing, call)
    event("slow" if choice.slow else "fast")
    if choice.slow is None:
        router = Router(routing, CLUSTER)
        answers = router.answer(call)
        assert all(unchanged(each, call) for each in answers)
        expected = expected_odds(router, [each for each in answers if isinstance(each, Forwarded)])
        found = odds(choice.shares)
        assert {end for end, chance in found.items() if chance} == expected.keys()
        assert all(abs(found[end] - float(chance)) < 1e-6 for end, chance in expected.items())


@settings(max_examples=300)
@given(routes(odd=False), calls)
def test_plain_routes_are_the_kernels(some: tuple[HTTPRoute, ...], call: Call) -> None:
    """But for clients that are their own backends, and headers that come twice."""
    routing = Routing(SERVICES, http_routes=some)
    answers = Router(routing, CLUSTER).answer(call)
    assert isinstance(call.request, HTTPRequest)
    sent = [name.lower() for name, _ in call.request.headers]
    if all(isinstance(each, Forwarded) for each in answers) and len(sent) == len(set(sent)):
        slow = chosen(routing, call).slow
        assert slow is None or (slow is SlowRoute.OWN and call.source == "shop/v0")


def one(*rules: HTTPRouteRule) -> Routing:
    parent = ParentReference(HERE, "web", "", "Service")
    return Routing(SERVICES, http_routes=(HTTPRoute(HERE, "r", "shop", (parent,), None, rules),))


TO_V1 = (BackendRef(BackendObject(HERE, "v1", port=80)),)
GET = Call("shop/client", "shop/web", 80, HTTPRequest("GET", "/a", "web", ()))


@pytest.mark.parametrize(
    ("rule", "slow"),
    [
        (HTTPRouteRule(HERE, backend_refs=TO_V1), None),
        (HTTPRouteRule(HERE, backend_refs=TO_V1, timeouts=Timeouts("0s", None)), None),
        (HTTPRouteRule(HERE, backend_refs=TO_V1, timeouts=Timeouts(None, "1s")), SlowRoute.TIMES),
        (HTTPRouteRule(HERE, backend_refs=TO_V1, retry=Retry((503,))), SlowRoute.TIMES),
        (HTTPRouteRule(HERE, backend_refs=TO_V1, filters=(URLRewrite(HERE, "x"),)), SlowRoute.FILTER),
        (HTTPRouteRule(HERE, backend_refs=(replace(TO_V1[0], filters=(URLRewrite(HERE, "x"),)),)), SlowRoute.FILTER),
        (HTTPRouteRule(HERE), SlowRoute.ANSWERED),
        (HTTPRouteRule(HERE, backend_refs=(*TO_V1, BackendRef(BackendObject(HERE, "nobody", port=80)))), SlowRoute.ANSWERED),
        (HTTPRouteRule(HERE, matches=(HTTPRouteMatch(HERE, PathMatch("RegularExpression", "/[^b]")),)), SlowRoute.MATCH),
        (HTTPRouteRule(HERE, matches=(HTTPRouteMatch(HERE, PathMatch("RegularExpression", "/a.*")),)), SlowRoute.MATCH),
        (
            HTTPRouteRule(HERE, matches=(HTTPRouteMatch(HERE, PathMatch("RegularExpression", "/(a|b)")),), backend_refs=TO_V1),
            None,
        ),
        (HTTPRouteRule(HERE, matches=(HTTPRouteMatch(HERE, PathMatch("RegularExpression", "/b.*")),)), SlowRoute.ANSWERED),
        (HTTPRouteRule(HERE, matches=(HTTPRouteMatch(HERE, method="POST"),), backend_refs=TO_V1), SlowRoute.ANSWERED),
    ],
)
def test_what_is_the_proxys_and_why(rule: HTTPRouteRule, slow: SlowRoute | None) -> None:
    assert chosen(one(rule), GET).slow is slow


@pytest.mark.parametrize(("method", "slow"), [("GET", SlowRoute.ANSWERED), ("POST", SlowRoute.MATCH)])
def test_with_routes_of_grpc_all_requests_are_the_proxys(method: str, slow: SlowRoute) -> None:
    route = GRPCRoute(HERE, "g", "shop", (ParentReference(HERE, "web", "", "Service"),), None, (GRPCRouteRule(HERE),))
    call = replace(GET, request=HTTPRequest(method, "/a", "web", (("Content-Type", "application/grpc"),)))
    assert chosen(Routing(SERVICES, grpc_routes=(route,)), call).slow is slow


def test_what_cannot_be_asked_leaves_requests_alone_that_do_not_meet_the_rest() -> None:
    odd = HTTPRouteMatch(HERE, PathMatch("Exact", "/a"), (ValueMatch("x", "o.*", "RegularExpression"),), None, "GET")
    routing = one(HTTPRouteRule(HERE, matches=(odd,)), HTTPRouteRule(HERE, backend_refs=TO_V1))
    asked_so = [
        ("GET", "/a", (("X", "two"),)),
        ("GET", "/a", ()),
        ("GET", "/a/b", (("X", "one"),)),
        ("POST", "/a", (("X", "one"),)),
    ]
    found = [
        chosen(routing, replace(GET, request=HTTPRequest(method, path, "web", headers))) for method, path, headers in asked_so
    ]
    assert [each.slow for each in found] == [SlowRoute.MATCH, None, None, None]


@pytest.mark.parametrize(
    ("path", "slow"), [("/a?q=one", SlowRoute.MATCH), ("/a?p=two", SlowRoute.MATCH), ("/a", None), ("/b?q=one", None)]
)
def test_a_match_of_a_parameter_may_mean_whatever_has_one(path: str, slow: SlowRoute | None) -> None:
    odd = HTTPRouteMatch(HERE, PathMatch("Exact", "/a"), None, (ValueMatch("q", "one"),))
    routing = one(HTTPRouteRule(HERE, matches=(odd,), backend_refs=TO_V1), HTTPRouteRule(HERE, backend_refs=TO_V1))
    assert chosen(routing, replace(GET, request=HTTPRequest("GET", path, "web", ()))).slow is slow


@pytest.mark.parametrize("name", ["x-forwarded-proto", "X-Envoy-Id", "Connection", "content-length", "TE"])
def test_headers_that_envoy_makes_are_not_asked_in_the_kernel(name: str) -> None:
    found = asked(http_match(HTTPRouteMatch(HERE, None, (ValueMatch(name, "1"),))))
    assert found == [Asked(certain=False)]


END = ("10.0.0.1", 8080)


def plain_table(*asked_of: Asked) -> Table:
    some = tuple(FrontRoute(each, ((1, END),)) for each in asked_of)
    return Plan(Front("172.20.0.1", 80, None, some)).table("10.0.0.9", everything)


def test_what_is_too_much_for_the_kernel_is_the_proxys() -> None:
    bits = plain_table(*(Asked("", headers=((f"x-{number}", "1"),)) for number in range(HEADER_BITS)))
    assert len(bits.headers) == HEADER_BITS
    (long,) = [choices for key, choices in bits.paths if key == b""]
    assert len(long) == ROUTE_CHOICES
    assert long[-1] == Choice(slow=SlowRoute.LARGE)
    for name, value in (("x" * 32, "1"), ("x", "1" * 65)):
        assert decide(plain_table(Asked("", headers=((name, value),))), "GET", "/", [(name, value)]).slow is SlowRoute.MATCH
    many = FrontRoute(Asked(""), tuple((1, (f"10.0.1.{number}", 80)) for number in range(33)))
    table = Plan(Front("172.20.0.1", 80, None, (many,))).table("10.0.0.9", everything)
    assert decide(table, "GET", "/", []).slow is SlowRoute.LARGE


def test_what_policies_ask_of_all_backends_is_asked_of_each_request() -> None:
    gets, puts = (frozenset({RequestRule(method, b"/", True)}) for method in (b"GET", b"PUT"))
    other = ("10.0.0.2", 8080)
    front = Front("172.20.0.1", 80, None, (FrontRoute(Asked(""), ((3, END), (1, other))),))
    (choice,) = Plan(front).table("10.0.0.9", lambda client, end: Target(gets, puts if end == END else None)).paths[0][1]
    assert set(choice.sets) == {gets, puts}
    (refused,) = Plan(front).table("10.0.0.9", lambda client, end: Target(gets, None) if end == END else None).paths[0][1]
    assert refused == Choice(slow=SlowRoute.REFUSED)


@given(st.lists(st.tuples(st.integers(1, 1_000_000), st.integers(1, 12)), min_size=1, max_size=12))
def test_the_draw_has_the_weights_given(weights: list[tuple[int, int]]) -> None:
    shares = tuple((weight, (f"10.0.0.{number}", 80)) for weight, number in weights)
    total, found = sum(weight for weight, _ in shares), odds(shares)
    for end in {end for _, end in shares}:
        assert abs(found[end] - sum(weight for weight, each in shares if each == end) / total) < 1e-8
