"""What should become of a draft: both oracles must say the same of each flow, and of each flow that a packet imitates."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from harness.campaign.conformance.packets import imitated_flow
from harness.model.cilium import Policy
from harness.model.crafts import CRAFTS
from harness.model.flow import Flow, Verdict
from harness.model.packet import Claim, CraftedPacket
from harness.model.topology import Topology
from harness.oracle import direct, sets
from harness.search.drafts import Draft

PLAIN = ("tcp-syn", "udp", "icmp-echo")
"""Crafts that sockets would send as well: what must arrive beside what must not."""


class OraclesDisagree(Exception):
    """The oracles say different things of a flow: what is found then is a fault of theirs."""


@dataclass(frozen=True, slots=True)
class ExpectedPacket:
    """A packet, whether it must arrive, and whether it does where nothing denies."""

    packet: CraftedPacket
    arrives: bool
    delivered: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """What a case of a draft asks, and expects."""

    policies: tuple[Policy, ...]
    flows: dict[Flow, Verdict]
    packets: tuple[ExpectedPacket, ...]

    def __bool__(self) -> bool:
        """Whether anything is asked."""
        return bool(self.flows or self.packets)


Delivers = Callable[[CraftedPacket], bool | None]
"""Whether a packet arrives where nothing denies; None where only a part of it does."""


def expected(draft: Draft, topology: Topology, ports: Sequence[int], delivers: Delivers) -> Expected:
    """What to expect of ``draft`` over ``topology``, whose pods carry addresses. Raises OraclesDisagree.

    Packets of which nothing can be said are left out: variants of allowed flows, which a data plane may refuse or not, and
    those that must not arrive at a server where none can be found that must.
    """
    judged = _Oracles(draft.policies, topology)
    flows = {flow: Verdict.FORWARDED if judged.allows(flow) else Verdict.DENIED for flow in draft.flows}
    packets = {each.packet: each for each in _decided(draft.packets, judged, delivers)}
    for each in list(packets.values()):
        if not any(_same_server(each.packet, other.packet) for other in packets.values() if other.arrives):
            twin = next((twin for twin in _twins(each.packet, topology, ports) if judged.allows(imitated_flow(twin))), None)
            if twin is not None and delivers(twin):
                packets[twin] = ExpectedPacket(twin, True, True)
    shown = [each.packet for each in packets.values() if each.arrives]
    return Expected(
        draft.policies,
        flows,
        tuple(each for each in packets.values() if any(_same_server(each.packet, other) for other in shown)),
    )


class _Oracles:
    def __init__(self, policies: Sequence[Policy], topology: Topology) -> None:
        self._policies = policies
        self._topology = topology
        self._other = sets.Oracle(policies, topology)

    def allows(self, flow: Flow) -> bool:
        first, second = direct.answer(flow, self._policies, self._topology), self._other.answer(flow)
        if first.verdict is not second.verdict:
            raise OraclesDisagree(f"{flow}: oracle direct says {first.verdict}, oracle sets says {second.verdict}")
        return first.verdict is Verdict.FORWARDED


def _decided(packets: Sequence[CraftedPacket], judged: _Oracles, delivers: Delivers) -> Iterator[ExpectedPacket]:
    for packet in packets:
        claim, through = CRAFTS[packet.craft].claim, judged.allows(imitated_flow(packet))
        if claim is Claim.VARIANT and through:
            continue
        arrives, delivered = claim is Claim.LEGAL and through, delivers(packet)
        if delivered or (delivered is False and not arrives):
            yield ExpectedPacket(packet, arrives, delivered)


def _same_server(one: CraftedPacket, other: CraftedPacket) -> bool:
    return (one.destination, one.family) == (other.destination, other.family)


def _twins(packet: CraftedPacket, topology: Topology, ports: Sequence[int]) -> Iterator[CraftedPacket]:
    """Packets that may have to arrive at the same server, the likest first."""
    sources = [packet.source, *(pod.ref for pod in topology.pods if pod.ref not in (packet.source, packet.destination))]
    numbers = [packet.port or ports[0], *ports]
    for source, craft, port in product(sources, PLAIN, numbers):
        message = CRAFTS[craft].protocol == "ICMP"
        yield CraftedPacket(craft, source, packet.destination, 0 if message else port, packet.family)
