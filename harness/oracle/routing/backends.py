"""Whether what a rule refers to can take requests.

Source: ``HTTPBackendRef`` and ``ReferenceGrant`` in the reference of Gateway API; of routes of Services GEP-1426.
"""

from collections.abc import Iterator

from harness.model.route import BackendObject, ReferenceGrant, Route
from harness.model.routing import Routing
from harness.model.service import Service, ServicePort
from harness.model.topology import Pod, Topology

_GROUP = "gateway.networking.k8s.io"


class Backends:
    """The Services of a cluster, and the pods behind them."""

    def __init__(self, routing: Routing, topology: Topology) -> None:
        self._services = {each.ref: each for each in routing.services}
        self._grants = routing.grants
        self._topology = topology
        self._served: dict[
            tuple[str, int], bool
        ] = {}  # kept, as a hundred thousand calls ask, and a cluster has thousands of pods

    def service(self, ref: str) -> Service | None:
        """The Service called ``namespace/name``."""
        return self._services.get(ref)

    def resolve(self, to: BackendObject, route: Route, *, granted: bool) -> Service | str:
        """The Service that a reference of ``route`` means; why it is invalid where it is.

        ``granted``: whether one in another namespace needs a ReferenceGrant. Routes of Services need none.
        """
        if (to.group or "", to.kind or "Service") != ("", "Service"):
            return f"the backend is a {to.kind}, not a Service"
        namespace = to.namespace or route.namespace
        service = self.service(f"{namespace}/{to.name}")
        if service is None:
            return f"no Service {namespace}/{to.name}"
        if service.type == "ExternalName":
            return f"Service {service.ref} is of type ExternalName"
        if to.port is None or tcp_port(service, to.port) is None:
            return f"Service {service.ref} has no TCP port {to.port}"
        if granted and namespace != route.namespace and not any(self._granted(each, to, route) for each in self._of(namespace)):
            return f"no ReferenceGrant in namespace {namespace} for Service {service.ref}"
        return service

    def has_endpoints(self, service: Service, port: int) -> bool:
        """Whether a pod stands behind a Service's port. A Service without a selector has none: EndpointSlices are not read."""
        key = (service.ref, port)
        if key not in self._served:
            self._served[key] = next(self.endpoints(service, port), None) is not None
        return self._served[key]

    def endpoints(self, service: Service, port: int) -> Iterator[tuple[Pod, int]]:
        """The pods behind a Service's port, and the port of each that gets what is sent there."""
        asked = tcp_port(service, port)
        if asked is None or not service.selector:
            return
        for pod in self._selected(service):
            number = target_port(pod, asked)
            if number is not None:
                yield pod, number

    def _selected(self, service: Service) -> Iterator[Pod]:
        wanted = (service.selector or {}).items()
        for pod in self._topology.pods:
            if pod.namespace == service.namespace and wanted <= pod.labels.items():
                yield pod

    def _of(self, namespace: str) -> Iterator[ReferenceGrant]:
        return (each for each in self._grants if each.namespace == namespace)

    def _granted(self, grant: ReferenceGrant, to: BackendObject, route: Route) -> bool:
        kind = type(route).__name__
        return any((each.group, each.kind, each.namespace) == (_GROUP, kind, route.namespace) for each in grant.from_) and any(
            (each.group, each.kind) == ("", "Service") and each.name in (None, to.name) for each in grant.to
        )


def tcp_port(service: Service, port: int) -> ServicePort | None:
    """The entry of a Service's ``ports`` for a TCP port; None where it has none."""
    return next((each for each in service.ports or () if each.port == port and (each.protocol or "TCP") == "TCP"), None)


def target_port(pod: Pod, port: ServicePort) -> int | None:
    """The pod's port. A target port that is a name is one that the pod has to declare; a number need not be."""
    if not isinstance(port.target_port, str):
        return port.port if port.target_port is None else port.target_port
    return next((own.port for own in pod.ports if own.name == port.target_port and own.protocol == "TCP"), None)
