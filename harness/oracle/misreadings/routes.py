"""Misreadings of HTTPRoutes and GRPCRoutes: how they are bound to Services, their rules and their matches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from harness.model.route import (
    GRPCMethodMatch,
    GRPCRoute,
    GRPCRouteMatch,
    GRPCRouteRule,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
    ValueMatch,
)
from harness.model.routing import Routing
from harness.oracle.misreadings import route_rules
from harness.oracle.misreadings.change import Misreading, amount, each_of, spliced
from harness.oracle.misreadings.gateways import gateways

_REGEX = "RegularExpression"
_Written = TypeVar("_Written", HTTPRoute, GRPCRoute)
_Match = TypeVar("_Match", HTTPRouteMatch, GRPCRouteMatch)


def routing(written: Routing) -> Iterator[Misreading[Routing]]:
    """Every misreading of one value of a route, each as all that it amounts to."""
    for change in _each_route(written.http_routes, _of_http):
        yield change.inside(lambda instead: replace(written, http_routes=instead))
    for grpc in _each_route(written.grpc_routes, _of_grpc):
        yield grpc.inside(lambda instead: replace(written, grpc_routes=instead))
    both = written.http_routes and written.grpc_routes
    if both:
        yield Misreading("GRPCRoute", "beside HTTPRoutes", "not there", replace(written, grpc_routes=()))
    yield from gateways(written)


def _each_route(
    routes: Sequence[_Written], rules: Callable[[_Written], Iterator[Misreading[_Written]]]
) -> Iterator[Misreading[tuple[_Written, ...]]]:
    for place, route in enumerate(routes):
        put = spliced(routes, place)
        kind = type(route).__name__
        yield Misreading(kind, "one of several" if len(routes) > 1 else "alone", "not there", put(()))
        for change in _of_route(kind, route):
            yield Misreading(change.field, change.value, change.taken, put((change.instead,)))
        for change in rules(route):
            yield Misreading(change.field, change.value, change.taken, put((change.instead,)))


def _of_route(kind: str, written: _Written) -> Iterator[Misreading[_Written]]:
    """All but what its rules hold."""
    if written.created is not None:
        yield Misreading(f"{kind} creationTimestamp", "written", "not looked at", replace(written, created=None))
    homes = {parent.namespace for parent in written.parent_refs or () if parent.namespace not in (None, written.namespace)}
    for home in sorted(each for each in homes if each is not None):
        taken = "the Service's own"
        yield Misreading(f"{kind} metadata.namespace", "not the Service's", taken, replace(written, namespace=home))
    for parents in each_of(written.parent_refs, lambda parent: _parent(kind, parent)):
        yield parents.inside(lambda instead: replace(written, parent_refs=instead))
    if len(written.parent_refs or ()) > 1:
        first = (written.parent_refs or ())[:1]
        yield Misreading(f"{kind} parentRefs", "several", "the first alone", replace(written, parent_refs=first))
    rules = written.rules or ()
    if len(rules) > 1:
        yield Misreading(f"{kind} rules", "several", "the last of equal ones", replace(written, rules=rules[::-1]))
        yield Misreading(f"{kind} rules", "several", "the first alone", replace(written, rules=rules[:1]))


def _parent(kind: str, written: ParentReference) -> Iterator[Misreading[ParentReference]]:
    if written.port is not None:
        yield Misreading(f"{kind} parentRefs.port", "written", "not looked at", replace(written, port=None))
    if written.section_name is not None:
        yield Misreading(f"{kind} parentRefs.sectionName", "written", "not looked at", replace(written, section_name=None))


def _of_http(written: HTTPRoute) -> Iterator[Misreading[HTTPRoute]]:
    if written.hostnames and any(parent.kind == "Service" for parent in written.parent_refs or ()):
        host = ValueMatch("Host", written.hostnames[0])
        rules = tuple(replace(rule, matches=_narrowed(rule, host)) for rule in written.rules or ())
        yield Misreading("HTTPRoute hostnames", "of a Service's", "a match of Host", replace(written, rules=rules))
    for change in each_of(written.rules, _http_rule):
        yield change.inside(lambda instead: replace(written, rules=instead))


def _narrowed(rule: HTTPRouteRule, host: ValueMatch) -> tuple[HTTPRouteMatch, ...]:
    matches = rule.matches or (HTTPRouteMatch(rule.origin),)
    return tuple(replace(each, headers=(*(each.headers or ()), host)) for each in matches)


def _of_grpc(written: GRPCRoute) -> Iterator[Misreading[GRPCRoute]]:
    for change in each_of(written.rules, _grpc_rule):
        yield change.inside(lambda instead: replace(written, rules=instead))


def _http_rule(written: HTTPRouteRule) -> Iterator[Misreading[HTTPRouteRule]]:
    for change in _matches("HTTPRoute", written.matches):
        yield change.inside(lambda instead: replace(written, matches=instead))
    for matches in each_of(written.matches, _http_match):
        yield matches.inside(lambda instead: replace(written, matches=instead))
    yield from route_rules.http_rule(written)


def _grpc_rule(written: GRPCRouteRule) -> Iterator[Misreading[GRPCRouteRule]]:
    for change in _matches("GRPCRoute", written.matches):
        yield change.inside(lambda instead: replace(written, matches=instead))
    for matches in each_of(written.matches, _grpc_match):
        yield matches.inside(lambda instead: replace(written, matches=instead))
    yield from route_rules.grpc_rule(written)


def _matches(kind: str, written: Sequence[_Match] | None) -> Iterator[Misreading[tuple[_Match, ...]]]:
    """A rule's alternatives."""
    matches = tuple(written or ())
    for place in range(len(matches) if len(matches) > 1 else 0):
        yield Misreading(f"{kind} matches", "one of several", "not there", spliced(matches, place)(()))


