"""Strategies for topologies, sets of policies and flows; hypothesis draws them, and a seeded drawing repeats them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite

from harness.model.cilium import (
    CIDRSet,
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    EnableDefaultDeny,
    HTTPRule,
    ICMPField,
    L7Rules,
    Policy,
    PortRule,
)
from harness.model.flow import ICMP, Flow
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Requirement, Rule
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

T = TypeVar("T")
NAMESPACES = ("shop", "lab")
KEYS, VALUES = ("app", "tier"), ("a", "b")
NAME_LABEL = "kubernetes.io/metadata.name"
HOME, HOME_LABEL = "io.kubernetes.pod.namespace", "io.cilium.k8s.namespace.labels."
PORTS = (53, 80, 81, 443, 8080)
NAMES = ("web", "dns")
# Blocks, each with an exception inside it; pods live in 10.0.0.0/29 and fd00::/125.
BLOCKS = (
    ("0.0.0.0/0", "10.0.0.0/30"),
    ("10.0.0.0/8", "10.0.0.2/32"),
    ("10.0.0.0/30", "10.0.0.1/32"),
    ("192.0.2.0/24", "192.0.2.128/25"),
    ("::/0", "fd00::/126"),
    ("fd00::/16", "fd00::2/128"),
    ("2001:db8::/32", "2001:db8:8000::/33"),
)
WORLD = {4: ("192.0.2.7", "192.0.2.200", "10.9.9.9"), 6: ("2001:db8::7", "2001:db8:8000::1", "fd00::99")}
ENTITIES = ("all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "none")
ICMP_TYPES: dict[str | None, tuple[int | str, ...]] = {
    None: (0, 8, "EchoRequest", "EchoReply"),
    "IPv4": (8, "8", "EchoRequest", "Echo", "DestinationUnreachable"),
    "IPv6": (128, "EchoRequest", "EchoReply", "PacketTooBig"),
}


@dataclass(frozen=True)
class World:
    """Policies over a topology, and flows to judge."""

    topology: Topology
    policies: tuple[Policy, ...]
    flows: tuple[Flow, ...]


def several(element: SearchStrategy[T], low: int, high: int) -> SearchStrategy[tuple[T, ...]]:
    return st.lists(element, min_size=low, max_size=high).map(tuple)


def seldom(value: SearchStrategy[T]) -> SearchStrategy[T | None]:
    return st.one_of(st.none(), st.none(), value)


class Lines:
    """Hands out lines, so that every rule has a place of its own to be told by."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> Origin:
        self._last += 1
        return Origin("generated.yaml", self._last)


@composite
def topologies(draw: DrawFn) -> Topology:
    namespaces = [Namespace(name, draw(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES)))) for name in NAMESPACES]
    if draw(st.booleans()):
        del namespaces[1]  # a pod's namespace need not be described
    pods = []
    for number in range(draw(st.integers(3, 5))):
        ips = draw(st.sampled_from([(f"10.0.0.{number + 1}", f"fd00::{number + 1}")] * 3 + [(f"10.0.0.{number + 1}",), ()]))
        web = draw(st.sampled_from((80, 8080)))
        ports = draw(several(st.sampled_from((ContainerPort("web", web), ContainerPort("dns", 53, "UDP"))), 0, 2))
        labels = draw(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES)))
        pods.append(Pod(f"p{number}", draw(st.sampled_from(NAMESPACES)), "n1", labels, ports=ports, ips=ips))
    return Topology("generated", ("n1",), tuple(namespaces), tuple(pods))


@composite
def selectors(draw: DrawFn, keys: Sequence[str] = KEYS, values: Sequence[str] = VALUES) -> LabelSelector:
    labels = draw(st.dictionaries(st.sampled_from(keys), st.sampled_from(values), max_size=1))
    if not draw(st.integers(0, 3).map(bool)):
        return LabelSelector(labels, draw(several(requirements(keys, values), 1, 2)))
    return LabelSelector(labels)


def requirements(keys: Sequence[str], values: Sequence[str]) -> SearchStrategy[Requirement]:
    listed = st.builds(
        Requirement, st.sampled_from(keys), st.sampled_from(("In", "NotIn")), several(st.sampled_from(values), 1, 2)
    )
    return listed | st.builds(Requirement, st.sampled_from(keys), st.sampled_from(("Exists", "DoesNotExist")))


@composite
def endpoint_selectors(draw: DrawFn) -> LabelSelector:
    """Keys with and without a source; sometimes of the pod's namespace or of its labels."""
    if draw(st.integers(0, 2)):
        return draw(selectors((*KEYS, "k8s:app", "any:tier")))
    source = draw(st.sampled_from(("", "k8s:")))
    if draw(st.booleans()):
        return draw(selectors((source + HOME,), (*NAMESPACES, "shop")))
    key = draw(st.sampled_from((*KEYS, NAME_LABEL)))
    return draw(selectors((source + HOME_LABEL + key, "app"), NAMESPACES if key == NAME_LABEL else VALUES))


@composite
def policy_ports(draw: DrawFn, lines: Lines) -> PolicyPort:
    port = draw(st.none() | st.sampled_from(PORTS) | st.sampled_from(PORTS) | st.sampled_from(NAMES))
    end = draw(st.none() | st.integers(0, 400)) if isinstance(port, int) else None
    protocol = draw(st.sampled_from((None, "TCP", "UDP")))
    return PolicyPort(lines.next(), protocol, port, None if end is None else port + end)


@composite
def peers(draw: DrawFn, lines: Lines) -> Peer:
    kind = draw(st.integers(0, 3))
    if kind == 0:
        cidr, hole = draw(st.sampled_from(BLOCKS))
        return Peer(lines.next(), ip_block=IPBlock(cidr, (hole,) if draw(st.booleans()) else ()))
    pods = draw(selectors()) if kind != 1 else None
    return Peer(lines.next(), pods, draw(selectors((*KEYS, NAME_LABEL), (*VALUES, *NAMESPACES))) if kind != 2 else None)


