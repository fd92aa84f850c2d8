"""Which routes take the requests to a port of a Service, or to a listener of a Gateway, and in which order they stand.

Source: ``ParentReference`` and ``AllowedRoutes`` in the reference of Gateway API; of Services GEP-1426.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from harness.model.policy import LabelSelector
from harness.model.route import Gateway, GRPCRoute, Listener, ParentReference, Route
from harness.model.service import Service
from harness.oracle.direct.selector import satisfies
from harness.oracle.routing.hostnames import any_intersect, matches, specificity, within

_GROUP = "gateway.networking.k8s.io"
_HEADLESS = "None"

Age = tuple[bool, float, str, bool]
"""The smaller, the earlier a route comes where two match alike."""


def age(route: Route) -> Age:
    """The oldest first, those that no server has made yet last; then by namespace and name, and a GRPCRoute first."""
    created = 0.0 if route.created is None else datetime.fromisoformat(route.created).timestamp()
    return (route.created is None, created, f"{route.namespace}/{route.name}", not isinstance(route, GRPCRoute))


def of_service(routes: Iterable[Route], service: Service, port: int, namespace: str | None) -> list[Route]:
    """The routes for requests from a ``namespace`` (None: from outside) to a port of a Service; none for a headless one.

    Routes in the client's own namespace, consumer routes, stand before all those in the Service's. Where kinds of routes meet,
    GRPCRoutes are the only ones that count.
    """
    if service.cluster_ip == _HEADLESS or service.type == "ExternalName":
        return []
    names = {each.name for each in service.ports or () if each.port == port}
    attached = [
        route
        for route in routes
        if any(_means_service(parent, route, service, port, names) for parent in route.parent_refs or ())
    ]
    consumers = [route for route in attached if route.namespace == namespace]
    group = consumers or [route for route in attached if route.namespace == service.namespace]
    return [route for route in group if isinstance(route, GRPCRoute)] or group


def listener(gateway: Gateway, port: int, host: str) -> Listener | None:
    """The listener that takes requests for ``host``: of all that do the most specific, and no other."""
    taking = [
        each for each in gateway.listeners if each.port == port and (each.hostname is None or matches(each.hostname, host))
    ]
    return max(taking, key=lambda each: specificity([each.hostname] if each.hostname else (), host) or (0, 0), default=None)


def of_listener(
    routes: Iterable[Route], gateway: Gateway, taking: Listener, labels: Mapping[str, Mapping[str, str]]
) -> list[Route]:
    """The routes that a listener accepts; ``labels`` are those of the namespaces.

    Of an HTTPRoute and a GRPCRoute for one host the older one is accepted.
    """
    accepted: list[Route] = []
    for route in sorted(routes, key=age):
        if not any(_means_listener(parent, route, gateway, taking) for parent in route.parent_refs or ()):
            continue
        hosts = within(taking.hostname, route.hostnames)
        if hosts is None or not _allowed(taking, gateway, route, labels):
            continue
        others = [each for each in accepted if type(each) is not type(route)]
        if not any(any_intersect(hosts, within(taking.hostname, each.hostnames) or ()) for each in others):
            accepted.append(route)
    return accepted


def _means_service(parent: ParentReference, route: Route, service: Service, port: int, names: set[str | None]) -> bool:
    return (
        (parent.group, parent.kind) == ("", "Service")
        and (parent.namespace or route.namespace, parent.name) == (service.namespace, service.name)
        and parent.port in (None, port)
        and (parent.section_name is None or parent.section_name in names)
    )


def _means_listener(parent: ParentReference, route: Route, gateway: Gateway, taking: Listener) -> bool:
    return (
        (_GROUP if parent.group is None else parent.group, parent.kind or "Gateway") == (_GROUP, "Gateway")
        and (parent.namespace or route.namespace, parent.name) == (gateway.namespace, gateway.name)
        and parent.port in (None, taking.port)
        and parent.section_name in (None, taking.name)
    )


def _allowed(taking: Listener, gateway: Gateway, route: Route, labels: Mapping[str, Mapping[str, str]]) -> bool:
    allowed = taking.allowed_routes
    if allowed is None:
        return route.namespace == gateway.namespace
    kinds: Sequence[tuple[str, str]] = [(each.group or _GROUP, each.kind) for each in allowed.kinds or ()]
    if kinds and (_GROUP, type(route).__name__) not in kinds:
        return False
    if allowed.from_ == "All":
        return True
    if allowed.from_ == "Selector":
        own = {**labels.get(route.namespace, {}), "kubernetes.io/metadata.name": route.namespace}
        return satisfies(own, allowed.selector or LabelSelector())
    return route.namespace == gateway.namespace
