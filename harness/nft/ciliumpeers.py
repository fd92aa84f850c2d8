"""Whom a rule of Cilium's speaks of."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.model.cilium import CiliumRule
from harness.model.origin import Origin
from harness.model.policy import LabelSelector
from harness.model.topology import Pod
from harness.nft.addresses import EVERYBODY, NOBODY, Addresses, block
from harness.nft.cluster import Cluster, addresses, selects
from harness.nft.errors import PolicyError

_NAMESPACE = "io.kubernetes.pod.namespace"
_NAMESPACE_LABEL = "io.cilium.k8s.namespace.labels."
_CILIUMS_OWN = "io.cilium.k8s."

_ENTITIES: Mapping[str, Callable[[Cluster], Addresses]] = {
    "all": lambda _: EVERYBODY,
    "world": lambda cluster: cluster.world,
    "world-ipv4": lambda cluster: cluster.world.only(4),
    "world-ipv6": lambda cluster: cluster.world.only(6),
    "cluster": lambda cluster: EVERYBODY - cluster.world,
    "host": lambda cluster: cluster.nodes,
    "remote-node": lambda cluster: cluster.nodes,
    "none": lambda _: NOBODY,
}


def peers(rule: CiliumRule, namespace: str | None, cluster: Cluster) -> Addresses | None:
    """The addresses of a rule's peers; None where it names no kind of peer. Raises PolicyError for two kinds."""
    kinds = [
        name
        for name, value in (
            ("endpoints", rule.endpoints), ("CIDR", rule.cidrs), ("CIDRSet", rule.cidr_sets), ("entities", rule.entities),
        )
        if value is not None
    ]  # fmt: skip
    if len(kinds) > 1:
        raise PolicyError(rule.origin, f"combining {kinds[0]} and {kinds[1]} is not supported by Cilium; write two rules")
    if not kinds:
        return None
    found = NOBODY
    for selector in rule.endpoints or ():
        limit = namespace if not _names_namespace(selector) else None
        found |= addresses(selected(selector, limit, cluster, rule.origin))
    for cidr in rule.cidrs or ():
        found |= _block(rule.origin, cidr) & cluster.world
    for entry in rule.cidr_sets or ():
        part = _block(entry.origin, entry.cidr)
        for hole in entry.except_:
            part -= _block(entry.origin, hole)
        found |= part & cluster.world
    for entity in rule.entities or ():
        if entity not in _ENTITIES:
            raise PolicyError(rule.origin, f"entity {entity!r} is not supported; there are {', '.join(_ENTITIES)}")
        found |= _ENTITIES[entity](cluster)
    return found


def selected(selector: LabelSelector, namespace: str | None, cluster: Cluster, origin: Origin) -> list[Pod]:
    """The pods that a selector takes, of ``namespace`` or of all. Raises PolicyError for labels that pods do not have here."""
    plain = LabelSelector(
        {_key(key, origin): value for key, value in selector.match_labels.items()},
        tuple(replace(each, key=_key(each.key, origin)) for each in selector.match_expressions),
    )
    return [pod for pod in cluster.pods if namespace in (None, pod.namespace) and selects(plain, _labels(pod, cluster))]


def _labels(pod: Pod, cluster: Cluster) -> dict[str, str]:
    """All that Cilium selects a pod by."""
    inherited = {_NAMESPACE_LABEL + key: value for key, value in cluster.namespaces[pod.namespace].items()}
    return {**pod.labels, **inherited, _NAMESPACE: pod.namespace}


def _key(written: str, origin: Origin) -> str:
    """A key without its source."""
    source, colon, key = written.partition(":")
    if not colon:
        key = written
    elif source == "reserved":
        raise PolicyError(origin, f"label {written!r} is not supported in a selector; use entities")
    elif source not in ("k8s", "any"):
        raise PolicyError(origin, f"label {written!r}: labels of source {source!r} are not supported; use k8s: or any:")
    if key.startswith(_CILIUMS_OWN) and not key.startswith(_NAMESPACE_LABEL):
        raise PolicyError(origin, f"label {written!r} is not supported; select by the pod's or its namespace's labels")
    return key


def _names_namespace(selector: LabelSelector) -> bool:
    keys = (*selector.match_labels, *(each.key for each in selector.match_expressions))
    bare = [key.removeprefix("k8s:").removeprefix("any:") for key in keys]
    return any(key == _NAMESPACE or key.startswith(_NAMESPACE_LABEL) for key in bare)


def _block(origin: Origin, cidr: str) -> Addresses:
    try:
        return block(cidr)
    except ValueError as error:
        raise PolicyError(origin, f"{error}; write a CIDR such as 192.0.2.0/24") from None
