"""Which routes take the requests to a port of a Service. Source: GEP-1426, and ``ParentReference`` of Gateway API."""

from collections.abc import Iterable, Sequence

from harness.model.route import GRPCRoute, ParentReference, Route
from harness.model.service import Service, ServicePort


def attached(routes: Iterable[Route], service: Service, entry: ServicePort) -> list[Route]:
    """The routes that have this port of the Service among their parents, of whatever namespace."""
    return [each for each in routes if any(_means(parent, each, service, entry) for parent in each.parent_refs or ())]


def consumers(routes: Iterable[Route], service: Service) -> set[str]:
    """The namespaces, other than the Service's, whose clients have routes of their own among the ``attached``."""
    return {each.namespace for each in routes} - {service.namespace}


def applying(routes: Iterable[Route], namespace: str) -> Sequence[Route]:
    """Of the ``attached`` those of ``namespace`` that count: where kinds meet, GRPCRoutes alone do."""
    own = [each for each in routes if each.namespace == namespace]
    return [each for each in own if isinstance(each, GRPCRoute)] or own


def _means(parent: ParentReference, route: Route, service: Service, entry: ServicePort) -> bool:
    if parent.group != "" or parent.kind != "Service" or parent.name != service.name:
        return False
    if (parent.namespace or route.namespace) != service.namespace:
        return False
    if parent.port is not None and parent.port != entry.port:
        return False
    return parent.section_name is None or parent.section_name == entry.name
