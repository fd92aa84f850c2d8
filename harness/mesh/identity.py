"""Numeric identities: pods that no policy can tell apart share one.

The same namespace, labels and named ports give the same number on every node, because all nodes number the whole
cluster in the same order.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.mesh.errors import MeshError
from harness.mesh.layout import FIRST_IDENTITY, IDENTITIES
from harness.model.topology import ContainerPort, Pod, Topology

NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The label that the API server gives every namespace."""


class IdentityError(MeshError):
    """The cluster has more identities than the maps can number."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What policies may ask of a pod, and the number that stands for it in the kernel."""

    number: int
    namespace: str
    namespace_labels: Mapping[str, str]
    labels: Mapping[str, str]
    ports: tuple[ContainerPort, ...]


_Key = tuple[str, tuple[tuple[str, str], ...], tuple[tuple[str, str, int], ...]]


def _key(pod: Pod) -> _Key:
    ports = sorted((port.name, port.protocol, port.port) for port in pod.ports if port.name)
    return pod.namespace, tuple(sorted(pod.labels.items())), tuple(ports)


def identities(topology: Topology) -> dict[str, Identity]:
    """The identity of each pod, by ``namespace/name``. Raises IdentityError."""
    written = {namespace.name: namespace.labels for namespace in topology.namespaces}
    keys = sorted({_key(pod) for pod in topology.pods})
    if len(keys) > IDENTITIES - FIRST_IDENTITY:
        raise IdentityError(
            f"topology {topology.name} has {len(keys)} distinct sets of labels; the mesh numbers at most "
            f"{IDENTITIES - FIRST_IDENTITY}: give pods that need no policy of their own the same labels"
        )
    numbered: dict[_Key, Identity] = {}
    for number, key in enumerate(keys, FIRST_IDENTITY):
        namespace, labels, ports = key
        numbered[key] = Identity(
            number,
            namespace,
            {NAMESPACE_NAME: namespace, **written.get(namespace, {})},
            dict(labels),
            tuple(ContainerPort(name, port, protocol) for name, protocol, port in ports),
        )
    return {pod.ref: numbered[_key(pod)] for pod in topology.pods}
