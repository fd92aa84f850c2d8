"""The classes of what routes hold: how they are bound to Services, their matches, filters and backends."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

from harness.campaign.coverage.gateways import at_gateway, listening
from harness.model.route import (
    BackendObject,
    Filter,
    GRPCRouteMatch,
    GRPCRouteRule,
    HTTPRouteMatch,
    HTTPRouteRule,
    PathModifier,
    RequestMirror,
    RequestRedirect,
    Route,
    URLRewrite,
    ValueMatch,
)
from harness.model.routed import Asked
from harness.model.routing import Routing
from harness.model.service import Service
from harness.model.topology import Topology
from harness.oracle.routing.attachment import of_service

Rule = HTTPRouteRule | GRPCRouteRule
_HUNDRED = 100
_APART = ("origin", "path")


def routes_of(routing: Routing) -> list[Route]:
    """All of them."""
    return [*routing.http_routes, *routing.grpc_routes]


def applying(asked: Asked, routing: Routing, topology: Topology) -> Sequence[Route]:
    """The routes that take a request."""
    if asked.call.to_gateway:
        return at_gateway(asked, routing, topology)
    return of_service(routes_of(routing), _asked(asked, routing), asked.call.port, topology.pod(asked.call.source).namespace)


def _asked(asked: Asked, routing: Routing) -> Service:
    return next(each for each in routing.services if each.ref == asked.call.destination)


def kinds(routes: Iterable[Route]) -> str:
    """Their kinds, in words."""
    return " and ".join(sorted({type(each).__name__ for each in routes})) or "no route"


def parents(routes: Sequence[Route], asked: Asked, routing: Routing, topology: Topology) -> str:
    """How the routes that apply, and those that do not, are bound to the Service or the Gateway."""
    if asked.call.to_gateway:
        return listening(routes, asked, routing)
    home, _, name = asked.call.destination.partition("/")
    every = routes_of(routing)
    refs = [parent for each in routes for parent in each.parent_refs or ()]
    elsewhere = [each for each in every if each not in routes and any(one.name == name for one in each.parent_refs or ())]
    traits = {
        "a consumer's": any(each.namespace != home for each in routes),
        "by port": any(parent.port for parent in refs),
        "by the port's name": any(parent.section_name for parent in refs),
        "of several parents": any(len(each.parent_refs or ()) > 1 for each in routes),
        "with host names": any(each.hostnames for each in routes),
        "others of the parent's name do not": bool(elsewhere),
        "at the second port": asked.call.port not in [each.port for each in _asked(asked, routing).ports or ()][:1],
        "a client of another namespace": topology.pod(asked.call.source).namespace != home,
    }
    return ", ".join([f"{len(routes)} of {len(every)} routes apply", *(trait for trait, found in traits.items() if found)])


def matches_of(rule: Rule) -> str:
    """A rule's matches; a name of the rule must not matter."""
    matches = " or ".join(map(_match, rule.matches or ())) or "no match"
    return f"{matches}{' of a named rule' if rule.name else ''}"


def _match(match: HTTPRouteMatch | GRPCRouteMatch) -> str:
    said: list[str] = []
    if isinstance(match, HTTPRouteMatch):
        if match.path is not None:
            value = match.path.value or ""
            traits = " of everything" if value == "/" else " with a slash" if value.endswith("/") else f" of {value.count('/')}"
            said.append(f"{match.path.type or 'PathPrefix'}{traits}")
        said += [] if match.method is None else ["a method"]
        said += _values("header", match.headers) + _values("parameter", match.query_params)
    else:
        if match.method is not None:
            names = [name for name in ("service", "method") if getattr(match.method, name)]
            said.append(f"{match.method.type or 'Exact'} {' and '.join(names)}")
        said += _values("header", match.headers)
    return " and ".join(said) or "an empty match"


def _values(what: str, matches: Sequence[ValueMatch] | None) -> list[str]:
    said = []
    for each in matches or ():
        traits = [*(["of Host"] * (each.name.lower() == "host")), *(["with a comma"] * ("," in each.value))]
        said.append(" ".join([each.type or "Exact", *traits]))
    return [f"{what}s {', '.join(sorted(said))}"] if said else []


def filters_of(rule: Rule, route: Route, routing: Routing) -> Iterator[str]:
    """A rule's filters and those of its backends, in their order."""
    services = {each.ref for each in routing.services}

    def said(one: Filter) -> str:
        known = not isinstance(one, RequestMirror) or _ref(one.backend, route) in services
        return f"{_filter(one)}{'' if known else ' to no Service'}"

    yield from map(said, rule.filters or ())
    for ref in rule.backend_refs or ():
        yield from (f"{said(each)} of a backend" for each in ref.filters or ())


def _filter(one: Filter) -> str:
    name = type(one).__name__
    if isinstance(one, URLRewrite | RequestRedirect):
        written = [each.name for each in fields(one) if each.name not in _APART and getattr(one, each.name) is not None]
        if isinstance(one, RequestRedirect):
            written += [str(each) for each in (one.status_code, one.scheme) if each is not None]
        return f"{name} {' and '.join([*written, *_path(one.path)])}"
    if isinstance(one, RequestMirror):
        return name + (" percent" if one.percent is not None else " fraction" if one.fraction is not None else "")
    changes = one.changes
    said = [field for field in ("set", "add", "remove") if getattr(changes, field)]
    host = any(header.name.lower() == "host" for header in (*(changes.set or ()), *(changes.add or ())))
    return f"{name} {' and '.join(said)}{' of Host' if host else ''}"


def _path(change: PathModifier | None) -> list[str]:
    if change is None:
        return []
    new = change.replace_full_path or change.replace_prefix_match or ""
    by = {"": " by nothing", "/": " by a slash"}.get(new, " by one with a slash at its end" if new.endswith("/") else "")
    return [f"{change.type}{by}"]


def backends_of(rule: Rule, route: Route, asked: Asked, routing: Routing) -> str:
    """What a rule's backends are, and with which weights."""
    refs = rule.backend_refs or ()
    services = {each.ref: each for each in routing.services}
    parents_of = [(each, parent) for each in routes_of(routing) for parent in each.parent_refs or ()]
    routed = {f"{parent.namespace or each.namespace}/{parent.name}" for each, parent in parents_of}
    granting = {each.namespace for each in routing.grants}
    said = []
    for each in refs:
        ref = _ref(each.backend, route)
        own = " and a grant" if each.backend.namespace in granting else ""
        weight = "" if each.weight is None else " of weight 0" if each.weight == 0 else " with a weight"
        own += " that is asked" if ref == asked.call.destination else " with routes" if ref in routed else ""
        said.append(f"{_backend(each.backend, services.get(ref))}{own}{weight}{' with filters' if each.filters else ''}")
    twice = " one of them twice" if len({_ref(each.backend, route) for each in refs}) < len(refs) else ""
    hundred = " parts of a hundred" if sum(each.weight or 0 for each in refs) == _HUNDRED else ""
    return (", ".join(sorted(said)) or "none") + twice + hundred


def _ref(to: BackendObject, route: Route) -> str:
    return f"{to.namespace or route.namespace}/{to.name}"


def _backend(to: BackendObject, service: Service | None) -> str:
    if to.kind not in (None, "Service"):
        return "another kind"
    if service is None:
        return "no Service"
    kind = "an external name" if service.type == "ExternalName" else "a Service"
    kind = "a headless Service" if service.cluster_ip == "None" else kind
    port = "" if any(each.port == to.port for each in service.ports or ()) else " without this port"
    return f"{kind}{port}{' with its namespace' if to.namespace is not None else ''}"
