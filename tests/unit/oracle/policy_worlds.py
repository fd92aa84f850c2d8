"""Strategies for topologies and flows, under policies as ``meshproof conform --search`` draws them.

hypothesis draws them, and a seeded drawing repeats them.
"""

import random
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from harness.model.cilium import Policy
from harness.model.flow import ICMP, Flow
from harness.model.topology import ContainerPort, Namespace, Pod, Topology
from harness.search.cilium import cilium_policies
from harness.search.policies import Lines, network_policies, several
from harness.search.vocabulary import Vocabulary

NAMESPACES = ("shop", "lab")
KEYS, VALUES = ("app", "tier"), ("a", "b")
PORTS = (53, 80, 81, 443, 8080)
WORLD = {4: ("192.0.2.7", "192.0.2.200", "10.9.9.9"), 6: ("2001:db8::7", "2001:db8:8000::1", "fd00::99")}
WORDS = Vocabulary(
    namespaces=NAMESPACES,
    keys=KEYS,
    values=VALUES,
    ports=PORTS,
    names=("web", "dns"),
    blocks=(  # pods live in 10.0.0.0/29 and fd00::/125
        ("0.0.0.0/0", "10.0.0.0/30"),
        ("10.0.0.0/8", "10.0.0.2/32"),
        ("10.0.0.0/30", "10.0.0.1/32"),
        ("192.0.2.0/24", "192.0.2.128/25"),
        ("::/0", "fd00::/126"),
        ("fd00::/16", "fd00::2/128"),
        ("2001:db8::/32", "2001:db8:8000::/33"),
    ),
    outside=WORLD[4] + WORLD[6],
    icmp_types={
        None: (0, 8, "EchoRequest", "EchoReply"),
        "IPv4": (8, "8", "EchoRequest", "Echo", "DestinationUnreachable"),
        "IPv6": (128, "EchoRequest", "EchoReply", "PacketTooBig"),
    },
    requests=True,
)


@dataclass(frozen=True)
class World:
    """Policies over a topology, and flows to judge."""

    topology: Topology
    policies: tuple[Policy, ...]
    flows: tuple[Flow, ...]


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
    policy = network_policies(WORDS, lines) | cilium_policies(WORDS, lines) | cilium_policies(WORDS, lines)
    policies: tuple[Policy, ...] = draw(several(policy, 1, 4))
    return World(topology, policies, flows(topology, flow_count, draw(st.integers(0, 1 << 20))))
