"""What must hold of every answer, whatever the routes are."""

import random
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from harness.model.origin import Origin
from harness.model.request import HTTPRequest
from harness.model.route import (
    BackendObject,
    BackendRef,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
    PathModifier,
    ValueMatch,
)
from harness.model.routing import Call, Forwarded, Routing
from harness.model.service import Service, ServicePort
from harness.model.topology import Namespace, Pod, Topology
from harness.oracle.routing import Router
from harness.oracle.routing.filters import new_path
from harness.oracle.routing.hostnames import intersect, matches, within

HERE = Origin("m.yaml", 1)
BACKENDS = tuple(f"v{number}" for number in range(4))
PODS = tuple(Pod(name, "a", "n1", {"app": name}) for name in BACKENDS[:-1])  # the last Service has no endpoints
CLUSTER = Topology("t", ("n1",), (Namespace("a"),), (*PODS, Pod("client", "a", "n1")))
SERVICES = tuple(Service(HERE, name, "a", (ServicePort(HERE, 80),), {"app": name}) for name in ("web", *BACKENDS))

elements = st.sampled_from(("a", "b", "ab", "%61"))
paths = st.lists(elements, max_size=3).map(lambda parts: "/" + "/".join(parts))
slashed = st.builds(lambda path, slash: path + slash if path != "/" else path, paths, st.sampled_from(("", "/")))
names = st.sampled_from(("x-a", "X-B", "x-c"))
values = st.sampled_from(("one", "two"))


@composite
def http_matches(draw: DrawFn) -> HTTPRouteMatch:
    path = draw(
        st.none()
        | st.builds(PathMatch, st.sampled_from((None, "Exact", "PathPrefix")), slashed)
        | st.builds(PathMatch, st.just("RegularExpression"), st.sampled_from(("/a.*", "/[ab]+", ".*b")))
    )
    headers = draw(st.none() | st.lists(st.builds(ValueMatch, names, values), max_size=2).map(tuple))
    params = draw(st.none() | st.lists(st.builds(ValueMatch, st.just("q"), values), max_size=1).map(tuple))
    return HTTPRouteMatch(HERE, path, headers, params, draw(st.sampled_from((None, None, "GET", "POST"))))


@composite
def rules(draw: DrawFn) -> HTTPRouteRule:
    references = st.builds(
        lambda name, weight: BackendRef(BackendObject(HERE, name, port=80), weight),
        st.sampled_from((*BACKENDS, "nonexistent")),
        st.none() | st.integers(0, 3),
    )
    line = Origin("m.yaml", draw(st.integers(1, 1 << 30)))
    backends = tuple(draw(st.lists(references, max_size=3)))
    return HTTPRouteRule(line, matches=tuple(draw(st.lists(http_matches(), max_size=3))), backend_refs=backends)


@composite
def routes(draw: DrawFn) -> tuple[HTTPRoute, ...]:
    created = st.sampled_from((None, "2026-01-01T00:00:00Z", "2026-01-01T01:00:01+01:00"))
    parent = ParentReference(HERE, "web", "", "Service")
    drawn = draw(st.lists(st.tuples(st.lists(rules(), min_size=1, max_size=3), created), min_size=1, max_size=4))
    return tuple(
        HTTPRoute(HERE, f"r{number}", "a", (parent,), None, tuple(some), when) for number, (some, when) in enumerate(drawn)
    )


calls = st.builds(
    lambda method, path, query, headers: Call(
        "a/client", "a/web", 80, HTTPRequest(method, path + query, None, tuple(headers.items()))
    ),
    st.sampled_from(("GET", "POST")),
    slashed,
    st.sampled_from(("", "?q=one", "?q=two&q=one", "?")),
    st.dictionaries(names, values),
)


def answer(given_routes: tuple[HTTPRoute, ...], call: Call) -> object:
    return Router(Routing(services=SERVICES, http_routes=given_routes), CLUSTER).answer(call)


@given(given_routes=routes(), call=calls, seed=st.integers(0, 1 << 16))
def test_the_order_in_which_routes_are_read_decides_nothing(given_routes: tuple[HTTPRoute, ...], call: Call, seed: int) -> None:
    shuffled = list(given_routes)
    random.Random(seed).shuffle(shuffled)
    assert answer(given_routes, call) == answer(tuple(shuffled), call)


