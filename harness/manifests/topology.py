"""Topologies: ``scenarios/topologies/NAME.yaml`` and files of users' own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from harness.manifests.addresses import Address
from harness.manifests.cluster import cluster
from harness.manifests.document import Document, read_document
from harness.manifests.errors import Fault, ManifestError, quoted, refuse, suggestion
from harness.manifests.kubernetes import DnsLabel, LabelKey, Labels, Port, PortName, Protocol
from harness.manifests.shape import Shape, checked, wrong
from harness.model.topology import ContainerPort, Namespace, OutsideHost, Pod, Topology

_NAME_LABEL = "kubernetes.io/metadata.name"  # an API server sets it on every namespace, to its name


class NamespaceShape(Shape):
    """A namespace; its name is its key."""

    labels: Labels = Field(default={}, description="Labels that namespaceSelector matches.")


class PortShape(Shape):
    """A port that a pod declares (``containerPort`` in Kubernetes)."""

    name: PortName = Field(default="", validate_default=False, description="Name by which policies may call the port.")
    port: Port
    protocol: Protocol = Field(default="TCP", description="TCP or UDP.")


class PodShape(Shape):
    """A pod."""

    name: DnsLabel
    namespace: DnsLabel
    node: str | None = Field(default=None, description="The node that it runs on; the first one if left out.")
    labels: Labels = Field(default={}, description="Labels that podSelector matches.")
    annotations: dict[LabelKey, str] = Field(default={}, description="Read by data planes, such as meshproof.io/sockmap.")
    ports: list[PortShape] = Field(default=[], description="Ports that policies may name.")
    ips: Annotated[list[Address], Field(max_length=2)] = Field(
        default=[], description="One IPv4 and one IPv6 address at most; a lab assigns its own."
    )

    @model_validator(mode="after")
    def _one_address_a_family(self) -> "PodShape":
        if len(self.ips) == 2 and (":" in self.ips[0]) == (":" in self.ips[1]):
            raise wrong("two addresses of one family; a pod has one IPv4 and one IPv6 address at most", "ips", 1)
        names = [port.name for port in self.ports if port.name]
        for position, port in enumerate(self.ports):
            if port.name and names.count(port.name) > 1 and names.index(port.name) != position:
                raise wrong(f"port name {quoted(port.name)} is used twice; rename one", "ports", position, "name")
        return self


class OutsideShape(Shape):
    """A host outside of the cluster. What it sends reaches the cluster through one of the nodes."""

    name: DnsLabel
    node: str | None = Field(default=None, description="The node through which it is reached; the first one if left out.")
    ips: Annotated[list[Address], Field(min_length=2, max_length=2)] = Field(description="One IPv4 and one IPv6 address.")

    @model_validator(mode="after")
    def _one_address_a_family(self) -> "OutsideShape":
        if (":" in self.ips[0]) == (":" in self.ips[1]):
            raise wrong("two addresses of one family; a host outside has one IPv4 and one IPv6 address", "ips", 1)
        return self


class TopologyShape(Shape):
    """A cluster: nodes, namespaces and pods; and hosts outside of it."""

    nodes: Annotated[list[DnsLabel], Field(min_length=1)] = Field(default=["n1"], description="Names of the nodes.")
    namespaces: Annotated[dict[DnsLabel, NamespaceShape], Field(min_length=1)]
    pods: Annotated[list[PodShape], Field(min_length=1)]
    outside: list[OutsideShape] = Field(default=[], description="Hosts that are not part of the cluster and ask its Gateways.")


def load_topology(path: Path) -> Topology:
    """The topology of a file, in the project's form or as kubectl prints it, named as the file is. Raises ManifestError."""
    document = read_document(path, "a topology")
    if isinstance(document.data, dict) and "kind" in document.data:
        return cluster(document, path.stem)
    faults: list[Fault] = []
    shape = checked(document, TopologyShape, faults)
    if shape is None:
        raise ManifestError(faults)
    refuse(list(_inconsistent(document, shape)))
    return Topology(
        name=path.stem,
        nodes=tuple(shape.nodes),
        namespaces=tuple(Namespace(name, each.labels) for name, each in shape.namespaces.items()),
        pods=tuple(_pod(each, shape.nodes[0]) for each in shape.pods),
        outside=tuple(OutsideHost(each.name, each.node or shape.nodes[0], tuple(each.ips)) for each in shape.outside),
    )


def _pod(shape: PodShape, first_node: str) -> Pod:
    return Pod(
        name=shape.name,
        namespace=shape.namespace,
        node=shape.node or first_node,
        labels=shape.labels,
        annotations=shape.annotations,
        ports=tuple(ContainerPort(port.name, port.port, port.protocol) for port in shape.ports),
        ips=tuple(shape.ips),
    )


def _inconsistent(document: Document, shape: TopologyShape) -> Iterator[Fault]:
    """What each part allows but the parts together do not."""
    for position, node in enumerate(shape.nodes):
        if node in shape.nodes[:position]:
            yield document.fault(("nodes", position), f"node {quoted(node)} is listed twice; remove one")
    for name, namespace in shape.namespaces.items():
        if namespace.labels.get(_NAME_LABEL, name) != name:
            at = ("namespaces", name, "labels", _NAME_LABEL)
            yield document.fault(at, f"want {quoted(name)}, as an API server sets it, or leave it out")
    pods: set[str] = set()
    addresses: dict[str, str] = {}
    for position, pod in enumerate(shape.pods):
        ref = f"{pod.namespace}/{pod.name}"
        if pod.namespace not in shape.namespaces:
            hint = suggestion(pod.namespace, shape.namespaces)
            yield document.fault(("pods", position, "namespace"), f"no namespace {quoted(pod.namespace)}{hint}")
        if pod.node is not None and pod.node not in shape.nodes:
            hint = suggestion(pod.node, shape.nodes)
            yield document.fault(("pods", position, "node"), f"no node {quoted(pod.node)}{hint}")
        if ref in pods:
            yield document.fault(("pods", position, "name"), f"pod {quoted(ref)} is listed twice; rename one")
        pods.add(ref)
        for each, address in enumerate(pod.ips):
            owner = addresses.setdefault(address, ref)
            if owner != ref:
                yield document.fault(("pods", position, "ips", each), f"{address} is the address of {owner} already")
    yield from _outside(document, shape, addresses)


def _outside(document: Document, shape: TopologyShape, addresses: dict[str, str]) -> Iterator[Fault]:
    """The same of hosts outside; ``addresses`` are those of pods."""
    for position, host in enumerate(shape.outside):
        at = ("outside", position)
        if host.node is not None and host.node not in shape.nodes:
            yield document.fault((*at, "node"), f"no node {quoted(host.node)}{suggestion(host.node, shape.nodes)}")
        if any(other.name == host.name for other in shape.outside[:position]):
            yield document.fault((*at, "name"), f"host {quoted(host.name)} is listed twice; rename one")
        for each, address in enumerate(host.ips):
            owner = addresses.setdefault(address, f"host {host.name}")
            if owner != f"host {host.name}":
                yield document.fault((*at, "ips", each), f"{address} is the address of {owner} already")
