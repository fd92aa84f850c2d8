"""Clusters as a scenario describes them: nodes, namespaces, and pods with labels and addresses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """A port that a pod declares, so that policies may name it (``containerPort`` of Kubernetes)."""

    name: str
    port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A Kubernetes namespace and its labels as written."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod: who it is (namespace, labels), where it runs (node) and how it is reached (ips).

    ``ips`` holds at most one IPv4 and one IPv6 address; it is empty until a lab assigns them.
    """

    name: str
    namespace: str
    node: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[ContainerPort, ...] = ()
    ips: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """``namespace/name``, the way every file and message names a pod."""
        return f"{self.namespace}/{self.name}"

    def ip(self, family: int) -> str:
        """The pod's address of ``family`` (4 or 6); raises KeyError where it has none."""
        for address in self.ips:
            if (":" in address) == (family == 6):
                return address
        raise KeyError(f"pod {self.ref} has no IPv{family} address")


@dataclass(frozen=True, slots=True)
class OutsideHost:
    """A host that is not part of the cluster, reached through ``node``; ``ips``: one IPv4 and one IPv6 address."""

    name: str
    node: str
    ips: tuple[str, ...]


@dataclass(frozen=True)
class Topology:
    """One cluster: the nodes' names, the namespaces, and the pods; and the hosts ``outside`` of it that a lab has."""

    name: str
    nodes: tuple[str, ...]
    namespaces: tuple[Namespace, ...]
    pods: tuple[Pod, ...]
    outside: tuple[OutsideHost, ...] = ()

    def pod(self, ref: str) -> Pod:
        """The pod called ``namespace/name``; raises KeyError."""
        found = self._by_ref.get(ref)
        if found is None:
            raise KeyError(f"topology {self.name} has no pod {ref}")
        return found

    def has_pod(self, ref: str) -> bool:
        """Whether there is a pod called ``namespace/name``."""
        return ref in self._by_ref

    def owner(self, address: str) -> Pod | None:
        """The pod that has ``address``, in its usual form (``str`` of ipaddress); None where none has."""
        return self._by_address.get(address)

    # Kept, as a hundred thousand flows ask for their pods, and a cluster has thousands.
    @cached_property
    def _by_ref(self) -> Mapping[str, Pod]:
        return {pod.ref: pod for pod in reversed(self.pods)}

    @cached_property
    def _by_address(self) -> Mapping[str, Pod]:
        return {address: pod for pod in reversed(self.pods) for address in pod.ips}