@composite
def rules(draw: DrawFn, lines: Lines) -> Rule:
    some = draw(seldom(several(peers(lines), 0, 2)) | several(peers(lines), 1, 2))
    return Rule(lines.next(), some, draw(seldom(several(policy_ports(lines), 0, 2))))


@composite
def network_policies(draw: DrawFn, lines: Lines) -> NetworkPolicy:
    types = draw(st.sampled_from((None, None, (), ("Ingress",), ("Egress",), ("Ingress", "Egress"))))
    some_rules = st.none() | several(rules(lines), 0, 2)
    return NetworkPolicy(
        lines.next(), "p", draw(st.sampled_from(NAMESPACES)), draw(selectors()), types, draw(some_rules), draw(some_rules)
    )


@composite
def port_rules(draw: DrawFn, lines: Lines) -> PortRule:
    ports = draw(seldom(st.just(())) | several(cilium_ports(lines), 1, 2) | several(cilium_ports(lines), 1, 2))
    http = L7Rules(lines.next(), http=(HTTPRule(lines.next(), method="GET"),))
    return PortRule(lines.next(), ports, http if ports and draw(st.integers(0, 9)) == 0 else None)


@composite
def cilium_ports(draw: DrawFn, lines: Lines) -> CiliumPort:
    port = draw(st.sampled_from((*map(str, PORTS), "0", *NAMES)))
    end = int(port) + draw(st.integers(0, 400)) if port.isdigit() and port != "0" and draw(st.booleans()) else None
    return CiliumPort(lines.next(), port, end, draw(st.sampled_from((None, "ANY", "TCP", "UDP"))))


@composite
def icmp_fields(draw: DrawFn, lines: Lines) -> ICMPField:
    family = draw(st.sampled_from((None, "IPv4", "IPv6")))
    return ICMPField(lines.next(), draw(st.sampled_from(ICMP_TYPES[family])), family)


@composite
def cidr_sets(draw: DrawFn, lines: Lines) -> CIDRSet:
    cidr, hole = draw(st.sampled_from(BLOCKS))
    return CIDRSet(lines.next(), cidr, (hole,) if draw(st.booleans()) else ())


@composite
def cilium_rules(draw: DrawFn, lines: Lines) -> CiliumRule:
    peer: dict[str, Any] = {}
    match draw(st.integers(0, 7)):
        case 0 | 1 | 2:
            peer["endpoints"] = draw(several(endpoint_selectors(), 0, 2) | several(endpoint_selectors(), 1, 2))
        case 3:
            addresses = st.sampled_from(tuple(cidr for cidr, _ in BLOCKS) + WORLD[4] + WORLD[6])
            peer["cidrs"] = draw(several(addresses, 0, 3))
        case 4:
            peer["cidr_sets"] = draw(several(cidr_sets(lines), 0, 2))
        case 5 | 6:
            peer["entities"] = draw(several(st.sampled_from(ENTITIES), 0, 2))
    match draw(st.integers(0, 5)):
        case 0 | 1 | 2:
            peer["ports"] = draw(several(port_rules(lines), 0, 1) | several(port_rules(lines), 1, 2))
        case 3:
            peer["icmps"] = draw(several(several(icmp_fields(lines), 0, 2), 0, 2))
    return CiliumRule(lines.next(), **peer)


@composite
def cilium_specs(draw: DrawFn, lines: Lines) -> CiliumSpec:
    some, few = st.none() | several(cilium_rules(lines), 0, 2), st.none() | several(cilium_rules(lines), 0, 1)
    switch = st.sampled_from((None, True, False))
    return CiliumSpec(
        lines.next(), draw(endpoint_selectors() | selectors()), draw(some), draw(some), draw(few), draw(few),
        draw(seldom(st.builds(EnableDefaultDeny, switch, switch))),
    )  # fmt: skip


@composite
def cilium_policies(draw: DrawFn, lines: Lines) -> CiliumPolicy:
    namespace = draw(st.sampled_from((*NAMESPACES, None)))
    return CiliumPolicy(lines.next(), "p", namespace, draw(several(cilium_specs(lines), 1, 2)))


def flows(topology: Topology, count: int, seed: int) -> tuple[Flow, ...]:
    """Pseudo-random flows. Drawn outside of hypothesis, which takes a hundred times as long; a failure names its flow."""
    chance = random.Random(seed)
    return tuple(_flow(topology, chance) for _ in range(count))


def _flow(topology: Topology, chance: random.Random) -> Flow:
    family = chance.choice((4, 6))
    first, second = chance.sample([pod.ref for pod in topology.pods], 2)
    if chance.random() < 0.25:
        second = chance.choice(WORLD[family] + topology.pods[0].ips)
        if chance.random() < 0.5:
            first, second = second, first
    if chance.random() < 0.25:
        kind = chance.choice((8, 8, 0, 3) if family == 4 else (128, 128, 129, 2))
        return Flow(first, second, 0, "ICMP", family, chance.choice((None, ICMP(kind))))
    return Flow(first, second, chance.choice((*PORTS, 200)), chance.choice(("TCP", "UDP")), family)


@composite
def worlds(draw: DrawFn, flow_count: int) -> World:
    topology, lines = draw(topologies()), Lines()
    policy = network_policies(lines) | cilium_policies(lines) | cilium_policies(lines)
    policies: tuple[Policy, ...] = draw(several(policy, 1, 4))
    return World(topology, policies, flows(topology, flow_count, draw(st.integers(0, 1 << 20))))
