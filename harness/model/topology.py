"""Clusters as a scenario describes them: nodes, namespaces, and pods with labels and addresses."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
class Topology:
    """One cluster: the nodes' names, the namespaces, and the pods."""

    name: str
    nodes: tuple[str, ...]
    namespaces: tuple[Namespace, ...]
    pods: tuple[Pod, ...]

    def pod(self, ref: str) -> Pod:
        """The pod called ``namespace/name``; raises KeyError."""
        for pod in self.pods:
            if pod.ref == ref:
                return pod
        raise KeyError(f"topology {self.name} has no pod {ref}")
