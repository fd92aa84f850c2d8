"""Whom Cilium's selectors select.

Source: https://docs.cilium.io/en/stable/security/policy/language/ and its chapter on Kubernetes constructs in policy.
"""

from collections.abc import Mapping, Sequence

from harness.mesh.grants import Cluster, PolicyError
from harness.mesh.identity import Identity
from harness.mesh.selectors import matches
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, Requirement

NAMESPACE = "io.kubernetes.pod.namespace"
NAMESPACE_LABEL = "io.cilium.k8s.namespace.labels."
_OWN = "io.cilium.k8s."
_POD_SOURCES = ("k8s", "any")


def selected(selector: LabelSelector, namespace: str | None, cluster: Cluster, origin: Origin) -> list[Identity]:
    """The identities in ``namespace`` (None: in any) that an ``endpointSelector`` selects. Raises PolicyError."""
    asked = _requirements(selector, origin)
    return [
        identity
        for identity in cluster.identities
        if namespace in (None, identity.namespace) and matches(LabelSelector({}, asked), _labels(identity))
    ]


def peers(selector: LabelSelector, namespace: str | None, cluster: Cluster, origin: Origin) -> list[Identity]:
    """The same of ``fromEndpoints`` and ``toEndpoints``: who asks for namespaces himself is not held to the policy's."""
    asks = any(
        requirement.key == NAMESPACE or requirement.key.startswith(NAMESPACE_LABEL)
        for requirement in _requirements(selector, origin)
    )
    return selected(selector, None if asks else namespace, cluster, origin)


def _labels(identity: Identity) -> Mapping[str, str]:
    """What Cilium lets selectors ask of a pod, without the source prefix."""
    ours = {NAMESPACE_LABEL + key: value for key, value in identity.namespace_labels.items()}
    return {**identity.labels, **ours, NAMESPACE: identity.namespace}


def _requirements(selector: LabelSelector, origin: Origin) -> tuple[Requirement, ...]:
    """Both halves of a selector as one list: without their sources, keys of ``matchLabels`` may be equal."""
    written: Sequence[Requirement] = [Requirement(key, "In", (value,)) for key, value in selector.match_labels.items()]
    return tuple(
        Requirement(_key(each.key, origin), each.operator, each.values) for each in (*written, *selector.match_expressions)
    )


def _key(written: str, origin: Origin) -> str:
    """The label that a selector's key asks for."""
    source, colon, key = written.rpartition(":")
    if colon and source == "reserved":
        raise PolicyError(origin, f"selector key {written!r}: reserved labels are not supported; select by entities")
    if colon and source not in _POD_SOURCES:
        raise PolicyError(origin, f"selector key {written!r}: pods have no labels of source {source!r}; write k8s or any")
    if key.startswith(_OWN) and not (key.startswith(NAMESPACE_LABEL) and key != NAMESPACE_LABEL):
        raise PolicyError(origin, f"selector key {written!r} is not supported; of {_OWN}* only {NAMESPACE_LABEL}KEY is")
    return key
