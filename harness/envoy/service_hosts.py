"""Routes of Services as virtual hosts of Envoy, whole but for what policies say of each backend.

A virtual host is found by the address that the client connected to and by its own: clients in a namespace with routes of its
own (consumer routes) have others than all the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import lcm

from harness.envoy.route_matches import EVERYTHING, RouteMatch, grpc_match, grpc_place, http_match, http_place
from harness.envoy.route_parents import applying, attached, consumers
from harness.envoy.service_backends import Backend, Lacking, ServiceBackends
from harness.envoy.traffic_policies import Governed, TrafficPolicies
from harness.model.route import (
    BackendObject,
    BackendRef,
    Filter,
    Gateway,
    GRPCRouteMatch,
    GRPCRouteRule,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    RequestMirror,
    RequestRedirect,
    Retry,
    Route,
    Timeouts,
)
from harness.model.routing import Routing
from harness.model.service import Service
from harness.model.topology import Topology

NOT_FOUND = 404
_GRPC_INVALID = 503
"""Of gRPC: Envoy makes UNAVAILABLE of it, and UNKNOWN of 500."""

_MOST = 2**32 - 1
"""The most that the weights of a route may sum up to."""


@dataclass(frozen=True, slots=True)
class Share:
    """One of the things that may become of a request: it goes to ``backend``, or is answered with ``status``.

    ``filters`` are those of the backend's reference. ``pool`` names what all pods of that share limits and ejections in; it is
    empty where each stands for itself.
    """

    weight: int
    backend: Backend | None = None
    status: int | None = None
    filters: tuple[Filter, ...] = ()
    pool: str = ""


@dataclass(frozen=True, slots=True)
class Mirror:
    """Who gets copies, one of them each, and of how many in a million requests. ``calls``: these are of gRPC."""

    backends: tuple[Backend, ...]
    millionths: int
    calls: bool = False


@dataclass(frozen=True, slots=True)
class HostRoute:
    """What becomes of requests that ``match`` means: one of ``shares``. ``prefix`` is what a rewrite replaces.

    ``traffic`` is the policy that they are under.
    """

    match: RouteMatch
    shares: tuple[Share, ...]
    filters: tuple[Filter, ...] = ()
    prefix: str = "/"
    timeouts: Timeouts | None = None
    retry: Retry | None = None
    mirrors: tuple[Mirror, ...] = ()
    traffic: Governed | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """Requests to a port of a Service's address; from ``clients`` (addresses), or from all who are in no other host's list.

    ``public``: the address is a Gateway's, which hosts outside of the cluster may ask.
    """

    address: str
    port: int
    clients: tuple[str, ...] | None
    routes: tuple[HostRoute, ...]
    public: bool = False


def hosts(
    routing: Routing, addresses: Mapping[str, Sequence[str]], topology: Topology, local: Mapping[str, Sequence[str]]
) -> list[Host]:
    """The virtual hosts of a node. ``addresses``: those of each Service; ``local``: those of the node's pods, by namespace."""
    backends = ServiceBackends(routing.services, topology)
    policies = TrafficPolicies(routing.traffic_policies)
    routes: list[Route] = [*routing.http_routes, *routing.grpc_routes]
    found: list[Host] = []
    for service in routing.services:
        for entry in service.ports or ():
            if entry.protocol in (None, "TCP"):
                here = attached(routes, service, entry)
                for address in addresses.get(service.ref, ()):
                    compiler = RouteCompiler(backends, policies, service, entry.port, 6 if ":" in address else 4)
                    for namespace in sorted(consumers(here, service) & local.keys()):
                        clients = tuple(local[namespace])
                        found.append(Host(address, entry.port, clients, compiler.routes(service, applying(here, namespace))))
                    own = applying(here, service.namespace)
                    found.append(Host(address, entry.port, None, compiler.routes(service, own)))
    return found


