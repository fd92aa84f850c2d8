"""Which pods stand behind a port of a Service, and what a reference of a route leads to.

Source: https://kubernetes.io/docs/concepts/services-networking/service/ and ``BackendObjectReference`` of Gateway API.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from harness.model.route import BackendObject
from harness.model.service import Service, ServicePort
from harness.model.topology import Pod, Topology


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """An address of a pod, and the port that it serves on."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Lacking(Enum):
    """Why a reference leads to no backend. The value is the status that its share of the requests is answered with."""

    INVALID = 500
    ENDPOINTS = 503


class ServiceBackends:
    """The Services of a cluster by ``namespace/name``, and the pods that they select."""

    def __init__(self, services: Iterable[Service], topology: Topology) -> None:
        self._services = {each.ref: each for each in services}
        self._pods = topology.pods

    def of(self, service: Service, port: int, family: int) -> list[Backend] | Lacking:
        """The backends of a Service's TCP port, over addresses of ``family``."""
        if service.type == "ExternalName":
            return Lacking.INVALID
        entry = next((each for each in service.ports or () if each.port == port and each.protocol in (None, "TCP")), None)
        if entry is None:
            return Lacking.INVALID
        found = []
        for pod in self._pods:
            if _selects(service, pod) and (at := _target(entry, pod)) is not None:
                found += [Backend(ip, at) for ip in pod.ips if (":" in ip) == (family == 6)]
        return found or Lacking.ENDPOINTS

    def referred(self, to: BackendObject, namespace: str, family: int) -> list[Backend] | Lacking:
        """The backends of what a route in ``namespace`` refers to. No ReferenceGrant is asked (GEP-1426)."""
        if to.group not in (None, "") or to.kind not in (None, "Service"):
            return Lacking.INVALID
        service = self._services.get(f"{to.namespace or namespace}/{to.name}")
        return Lacking.INVALID if service is None or to.port is None else self.of(service, to.port, family)


def _selects(service: Service, pod: Pod) -> bool:
    if not service.selector or pod.namespace != service.namespace:
        return False
    return all(pod.labels.get(name) == value for name, value in service.selector.items())


def _target(entry: ServicePort, pod: Pod) -> int | None:
    """The number that a target port means on a pod; None where the pod declares no TCP port of that name."""
    target = entry.port if entry.target_port is None else entry.target_port
    if isinstance(target, int):
        return target
    return next((each.port for each in pod.ports if each.name == target and each.protocol == "TCP"), None)