@given(given_routes=routes(), call=calls)
def test_a_route_that_does_not_win_can_be_taken_away(given_routes: tuple[HTTPRoute, ...], call: Call) -> None:
    """So of any two routes one wins, whichever others there are: precedence is an order."""
    whole = answer(given_routes, call)
    alone = {each.name: answer((each,), call) for each in given_routes}
    winners = [each for each in given_routes if alone[each.name] == whole]
    assert winners
    for winner in winners:
        for other in given_routes:
            assert answer((winner, other), call) in (whole, alone[other.name])
    pairs = [(one, other) for one in given_routes for other in given_routes if one is not other]
    beaten = {other.name for one, other in pairs if answer((one, other), call) == alone[one.name] != alone[other.name]}
    assert any(each.name not in beaten for each in winners)


@given(given_routes=routes(), call=calls)
def test_the_weights_of_all_answers_are_those_of_the_rule(given_routes: tuple[HTTPRoute, ...], call: Call) -> None:
    answers = Router(Routing(services=SERVICES, http_routes=given_routes), CLUSTER).answer(call)
    deciding = {each.rule for each in answers}
    assert len(deciding) == 1
    (line,) = deciding
    of_rule = [rule for route in given_routes for rule in route.rules or () if rule.origin == line]
    assume(len(of_rule) < 2)  # drawn lines may meet
    weights = [1 if ref.weight is None else ref.weight for rule in of_rule for ref in rule.backend_refs or ()]
    assert sum(each.weight for each in answers) == (sum(weights) or 1)
    assert all(each.weight > 0 for each in answers)


@given(given_routes=routes(), call=calls)
def test_the_case_of_header_names_decides_nothing(given_routes: tuple[HTTPRoute, ...], call: Call) -> None:
    assert isinstance(call.request, HTTPRequest)
    other = replace(call, request=replace(call.request, headers=tuple((n.swapcase(), v) for n, v in call.request.headers)))
    router = Router(Routing(services=SERVICES, http_routes=given_routes), CLUSTER)
    one, two = router.answer(call), router.answer(other)
    assert [each.rule for each in one] == [each.rule for each in two]
    for each, same in zip(one, two, strict=True):
        if isinstance(each, Forwarded) and isinstance(same, Forwarded):
            assert {name.lower(): value for name, value in each.headers.items()} == {
                name.lower(): value for name, value in same.headers.items()
            }


@given(prefix=slashed, path=slashed)
def test_a_prefix_matches_whole_elements(prefix: str, path: str) -> None:
    """Said another way than the oracle does: element by element, a slash at the end of the prefix aside."""
    wanted = [each for each in prefix.split("/") if each]
    elements_of_path = path.split("/")[1:]
    expected = elements_of_path[: len(wanted)] == wanted
    rule = HTTPRouteRule(HERE, matches=(HTTPRouteMatch(HERE, PathMatch("PathPrefix", prefix)),))
    route = HTTPRoute(HERE, "r", "a", (ParentReference(HERE, "web", "", "Service"),), None, (rule,))
    call = Call("a/client", "a/web", 80, HTTPRequest(path=path))
    (only,) = Router(Routing(services=SERVICES, http_routes=(route,)), CLUSTER).answer(call)
    assert (getattr(only, "status", 0) == 500) is expected  # it has no backend


@given(prefix=paths, other=paths, rest=st.sampled_from(("", "/", "/x", "/x/", "/x/y")))
def test_a_replaced_prefix_can_be_replaced_back(prefix: str, other: str, rest: str) -> None:
    assume(prefix != "/" and other != "/")
    there = new_path(PathModifier("ReplacePrefixMatch", None, other), prefix + rest, prefix)
    assert there == other + rest
    assert new_path(PathModifier("ReplacePrefixMatch", None, prefix), there, other) == prefix + rest


labels = st.lists(st.sampled_from(("a", "b", "com")), min_size=1, max_size=3).map(".".join)
patterns = st.builds(lambda wildcard, host: wildcard + host, st.sampled_from(("", "*.")), labels)


@given(listener=patterns, route=patterns, host=labels)
def test_a_host_that_listener_and_route_both_mean_is_in_what_they_have_in_common(listener: str, route: str, host: str) -> None:
    both = matches(listener, host) and matches(route, host)
    common = within(listener, (route,))
    assert both == (common is not None and any(matches(each, host) for each in common))
    if both:
        assert intersect(listener, route)
        assert intersect(route, listener)
