"""A flow as it is seen from one of its ends."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from harness.model.flow import Flow
from harness.model.topology import Namespace, Pod, Topology

_NAME_LABEL = "kubernetes.io/metadata.name"  # the API server sets it on every namespace
_ECHO_REQUEST = {4: 8, 6: 128}


@dataclass(frozen=True, slots=True)
class End:
    """One end of a flow: an address (None for a pod without one), and the pod that has it unless it is the world's."""

    address: IPv4Address | IPv6Address | None
    pod: Pod | None
    namespace_labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What asks to pass at ``subject``: from ``peer`` if ``ingress``, to ``peer`` otherwise. ``icmp`` is a message's type."""

    subject: End
    peer: End
    ingress: bool
    family: int
    protocol: str
    port: int
    icmp: int | None

    @property
    def destination(self) -> Pod | None:
        """The pod whose port is meant, for its names of ports."""
        return (self.subject if self.ingress else self.peer).pod


def ends(flow: Flow, topology: Topology) -> tuple[End, End, int]:
    """Source, destination and family. An address that a pod has is that pod. Raises KeyError for unknown pods."""
    family = flow.family
    for end in (flow.source, flow.destination):
        if "/" not in end:
            family = ip_address(end).version
    return _end(flow.source, family, topology), _end(flow.destination, family, topology), family


def icmp_type(flow: Flow, family: int) -> int | None:
    """The type of an ICMP message, by default an echo request; None for other protocols."""
    if flow.protocol != "ICMP":
        return None
    return flow.icmp.type if flow.icmp else _ECHO_REQUEST[family]


def _end(written: str, family: int, topology: Topology) -> End:
    if "/" in written:
        pod = topology.pod(written)
        own = [address for address in map(ip_address, pod.ips) if address.version == family]
        return End(own[0] if own else None, pod, _namespace_labels(pod, topology))
    address = ip_address(written)
    owner = topology.owner(str(address))
    return End(address, None, {}) if owner is None else End(address, owner, _namespace_labels(owner, topology))


def _namespace_labels(pod: Pod, topology: Topology) -> dict[str, str]:
    for namespace in topology.namespaces:
        if namespace.name == pod.namespace:
            return _with_name(namespace)
    return _with_name(Namespace(pod.namespace))


def _with_name(namespace: Namespace) -> dict[str, str]:
    return {**namespace.labels, _NAME_LABEL: namespace.name}
