"""Misreadings of Gateways: their listeners, what of routes means something at Gateways alone, and grants."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from harness.model.route import AllowedRoutes, Gateway, GRPCRoute, HTTPRoute, Listener, ReferenceGrant
from harness.model.routing import Routing
from harness.oracle.misreadings.change import Misreading, each_of, spliced

_WILDCARD = "*."
_AnyRoute = TypeVar("_AnyRoute", HTTPRoute, GRPCRoute)


def gateways(written: Routing) -> Iterator[Misreading[Routing]]:
    """Every misreading of one value of a Gateway, or of what only counts at one; nothing where there is none."""
    if not written.gateways:
        return
    if len(written.gateways) > 1:
        yield Misreading("Gateway", "several", "routes of each at all", _merged(written))
    for change in each_of(written.gateways, _gateway):
        yield change.inside(lambda instead: replace(written, gateways=instead))
    for http in each_of(written.http_routes, _hostnames):
        yield http.inside(lambda instead: replace(written, http_routes=instead))
    for grpc in each_of(written.grpc_routes, _hostnames):
        yield grpc.inside(lambda instead: replace(written, grpc_routes=instead))
    for place in range(len(written.grants)):
        yield Misreading("ReferenceGrant", "there", "not there", replace(written, grants=spliced(written.grants, place)(())))
    for grants in each_of(written.grants, _grant):
        yield grants.inside(lambda instead: replace(written, grants=instead))


def _merged(written: Routing) -> Routing:
    """Every parent that is a Gateway is all of them."""

    def everywhere(route: _AnyRoute) -> _AnyRoute:
        refs = [
            replace(parent, name=each.name, namespace=each.namespace)
            for parent in route.parent_refs or ()
            for each in written.gateways
            if parent.kind in (None, "Gateway")
        ]
        return replace(route, parent_refs=tuple(refs))

    http = tuple(everywhere(each) for each in written.http_routes)
    return replace(written, http_routes=http, grpc_routes=tuple(everywhere(each) for each in written.grpc_routes))


def _gateway(written: Gateway) -> Iterator[Misreading[Gateway]]:
    several = len(written.listeners) > 1
    for place in range(len(written.listeners) if several else 0):
        fewer = replace(written, listeners=spliced(written.listeners, place)(()))
        yield Misreading("Gateway listeners", "one of several", "not there", fewer)
    for change in each_of(written.listeners, _listener):
        yield change.inside(lambda instead: replace(written, listeners=instead))


def _listener(written: Listener) -> Iterator[Misreading[Listener]]:
    if written.hostname is not None:
        wild = written.hostname.startswith(_WILDCARD)
        field, value = "Gateway listeners.hostname", "a wildcard" if wild else "one host"
        yield Misreading(field, value, "not looked at", replace(written, hostname=None))
        if wild:
            yield Misreading(
                field, value, "the domain itself", replace(written, hostname=written.hostname.removeprefix(_WILDCARD))
            )
    allowed = written.allowed_routes
    whence = (allowed and allowed.from_) or "Same"
    for other in ("All", "Same"):
        if other != whence:
            instead = replace(allowed or AllowedRoutes(), from_=other, selector=None)
            what = f"{whence}, {'written' if allowed and allowed.from_ else 'absent'}"
            yield Misreading("Gateway allowedRoutes.from", what, other, replace(written, allowed_routes=instead))
    if allowed is not None and allowed.kinds:
        yield Misreading(
            "Gateway allowedRoutes.kinds",
            "written",
            "not looked at",
            replace(written, allowed_routes=replace(allowed, kinds=None)),
        )


def _hostnames(written: _AnyRoute) -> Iterator[Misreading[_AnyRoute]]:
    """Those of a route of Gateways."""
    names: Sequence[str] = written.hostnames or ()
    if not names or any(each.kind == "Service" for each in written.parent_refs or ()):
        return
    field = f"{type(written).__name__} hostnames"
    yield Misreading(field, "of a Gateway's", "not looked at", replace(written, hostnames=None))
    for place, name in enumerate(names):
        value = "a wildcard" if name.startswith(_WILDCARD) else "one host"
        fewer = spliced(names, place)(())
        if fewer:
            yield Misreading(field, f"{value} of several", "not there", replace(written, hostnames=fewer))
        if name.startswith(_WILDCARD):
            domain = spliced(names, place)((name.removeprefix(_WILDCARD),))
            yield Misreading(field, value, "the domain itself", replace(written, hostnames=domain))


def _grant(written: ReferenceGrant) -> Iterator[Misreading[ReferenceGrant]]:
    for place, each in enumerate(written.to):
        if each.name is not None:
            every = spliced(written.to, place)((replace(each, name=None),))
            yield Misreading("ReferenceGrant to.name", "written", "not looked at", replace(written, to=every))
