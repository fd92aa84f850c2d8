"""The answer to a call: the routes of its parent, of their matches the most specific one, and what its rule then says.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ and GEP-1426; what they leave open is chosen in docs/routing.md.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.model.origin import Origin
from harness.model.route import BackendRef, Gateway, GRPCRoute, GRPCRouteRule, HTTPRoute, HTTPRouteRule, RequestMirror, Route
from harness.model.routing import Call, Forwarded, Mirrored, Replied, RouteAnswer, Routing
from harness.model.service import Service
from harness.model.topology import Topology
from harness.oracle.routing import attachment
from harness.oracle.routing.backends import Backends
from harness.oracle.routing.filters import Filtered, filtered, location, status
from harness.oracle.routing.hostnames import specificity
from harness.oracle.routing.matching import Rank, grpc_ranks, http_ranks, matched_prefix
from harness.oracle.routing.message import Headers, Message, changed, joined, message
from harness.oracle.routing.traffic import policy_of

_NOT_FOUND, _INVALID, _NO_ENDPOINTS = 404, 500, 503
_GRPC_CODES = {_NOT_FOUND: 12, _INVALID: 14, _NO_ENDPOINTS: 14}  # UNIMPLEMENTED, UNAVAILABLE


class _Chosen(NamedTuple):
    """A rule that takes a request; ``rank`` holds how specific its route's host name is, then its match."""

    rank: Rank
    route: Route
    position: int
    rule: HTTPRouteRule | GRPCRouteRule


class Router:
    """Says what may become of calls under one set of objects. These are taken to be valid, as harness.manifests checks them."""

    def __init__(self, routing: Routing, topology: Topology) -> None:
        self._routes: tuple[Route, ...] = (*routing.http_routes, *routing.grpc_routes)
        self._gateways = {each.ref: each for each in routing.gateways}
        self._backends = Backends(routing, topology)
        self._traffic = routing.traffic_policies
        self._topology = topology
        self._labels = {each.name: each.labels for each in topology.namespaces}
        self._attached: dict[tuple[str, int, str | None], list[Route]] = {}  # kept, and the next: there are many calls
        self._accepted: dict[tuple[str, str], list[Route]] = {}

    def answer(self, call: Call) -> tuple[RouteAnswer, ...]:
        """All that may become of ``call``, each with its weight. Raises KeyError for an unknown pod, Service or Gateway."""
        request = message(call)
        if call.to_gateway:
            routes = self._of_gateway(call, request)
        else:
            service = self._backends.service(call.destination)
            if service is None:
                raise KeyError(f"no Service {call.destination}")
            routes = self._of_service(service, call.port, self._namespace(call.source))
            if not routes:
                return (self._plain(service, call.port, request),)
        chosen = _chosen(routes, request, hosts=call.to_gateway)
        if chosen is None:
            grpc = request.grpc and (not routes or any(isinstance(each, GRPCRoute) for each in routes))
            return (_failure(_NOT_FOUND, 1, "no rule of a route matches", None, grpc=grpc),)
        return tuple(self._by_rule(chosen, call, request))

    def endpoints(self, service: str, port: int) -> tuple[tuple[str, int], ...]:
        """The pods (``namespace/name``) behind a port of a Service, and which port of each. Raises KeyError."""
        found = self._backends.service(service)
        if found is None:
            raise KeyError(f"no Service {service}")
        return tuple((pod.ref, number) for pod, number in self._backends.endpoints(found, port))

    def _namespace(self, source: str) -> str | None:
        return self._topology.pod(source).namespace if "/" in source else None

    def _of_service(self, service: Service, port: int, namespace: str | None) -> list[Route]:
        key = (service.ref, port, namespace)
        if key not in self._attached:
            self._attached[key] = attachment.of_service(self._routes, service, port, namespace)
        return self._attached[key]

    def _of_gateway(self, call: Call, request: Message) -> list[Route]:
        gateway = self._gateways[call.destination]
        taking = attachment.listener(gateway, call.port, request.hostname)
        if taking is None:
            return []
        key = (gateway.ref, taking.name)
        if key not in self._accepted:
            self._accepted[key] = attachment.of_listener(self._routes, gateway, taking, self._labels)
        return self._accepted[key]

    def _plain(self, service: Service, port: int, request: Message) -> RouteAnswer:
        """What a Service does by itself."""
        if not self._backends.has_endpoints(service, port):
            return _failure(_NO_ENDPOINTS, 1, f"Service {service.ref} has no endpoints", None, grpc=request.grpc)
        traffic = policy_of(self._traffic, None, service)
        return Forwarded(service.ref, port, 1, request.target, request.host, joined(request.headers), None, traffic=traffic)

    def _by_rule(self, chosen: _Chosen, call: Call, request: Message) -> Iterator[RouteAnswer]:
        rule, grpc = chosen.rule, isinstance(chosen.route, GRPCRoute)
        prefix = matched_prefix(rule) if isinstance(rule, HTTPRouteRule) else "/"
        done = filtered(rule.filters or (), request, prefix)
        if done.redirect is not None:
            yield _redirected(done, request, call.port, prefix, 1, rule.origin)
            return
        refs = [each for each in rule.backend_refs or () if _weight(each)]
        if not refs:
            yield _failure(_INVALID, 1, "the rule has no backend with a weight", rule.origin, grpc=grpc)
        for ref in refs:
            yield self._by_backend(ref, chosen, call, request, prefix)

    def _by_backend(self, ref: BackendRef, chosen: _Chosen, call: Call, request: Message, prefix: str) -> RouteAnswer:
        rule, grpc, weight = chosen.rule, isinstance(chosen.route, GRPCRoute), _weight(ref)
        found = self._backends.resolve(ref.backend, chosen.route, granted=call.to_gateway)
        if isinstance(found, str):
            return _failure(_INVALID, weight, found, rule.origin, grpc=grpc)
        done = filtered((*(rule.filters or ()), *(ref.filters or ())), request, prefix)
        if done.redirect is not None:
            return _redirected(done, request, call.port, prefix, weight, rule.origin)
        port = ref.backend.port or 0
        if not self._backends.has_endpoints(found, port):
            return _failure(_NO_ENDPOINTS, weight, f"Service {found.ref} has no endpoints", rule.origin, grpc=grpc)
        return Forwarded(
            backend=found.ref,
            port=port,
            weight=weight,
            path=done.request.target,
            host=done.request.host,
            headers=joined(done.request.headers),
            rule=rule.origin,
            response=done.response,
            mirrors=tuple(self._mirrored(done.mirrors, chosen.route, granted=call.to_gateway)),
            timeouts=rule.timeouts if isinstance(rule, HTTPRouteRule) else None,
            retry=rule.retry if isinstance(rule, HTTPRouteRule) else None,
            traffic=policy_of(self._traffic, chosen.route, self._front(call)) if self._traffic else None,
        )

    def _front(self, call: Call) -> Service | Gateway:
        """What is asked, of which it is known that it is there."""
        front = self._gateways.get(call.destination) if call.to_gateway else self._backends.service(call.destination)
        if front is None:
            raise KeyError(f"nothing at {call.destination}")
        return front

    def _mirrored(self, mirrors: Sequence[RequestMirror], route: Route, *, granted: bool) -> Iterator[Mirrored]:
        """Where copies arrive: a mirror whose reference is invalid is dropped."""
        for each in mirrors:
            found, port = self._backends.resolve(each.backend, route, granted=granted), each.backend.port or 0
            numerator, denominator = _share(each)
            if isinstance(found, Service) and numerator and self._backends.has_endpoints(found, port):
                yield Mirrored(found.ref, port, numerator, denominator)


