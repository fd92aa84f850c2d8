"""All who may be at the other end, on one line: two points for each pod (by IPv4, by IPv6), then the world's addresses."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from socket import AF_INET, AF_INET6, inet_pton

from harness.model.cilium import CiliumRule
from harness.model.policy import LabelSelector, Peer
from harness.model.topology import Topology
from harness.oracle.sets.spans import Spans, contains, minus, union

_V4, _V6 = 1 << 32, 1 << 128  # where the addresses of each family begin; each takes as much room again
EVERYBODY: Spans = ((0, 2 * _V6),)
_HOME = "io.kubernetes.pod.namespace"
_HOME_LABEL = "io.cilium.k8s.namespace.labels."
_SOURCE = re.compile(r"^(k8s|any):")

Pods = frozenset[int]


class LabelIndex:
    """Which pods have a label: selection as unions, intersections and complements of sets."""

    def __init__(self, labels: Iterable[Mapping[str, str]]) -> None:
        self._having: dict[str, set[int]] = defaultdict(set)
        self._being: dict[tuple[str, str], set[int]] = defaultdict(set)
        count = 0
        for number, each in enumerate(labels):
            count = number + 1
            for key, value in each.items():
                self._having[key].add(number)
                self._being[key, value].add(number)
        self._all = frozenset(range(count))

    def select(self, selector: LabelSelector) -> Pods:
        """The pods that a selector matches; its keys may begin with a source of Cilium's."""
        chosen = self._all
        for key, value in selector.match_labels.items():
            chosen &= self._being.get((_SOURCE.sub("", key), value), set())
        for each in selector.match_expressions:
            key = _SOURCE.sub("", each.key)
            having = self._having.get(key, set())
            among = set().union(*(self._being.get((key, value), set()) for value in each.values))
            kept = {"In": among, "NotIn": self._all - among, "Exists": having, "DoesNotExist": self._all - having}
            chosen &= kept[each.operator]
        return chosen


class Population:
    """The pods of a topology as points, and the sets that rules mean by their peers."""

    def __init__(self, topology: Topology) -> None:
        self.pods = topology.pods
        homes = {each.name: dict(each.labels) for each in topology.namespaces}
        for pod in self.pods:
            homes.setdefault(pod.namespace, {})
        for name, labels in homes.items():
            labels["kubernetes.io/metadata.name"] = name
        self._own = LabelIndex(pod.labels for pod in self.pods)
        self._homes = LabelIndex(homes[pod.namespace] for pod in self.pods)
        self._known = LabelIndex(
            {**pod.labels, **{_HOME_LABEL + key: value for key, value in homes[pod.namespace].items()}, _HOME: pod.namespace}
            for pod in self.pods
        )
        self._number = {pod.ref: number for number, pod in enumerate(self.pods)}
        self._owner = {address_point(ip): number for number, pod in enumerate(self.pods) for ip in pod.ips}

    def number(self, end: str) -> int | None:
        """The number of the pod at an end of a flow; None for an address of the world. Raises KeyError for unknown pods."""
        return self._number[end] if "/" in end else self._owner.get(address_point(end))

    def in_namespace(self, namespace: str | None) -> Pods:
        """The pods of a namespace; of all of them for None."""
        return frozenset(n for n, pod in enumerate(self.pods) if namespace in (None, pod.namespace))

    def kubernetes_subjects(self, selector: LabelSelector, namespace: str) -> Pods:
        """Whom a NetworkPolicy selects."""
        return self._own.select(selector) & self.in_namespace(namespace)

    def cilium_subjects(self, selector: LabelSelector, namespace: str | None) -> Pods:
        """Whom a spec of Cilium's selects."""
        return self._known.select(selector) & self.in_namespace(namespace)

    def kubernetes_peers(self, peers: tuple[Peer, ...] | None, namespace: str) -> Spans:
        """Whom ``from`` or ``to`` of a NetworkPolicy's rule means."""
        if not peers:
            return EVERYBODY
        spans: list[tuple[int, int]] = []
        for peer in peers:
            if peer.ip_block is not None:
                block = _block(peer.ip_block.cidr, peer.ip_block.except_)
                spans += block
                spans += [
                    (2 * number + (point >= _V6), 2 * number + (point >= _V6) + 1)
                    for point, number in self._owner.items()
                    if contains(block, point)
                ]
            else:
                there = (
                    self.in_namespace(namespace)
                    if peer.namespace_selector is None
                    else self._homes.select(peer.namespace_selector)
                )
                spans += pods_spans(there if peer.pod_selector is None else there & self._own.select(peer.pod_selector))
        return union(spans)

    def cilium_peers(self, rule: CiliumRule, namespace: str | None) -> Spans:
        """Whom a rule of Cilium's means; nobody, if it says nothing at all."""
        written = [each for each in (rule.endpoints, rule.cidrs, rule.cidr_sets, rule.entities) if each is not None]
        if not written:
            return EVERYBODY if rule.ports or rule.icmps else ()
        spans: list[tuple[int, int]] = []
        for selector in rule.endpoints or ():
            scope = None if _speaks_of_namespaces(selector) else namespace
            spans += pods_spans(self._known.select(selector) & self.in_namespace(scope))
        for cidr in rule.cidrs or ():
            spans += _block(cidr, ())
        for cidr_set in rule.cidr_sets or ():
            spans += _block(cidr_set.cidr, cidr_set.except_)
        for entity in rule.entities or ():
            spans += self._entities().get(entity, ())
        return union(spans)

    def _entities(self) -> dict[str, Spans]:
        """Nodes have no point on this line, so ``host`` and ``remote-node`` are as empty as ``none``."""
        v4, v6 = (_V4, 2 * _V4), (_V6, 2 * _V6)
        cluster = (0, 2 * len(self.pods))
        return {"all": EVERYBODY, "cluster": (cluster,), "world": (v4, v6), "world-ipv4": (v4,), "world-ipv6": (v6,)}


def pods_spans(pods: Iterable[int]) -> Spans:
    """Both points of each pod."""
    return union((2 * number, 2 * number + 2) for number in pods)


def address_point(address: str) -> int:
    """Where an address of the world lies."""
    family, begin = (AF_INET6, _V6) if ":" in address else (AF_INET, _V4)
    return begin + int.from_bytes(inet_pton(family, address), "big")


def _block(cidr: str, holes: Iterable[str]) -> Spans:
    return minus((_addresses(cidr),), union(map(_addresses, holes)))


def _addresses(cidr: str) -> tuple[int, int]:
    """The points of a CIDR; an address alone is one point."""
    address, _, length = cidr.partition("/")
    bits = 128 if ":" in address else 32
    size = 1 << (bits - int(length or bits))
    low = address_point(address) // size * size
    return low, low + size


def _speaks_of_namespaces(selector: LabelSelector) -> bool:
    keys = [*selector.match_labels, *(each.key for each in selector.match_expressions)]
    return any(re.match(rf"^(?:(?:k8s|any):)?(?:{re.escape(_HOME)}$|{re.escape(_HOME_LABEL)})", key) for key in keys)
