"""Gateways as virtual hosts of Envoy: one for each address and port, as of Services.

Its routes ask for the host themselves, as Envoy finds the virtual host by the address that the client connected to. All routes
of the most specific listener stand first, then one that answers 404: what a listener takes is no other's.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from harness.envoy.gateway_parents import GROUP, accepted, hosts_at
from harness.envoy.route_matches import EVERYTHING, RouteMatch
from harness.envoy.service_backends import Backend, Lacking, ServiceBackends
from harness.envoy.service_hosts import NOT_FOUND, Host, HostRoute, RouteCompiler, Share
from harness.envoy.traffic_policies import TrafficPolicies
from harness.model.route import BackendObject, Gateway, GRPCRoute, HTTPRoute, Listener, ReferenceGrant, Route
from harness.model.routing import Routing
from harness.model.service import Service
from harness.model.topology import Topology

_ANY_LABEL = "*."


def gateway_hosts(routing: Routing, addresses: Mapping[str, Sequence[str]], topology: Topology) -> list[Host]:
    """The virtual hosts of all Gateways, on whatever node. ``addresses``: those of each, by ``namespace/name``."""
    labels = {each.name: each.labels for each in topology.namespaces}
    routes: list[Route] = [*routing.http_routes, *routing.grpc_routes]
    found: list[Host] = []
    for gateway in routing.gateways:
        for port in sorted({each.port for each in gateway.listeners}):
            listeners = sorted((each for each in gateway.listeners if each.port == port), key=lambda each: _wide(each.hostname))
            taken = [(each, accepted(routes, gateway, each, labels)) for each in listeners]
            for address in addresses.get(gateway.ref, ()):
                compilers = _compilers(routing, gateway, topology, port, 6 if ":" in address else 4)
                here = [route for listener, some in taken for route in _of(listener, some, compilers)]
                here.append(HostRoute(dict(EVERYTHING), (Share(1, status=NOT_FOUND),)))
                found.append(Host(address, port, None, tuple(here), public=True))
    return found


class GrantedBackends(ServiceBackends):
    """Services as backends of routes of one ``kind`` at Gateways: those in other namespaces need a ReferenceGrant."""

    def __init__(self, services: Iterable[Service], topology: Topology, grants: Sequence[ReferenceGrant], kind: str) -> None:
        super().__init__(services, topology)
        self._grants = grants
        self._kind = kind

    def referred(self, to: BackendObject, namespace: str, family: int) -> list[Backend] | Lacking:
        if to.namespace not in (None, namespace) and not any(self._grants_it(each, to, namespace) for each in self._grants):
            return Lacking.INVALID
        return super().referred(to, namespace, family)

    def _grants_it(self, grant: ReferenceGrant, to: BackendObject, namespace: str) -> bool:
        who = any((each.group, each.kind, each.namespace) == (GROUP, self._kind, namespace) for each in grant.from_)
        what = any(each.group == "" and each.kind == "Service" and each.name in (None, to.name) for each in grant.to)
        return grant.namespace == to.namespace and who and what


def _compilers(
    routing: Routing, gateway: Gateway, topology: Topology, port: int, family: int
) -> Mapping[type[Route], RouteCompiler]:
    policies = TrafficPolicies(routing.traffic_policies)
    kinds: tuple[type[Route], ...] = (HTTPRoute, GRPCRoute)
    return {
        kind: RouteCompiler(
            GrantedBackends(routing.services, topology, routing.grants, kind.__name__), policies, gateway, port, family
        )
        for kind in kinds
    }


def _of(listener: Listener, routes: Sequence[Route], compilers: Mapping[type[Route], RouteCompiler]) -> Iterator[HostRoute]:
    """What a listener does: the routes with the most specific host names first, and what no route takes ends here."""
    placed = []
    for route in routes:
        for name, common in hosts_at(listener, route).items():
            for place, found in compilers[type(route)].placed(route):
                placed.append(((_wide(name), place), _for(common, found)))
    placed.sort(key=lambda each: each[0])
    yield from (found for _, found in placed)
    yield _for(listener.hostname, HostRoute(dict(EVERYTHING), (Share(1, status=NOT_FOUND),)))


def _wide(name: str | None) -> tuple[int, int]:
    """The smaller, the earlier: more characters of a name without a wildcard, then of any name; no name at the end."""
    text = name or ""
    return (0 if text.startswith(_ANY_LABEL) else -len(text), -len(text))


def _for(name: str | None, route: HostRoute) -> HostRoute:
    """The same route, for requests to hosts that ``name`` means; the port of the Host header does not count."""
    if name is None:
        return route
    wild = name.startswith(_ANY_LABEL)
    expression = f"(?i){'[^:]*' if wild else ''}{re.escape(name.removeprefix('*'))}(?::.*)?"
    asked = {"name": ":authority", "string_match": {"safe_regex": {"regex": expression}}}
    match: RouteMatch = {**route.match, "headers": [asked, *route.match.get("headers", [])]}
    return replace(route, match=match)