class RouteCompiler:
    """Of routes at one port of a Service or a Gateway, over one family of addresses."""

    def __init__(
        self, backends: ServiceBackends, policies: TrafficPolicies, front: Service | Gateway, port: int, family: int
    ) -> None:
        self._backends = backends
        self._policies = policies
        self._front = front
        self._port = port
        self._family = family

    def routes(self, service: Service, routes: Sequence[Route]) -> tuple[HostRoute, ...]:
        """The most specific first; of a Service without routes one, to itself."""
        if not routes:
            traffic = self._policies.of_service(service, self._port)
            return (HostRoute(dict(EVERYTHING), self._plain(service, traffic), traffic=traffic),)
        placed = [each for route in routes for each in self.placed(route)]
        placed.sort(key=lambda each: each[0])
        return (*(each for _, each in placed), HostRoute(dict(EVERYTHING), (Share(1, status=NOT_FOUND),)))

    def placed(self, route: Route) -> Iterator[tuple[tuple[object, ...], HostRoute]]:
        """All matches of a route, each with its place: the smaller, the earlier it is asked."""
        age = age_of(route)
        if isinstance(route, HTTPRoute):
            for position, rule in enumerate(route.rules or (HTTPRouteRule(route.origin),)):
                for match in rule.matches or (HTTPRouteMatch(rule.origin),):
                    yield (
                        (http_place(match), *age, position),
                        self._by_rule(route, position, rule, http_match(match), _prefix(match)),
                    )
        else:
            for position, each in enumerate(route.rules or ()):
                for asked in each.matches or (GRPCRouteMatch(each.origin),):
                    yield (grpc_place(asked), *age, position), self._by_rule(route, position, each, grpc_match(asked), "/")

    def _by_rule(
        self, route: Route, position: int, rule: HTTPRouteRule | GRPCRouteRule, match: RouteMatch, prefix: str
    ) -> HostRoute:
        filters = rule.filters or ()
        timeouts, retry = (rule.timeouts, rule.retry) if isinstance(rule, HTTPRouteRule) else (None, None)
        mirrors = tuple(self._mirrors(route, filters))
        traffic = self._policies.of_rule(route, position, self._front)
        return HostRoute(match, self._shares(route, rule, traffic), filters, prefix, timeouts, retry, mirrors, traffic)

    def _shares(self, route: Route, rule: HTTPRouteRule | GRPCRouteRule, traffic: Governed | None) -> tuple[Share, ...]:
        if any(isinstance(each, RequestRedirect) for each in rule.filters or ()):
            return (Share(1),)
        refs = [each for each in rule.backend_refs or () if each.weight != 0]
        failing = 500 if isinstance(route, HTTPRoute) else _GRPC_INVALID
        if not refs:
            return (Share(1, status=failing),)
        led = [(each, self._backends.referred(each.backend, route.namespace, self._family)) for each in refs]
        return _spread(led, failing, self._pools(traffic, len(led)))

    def _plain(self, service: Service, traffic: Governed | None) -> tuple[Share, ...]:
        own = BackendObject(service.origin, service.name, port=self._port)
        found = self._backends.of(service, self._port, self._family)
        return _spread([(BackendRef(own), found)], Lacking.INVALID.value, self._pools(traffic, 1))

    def _pools(self, traffic: Governed | None, count: int) -> list[str]:
        """The names of the pools of so many backends."""
        pooled = traffic is not None and traffic.pools
        return [f"{traffic.name} backend {number} IPv{self._family}" if pooled and traffic else "" for number in range(count)]

    def _mirrors(self, route: Route, filters: Sequence[Filter]) -> Iterator[Mirror]:
        for each in filters:
            if isinstance(each, RequestMirror):
                found = self._backends.referred(each.backend, route.namespace, self._family)
                if not isinstance(found, Lacking) and (share := _millionths(each)):
                    yield Mirror(tuple(found), share, not isinstance(route, HTTPRoute))


def _spread(led: Sequence[tuple[BackendRef, list[Backend] | Lacking]], invalid: int, pools: Sequence[str]) -> tuple[Share, ...]:
    """Every backend's pods share its weight evenly; whole numbers, so all are multiplied by what their counts divide."""
    common = lcm(*(len(found) for _, found in led if not isinstance(found, Lacking)))
    total = sum(_weight(ref) for ref, _ in led)
    if total * common > _MOST:
        common = _MOST // total - len(led)  # shares are off by less than a millionth
    shares: list[Share] = []
    for (ref, found), pool in zip(led, pools, strict=True):
        weight, filters = _weight(ref) * common, ref.filters or ()
        if any(isinstance(each, RequestRedirect) for each in filters) and found is not Lacking.INVALID:
            shares.append(Share(weight, filters=filters))
        elif isinstance(found, Lacking):
            shares.append(Share(weight, status=invalid if found is Lacking.INVALID else found.value))
        else:
            shares += [Share(max(1, weight // len(found)), each, filters=filters, pool=pool) for each in found]
    return tuple(shares)


def _weight(ref: BackendRef) -> int:
    return 1 if ref.weight is None else ref.weight


def _prefix(match: HTTPRouteMatch) -> str:
    return "/" if match.path is None else match.path.value or "/"


def _millionths(mirror: RequestMirror) -> int:
    if mirror.fraction is not None:
        return round(1_000_000 * mirror.fraction.numerator / (mirror.fraction.denominator or 100))
    return 1_000_000 if mirror.percent is None else 10_000 * mirror.percent


def age_of(route: Route) -> tuple[object, ...]:
    """The oldest route first, then those that no server has made; then by name, and a GRPCRoute first."""
    created = datetime.fromisoformat(route.created).timestamp() if route.created else float("inf")
    return (created, f"{route.namespace}/{route.name}", isinstance(route, HTTPRoute))
