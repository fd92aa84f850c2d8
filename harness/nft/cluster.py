"""Who there is to be selected, and which addresses are whose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.model.policy import LabelSelector, Requirement
from harness.model.topology import Pod, Topology
from harness.nft.addresses import EVERYBODY, Addresses, hosts

_NAME_LABEL = "kubernetes.io/metadata.name"  # set by the API server on every namespace


@dataclass(frozen=True, slots=True)
class Cluster:
    """The pods, their namespaces' labels, and the addresses of pods and nodes."""

    pods: tuple[Pod, ...]
    namespaces: Mapping[str, Mapping[str, str]]
    nodes: Addresses
    world: Addresses

    @classmethod
    def of(cls, topology: Topology, nodes: Iterable[str]) -> "Cluster":
        """The cluster of a topology whose pods have addresses; ``nodes`` are the nodes' own."""
        written = {namespace.name: namespace.labels for namespace in topology.namespaces}
        names = {*written, *(pod.namespace for pod in topology.pods)}
        own = hosts(nodes)
        labels = {name: {**written.get(name, {}), _NAME_LABEL: name} for name in names}
        return cls(topology.pods, labels, own, EVERYBODY - addresses(topology.pods) - own)


def addresses(pods: Iterable[Pod]) -> Addresses:
    """All addresses of ``pods``."""
    return hosts(ip for pod in pods for ip in pod.ips)


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether a label selector of Kubernetes takes something with these labels; ``{}`` takes everything."""
    written = selector.match_labels.items() <= labels.items()
    return written and all(_holds(requirement, labels) for requirement in selector.match_expressions)


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"{requirement.operator!r} is no operator of a label selector")
