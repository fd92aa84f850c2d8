"""Service of v1, as written.

``None`` always means "the user did not write this field", which differs from an empty value.
Source: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/
"""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.origin import Origin


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One entry of ``ports``; ``target_port`` is a number or a container port's name."""

    origin: Origin
    port: int
    name: str | None = None
    target_port: int | str | None = None
    protocol: str | None = None
    app_protocol: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A Service object; ``origin`` is the line of its ``kind``. ``cluster_ip`` is an address, "None" or empty."""

    origin: Origin
    name: str
    namespace: str
    ports: tuple[ServicePort, ...] | None = None
    selector: Mapping[str, str] | None = None
    cluster_ip: str | None = None
    cluster_ips: tuple[str, ...] | None = None
    type: str | None = None
    external_name: str | None = None

    @property
    def ref(self) -> str:
        """``namespace/name``, the way every file and message names a Service."""
        return f"{self.namespace}/{self.name}"