def _http_match(written: HTTPRouteMatch) -> Iterator[Misreading[HTTPRouteMatch]]:
    if written.path is not None:
        for change in _path(written.path):
            yield change.inside(lambda instead: replace(written, path=instead))
        others = written.method or written.headers or written.query_params
        value = "beside others" if others else f"{written.path.type or 'PathPrefix'}, alone"
        yield Misreading("HTTPRoute matches.path", value, "not looked at", replace(written, path=None))
    if written.method is not None:
        yield Misreading("HTTPRoute matches.method", "written", "not looked at", replace(written, method=None))
    for headers in _values("HTTPRoute matches.headers", written.headers):
        yield headers.inside(lambda instead: replace(written, headers=instead))
    for parameters in _values("HTTPRoute matches.queryParams", written.query_params):
        yield parameters.inside(lambda instead: replace(written, query_params=instead))


def _path(written: PathMatch) -> Iterator[Misreading[PathMatch]]:
    value = written.value or "/"
    field, kind = "HTTPRoute matches.path", written.type or "PathPrefix"
    slash = ", a slash at its end" if value.endswith("/") and value != "/" else ", of everything" if value == "/" else ""
    if kind == _REGEX:
        yield Misreading(field, kind, "looked for within the path", replace(written, value=f".*({value}).*"))
    else:
        other = "Exact" if kind == "PathPrefix" else "PathPrefix"
        yield Misreading(field, f"{kind}{slash}", other, replace(written, type=other))
        glued = PathMatch(_REGEX, f"{_quoted(value)}.*")
        yield Misreading(field, f"{kind}{slash}", "the beginning of a path", glued)
        if value != value.lower():
            anyhow = PathMatch(_REGEX, f"(?i){_quoted(value)}(/.*)?")
            yield Misreading(field, f"{kind}, capitals", "without regard to case", anyhow)


def _values(field: str, written: Sequence[ValueMatch] | None) -> Iterator[Misreading[tuple[ValueMatch, ...] | None]]:
    values = tuple(written or ())
    for place, each in enumerate(values):
        put = spliced(values, place)
        kind = f"{each.type or 'Exact'}, {amount(values)}"
        text = each.value if each.type == _REGEX else _quoted(each.value)
        taken = {"the beginning of a value": f"({text}).*", "without regard to case": f"(?i){text}"}
        if each.type == _REGEX:
            taken["looked for within the value"] = f".*({text}).*"
        elif "headers" in field:
            taken["one of a list"] = f"(.*,)?{text}(,.*)?"
        yield Misreading(field, kind, "not looked at", put(()) or None)
        for as_what, expression in taken.items():
            yield Misreading(field, kind, as_what, put((replace(each, type=_REGEX, value=expression),)))


def _grpc_match(written: GRPCRouteMatch) -> Iterator[Misreading[GRPCRouteMatch]]:
    if written.method is not None:
        for change in _method(written.method):
            yield change.inside(lambda instead: replace(written, method=instead))
    for many in _values("GRPCRoute matches.headers", written.headers):
        yield many.inside(lambda instead: replace(written, headers=instead))


def _method(written: GRPCMethodMatch) -> Iterator[Misreading[GRPCMethodMatch]]:
    kind = written.type or "Exact"
    parts = {name: part for name in ("service", "method") if (part := getattr(written, name))}
    expressions = {name: part if kind == _REGEX else _quoted(part) for name, part in parts.items()}
    for name in parts:
        field = f"GRPCRoute matches.method.{name}"
        value = f"{kind}, {'beside the other' if len(parts) > 1 else 'alone'}"
        fewer = {other: part for other, part in parts.items() if other != name}
        within = {**expressions, name: f".*({expressions[name]}).*"}
        yield Misreading(field, value, "not looked at", GRPCMethodMatch(written.type, **fewer))
        yield Misreading(field, value, "looked for within the name", GRPCMethodMatch(_REGEX, **within))


def _quoted(text: str) -> str:
    """An expression of RE2 for this very text."""
    return rf"\Q{text}\E"
