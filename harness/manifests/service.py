"""Service of v1, checked as an API server checks it. What does not decide where requests go is not looked at.

Source of the rules: ``pkg/apis/core/validation/validation.go`` of Kubernetes.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.manifests.addresses import address
from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, quoted
from harness.manifests.kubernetes import DnsLabel, DnsSubdomain, Labels, Metadata, Port
from harness.manifests.networkpolicy import NumberOrName
from harness.manifests.shape import Shape, checked, wrong
from harness.model.service import Service, ServicePort

API_VERSION = "v1"
KIND = "Service"

_HEADLESS = "None"
_EXTERNAL = "ExternalName"


def _cluster_ip(text: str) -> str:
    return text if text in ("", _HEADLESS) else address(text)


_ClusterIP = Annotated[str, AfterValidator(_cluster_ip)]


class _Metadata(Metadata):
    name: DnsLabel


class _Port(Shape):
    port: Port
    name: DnsLabel | None = None
    target_port: NumberOrName | None = None
    protocol: Literal["TCP", "UDP", "SCTP"] | None = None
    app_protocol: str | None = None
    node_port: Any = None


class _Spec(Shape):
    ports: list[_Port] | None = None
    selector: Labels | None = None
    cluster_ip: _ClusterIP | None = Field(default=None, alias="clusterIP")
    cluster_ips: Annotated[list[_ClusterIP], Field(max_length=2)] | None = Field(default=None, alias="clusterIPs")
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] | None = None
    external_name: DnsSubdomain | None = None
    # None of these changes where a request of a pod's goes.
    allocate_load_balancer_node_ports: Any = None
    external_ips: Any = Field(default=None, alias="externalIPs")
    external_traffic_policy: Any = None
    health_check_node_port: Any = None
    internal_traffic_policy: Any = None
    ip_families: Any = None
    ip_family_policy: Any = None
    load_balancer_class: Any = None
    load_balancer_ip: Any = Field(default=None, alias="loadBalancerIP")
    load_balancer_source_ranges: Any = None
    publish_not_ready_addresses: Any = None
    session_affinity: Any = None
    session_affinity_config: Any = None
    traffic_distribution: Any = None

    @model_validator(mode="after")
    def _ports_where_they_are_needed(self) -> "_Spec":
        if self.type == _EXTERNAL:
            if self.external_name is None:
                raise wrong(f"missing; a Service of type {_EXTERNAL} needs it", "externalName")
            if self.cluster_ip:
                raise wrong(f"a Service of type {_EXTERNAL} has no address; remove it", "clusterIP")
        elif not self.ports and self.cluster_ip != _HEADLESS:
            raise wrong("missing or empty; write at least one", "ports")
        elif self.cluster_ip == _HEADLESS and self.type in ("NodePort", "LoadBalancer"):
            raise wrong(f"a Service of type {self.type} needs an address; remove it", "clusterIP")
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> "_Spec":
        ports = self.ports or []
        names: dict[str, int] = {}
        numbers: dict[tuple[str, int], int] = {}
        for position, each in enumerate(ports):
            if each.name is None and len(ports) > 1:
                raise wrong("missing; a Service with several ports names each", "ports", position, "name")
            if each.name is not None and names.setdefault(each.name, position) != position:
                raise wrong(f"port name {quoted(each.name)} is used twice; rename one", "ports", position, "name")
            if numbers.setdefault((each.protocol or "TCP", each.port), position) != position:
                raise wrong(f"port {each.port} of this protocol is written already; remove one", "ports", position, "port")
        return self


class _Service(Shape):
    api_version: Any = None
    kind: Any = None
    metadata: _Metadata
    spec: _Spec
    status: Any = None


def service(document: Document, path: tuple[Step, ...], faults: list[Fault]) -> Service | None:
    """The Service at ``path`` of a document; None, and faults added, where it is not a valid one."""
    shape = checked(document, _Service, faults, path)
    if shape is None:
        return None
    spec = shape.spec
    ports = None
    if spec.ports is not None:
        ports = tuple(_port(document, (*path, "spec", "ports", i), each) for i, each in enumerate(spec.ports))
    return Service(
        origin=document.origin((*path, "kind")),
        name=shape.metadata.name,
        namespace=shape.metadata.namespace or "default",  # as kubectl does without -n
        ports=ports,
        selector=spec.selector,
        cluster_ip=spec.cluster_ip,
        cluster_ips=None if spec.cluster_ips is None else tuple(spec.cluster_ips),
        type=spec.type,
        external_name=spec.external_name,
    )


def _port(document: Document, path: tuple[Step, ...], port: _Port) -> ServicePort:
    return ServicePort(document.origin(path), port.port, port.name, port.target_port, port.protocol, port.app_protocol)
