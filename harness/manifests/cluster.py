"""Topologies of running clusters: the output of ``kubectl get namespaces,pods -A -o yaml``.

What a server says beyond names, labels, addresses and ports is not looked at.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field

from harness.manifests.addresses import Address
from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, ManifestError, found, quoted, refuse, suggestion
from harness.manifests.kubernetes import DnsLabel, DnsSubdomain, Labels, Port
from harness.manifests.shape import Shape, checked
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

_CARRIED = ("TCP", "UDP")
_COMMAND = "kubectl get namespaces,pods -A -o yaml"


class _Served(Shape):
    """What a server wrote: fields that are not asked for are passed over."""

    model_config = ConfigDict(extra="ignore")


_AnyServed = TypeVar("_AnyServed", bound=_Served)


class _NamespaceMetadata(_Served):
    name: DnsLabel
    labels: Labels | None = None


class _Namespace(_Served):
    metadata: _NamespaceMetadata


class _PodMetadata(_Served):
    name: DnsSubdomain
    namespace: DnsLabel
    labels: Labels | None = None
    annotations: dict[str, str] | None = None


class _Port(_Served):
    name: str | None = None
    container_port: Port
    protocol: str | None = None


class _Container(_Served):
    ports: list[_Port] | None = None
    restart_policy: str | None = None


class _PodSpec(_Served):
    node_name: DnsSubdomain | None = None
    host_network: bool | None = None
    containers: list[_Container] | None = None
    init_containers: list[_Container] | None = None


class _PodIP(_Served):
    ip: Address


class _PodStatus(_Served):
    phase: str | None = None
    pod_ip: Address | None = Field(default=None, alias="podIP")
    pod_ips: Annotated[list[_PodIP], Field(max_length=2)] | None = Field(default=None, alias="podIPs")


class _Pod(_Served):
    metadata: _PodMetadata
    spec: _PodSpec
    status: _PodStatus | None = None


def cluster(document: Document, name: str) -> Topology:
    """The cluster that a document lists, as the topology ``name``. Raises ManifestError.

    Pods of the host's network, without an address, or that have ended are left out: no policy is about them.
    """
    items = _items(document)
    faults: list[Fault] = []
    namespaces: dict[str, Namespace] = {}
    placed: list[tuple[tuple[Step, ...], Pod]] = []
    for position, item in enumerate(items):
        at = ("items", position)
        kind = item.get("kind") if isinstance(item, dict) else None
        match kind:
            case "Namespace":
                if (namespace := checked(document, _Namespace, faults, at)) is not None:
                    listed = Namespace(namespace.metadata.name, namespace.metadata.labels or {})
                    namespaces[listed.name] = listed
            case "Pod":
                if (pod := checked(document, _Pod, faults, at)) is not None and (addresses := _addresses(pod)):
                    placed.append((at, _pod(pod, addresses)))
            case _:
                what = f"want a Namespace or a Pod, found {found(item) if kind is None else found(kind)}; use {_COMMAND}"
                faults.append(document.fault((*at, "kind"), what))
    if not placed and not faults:
        faults.append(document.fault(("items",), f"no pod with an address of its own; use {_COMMAND}"))
    faults += _inconsistent(document, namespaces, placed)
    refuse(faults)
    pods = tuple(pod for _, pod in placed)
    return Topology(name, tuple(dict.fromkeys(pod.node for pod in pods)), tuple(namespaces.values()), pods)


def _items(document: Document) -> Sequence[Any]:
    version, kind = document.data.get("apiVersion"), document.data.get("kind")
    if (version, kind) != ("v1", "List"):
        what = f"want a List of v1 with namespaces and pods, found {found(kind)}; use {_COMMAND}"
        raise ManifestError([document.fault(("kind",), what)])
    items = document.data.get("items")
    if not isinstance(items, list):
        raise ManifestError([document.fault(("items",), f"want a list, found {found(items)}")])
    return items


def _addresses(pod: _Pod) -> tuple[str, ...]:
    status = pod.status
    if pod.spec.host_network or status is None or status.phase in ("Succeeded", "Failed"):
        return ()
    if status.pod_ips:
        return tuple(each.ip for each in status.pod_ips)
    return () if status.pod_ip is None else (status.pod_ip,)


def _pod(pod: _Pod, addresses: tuple[str, ...]) -> Pod:
    return Pod(
        name=pod.metadata.name,
        namespace=pod.metadata.namespace,
        node=pod.spec.node_name or "n1",
        labels=pod.metadata.labels or {},
        annotations=pod.metadata.annotations or {},
        ports=tuple(_ports(pod.spec)),
        ips=addresses,
    )


def _ports(spec: _PodSpec) -> Iterator[ContainerPort]:
    """The ports that policies may name; where containers share a name, the first one has it, as in Kubernetes."""
    sidecars = [each for each in spec.init_containers or () if each.restart_policy == "Always"]
    taken: set[tuple[str, str]] = set()
    for container in (*(spec.containers or ()), *sidecars):
        for port in container.ports or ():
            name, protocol = port.name or "", port.protocol or "TCP"
            if protocol not in _CARRIED or (name, protocol) in taken:
                continue
            if name:
                taken.add((name, protocol))
            yield ContainerPort(name, port.container_port, protocol)


def _inconsistent(
    document: Document, namespaces: dict[str, Namespace], placed: Sequence[tuple[tuple[Step, ...], Pod]]
) -> Iterator[Fault]:
    """What each object allows but the list as a whole does not."""
    refs: set[str] = set()
    owners: dict[str, str] = {}
    for at, pod in placed:
        if pod.namespace not in namespaces:
            what = f"no namespace {quoted(pod.namespace)} in the list{suggestion(pod.namespace, namespaces)}; use {_COMMAND}"
            yield document.fault((*at, "metadata", "namespace"), what)
        if pod.ref in refs:
            yield document.fault((*at, "metadata", "name"), f"pod {quoted(pod.ref)} is listed twice; remove one")
        refs.add(pod.ref)
        for address in pod.ips:
            owner = owners.setdefault(address, pod.ref)
            if owner != pod.ref:
                yield document.fault((*at, "status"), f"{address} is the address of {owner} already")
        if len(pod.ips) == 2 and (":" in pod.ips[0]) == (":" in pod.ips[1]):
            yield document.fault((*at, "status", "podIPs"), "two addresses of one family; want one IPv4 and one IPv6 at most")
