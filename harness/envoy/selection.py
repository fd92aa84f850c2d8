"""Which pods a NetworkPolicy's selectors mean, by the API's documentation.

Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from collections.abc import Mapping, Sequence

from harness.model.policy import LabelSelector, NetworkPolicy, Peer, Requirement
from harness.model.topology import Pod, Topology

NAME_LABEL = "kubernetes.io/metadata.name"
"""Set on every namespace by the API server."""


def _meets(requirement: Requirement, labels: Mapping[str, str]) -> bool:
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
        case other:
            raise ValueError(f"operator {other!r} of key {requirement.key!r} is none of In, NotIn, Exists, DoesNotExist")


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether ``labels`` meet every requirement of ``selector``; the empty selector takes all."""
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _meets(requirement, labels) for requirement in selector.match_expressions
    )


class Selection:
    """Selectors resolved against one topology."""

    def __init__(self, topology: Topology) -> None:
        self._pods = topology.pods
        self._namespaces = {
            namespace.name: {**namespace.labels, NAME_LABEL: namespace.name} for namespace in topology.namespaces
        }

    def applies(self, policy: NetworkPolicy, pod: Pod) -> bool:
        """Whether ``policy`` is about ``pod``."""
        return policy.namespace == pod.namespace and selects(policy.pod_selector, pod.labels)

    def peers(self, peer: Peer, namespace: str) -> Sequence[Pod]:
        """The pods that ``peer`` of a policy in ``namespace`` means; none for an ipBlock."""
        if peer.ip_block is not None:
            return ()
        return [
            pod
            for pod in self._pods
            if self._namespace_selected(peer, namespace, pod)
            and (peer.pod_selector is None or selects(peer.pod_selector, pod.labels))
        ]

    def _namespace_selected(self, peer: Peer, namespace: str, pod: Pod) -> bool:
        if peer.namespace_selector is None:
            return pod.namespace == namespace
        labels = self._namespaces.get(pod.namespace, {NAME_LABEL: pod.namespace})
        return selects(peer.namespace_selector, labels)

    @property
    def pods(self) -> Sequence[Pod]:
        """All pods of the topology."""
        return self._pods