def _chosen(routes: Sequence[Route], request: Message, *, hosts: bool) -> _Chosen | None:
    """The rule with the most specific match. Host names count if ``hosts``: routes of Services have no use for them."""
    found = [each for route in routes for each in _candidates(route, request, hosts)]
    found.sort(key=lambda each: (attachment.age(each.route), each.position))
    return max(found, key=lambda each: each.rank, default=None)  # of equal ones max takes the first


def _candidates(route: Route, request: Message, hosts: bool) -> Iterator[_Chosen]:
    by_host = specificity(route.hostnames if hosts else None, request.hostname)
    if by_host is None:
        return
    if isinstance(route, HTTPRoute):
        for position, rule in enumerate(route.rules or (HTTPRouteRule(route.origin),)):
            for rank in http_ranks(rule, request):
                yield _Chosen((*by_host, *rank), route, position, rule)
    else:
        for position, each in enumerate(route.rules or ()):
            for rank in grpc_ranks(each, request):
                yield _Chosen((*by_host, *rank), route, position, each)


def _redirected(done: Filtered, request: Message, port: int, prefix: str, weight: int, rule: Origin) -> Replied:
    assert done.redirect is not None  # noqa: S101 -- asked by who calls
    headers: Headers = (("Location", location(done.redirect, request, port, prefix)),)
    for changes in done.response:
        headers = changed(headers, changes)
    return Replied(status(done.redirect), weight, "redirected", rule, joined(headers))


def _failure(code: int, weight: int, reason: str, rule: Origin | None, *, grpc: bool) -> Replied:
    if grpc:
        return Replied(200, weight, reason, rule, {"grpc-status": str(_GRPC_CODES[code])})
    return Replied(code, weight, reason, rule)


def _weight(ref: BackendRef) -> int:
    return 1 if ref.weight is None else ref.weight


def _share(mirror: RequestMirror) -> tuple[int, int]:
    if mirror.fraction is not None:
        return mirror.fraction.numerator, 100 if mirror.fraction.denominator is None else mirror.fraction.denominator
    return (1, 1) if mirror.percent is None else (mirror.percent, 100)
