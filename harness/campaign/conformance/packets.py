"""The crafted packets of conformance cases: against the oracles, on the control, and on a data plane."""

from collections.abc import Iterator, Mapping, Sequence

from harness.dataplanes.port import Attachment
from harness.judge.conformance import Judgement
from harness.judge.packets import PacketSight, arrives, contradiction, judge_packets, packet_twins
from harness.lab.port import Lab
from harness.model.case import Case, Step
from harness.model.crafts import CRAFTS
from harness.model.flow import Evidence, Flow, is_pod
from harness.model.origin import Origin
from harness.model.packet import Arrived, CraftedPacket, PacketExpectation, imitated
from harness.model.topology import Topology
from harness.model.verdict import Answer
from harness.oracle import direct, sets
from harness.traffic.packet.shooting import Landing, shoot


def imitated_flow(packet: CraftedPacket) -> Flow:
    """The flow that the packet's craft makes it look like."""
    return imitated(packet, CRAFTS[packet.craft])


def consult_packets(step: Step, topology: Topology, other: sets.Oracle) -> Iterator[tuple[Flow, Answer, str | None]]:
    """For each packet of a step the flow that it imitates, the direct oracle's answer, and what contradicts the case."""
    for expectation in step.packets:
        flow = imitated_flow(expectation.packet)
        answers = direct.answer(flow, step.policies, topology), other.answer(flow)
        against = contradiction(expectation, answers)
        yield (
            flow,
            answers[0],
            against and f"{expectation.origin}: {expectation.packet}: expected {expectation.verdict}: {against}",
        )


def asked_of_packets(case: Case) -> Iterator[tuple[Flow, Origin]]:
    """The flows that a case's packets imitate: a data plane that does not claim those is not asked about the packets."""
    return ((imitated_flow(each.packet), each.origin) for each in expected_packets([case]))


def expected_packets(cases: Sequence[Case]) -> list[PacketExpectation]:
    """All of them, in order."""
    return [each for case in cases for step in case.steps for each in step.packets]


def packets_on_control(cases: Sequence[Case], lab: Lab) -> dict[CraftedPacket, str]:
    """Send each different packet once where nothing denies: those of which the case says otherwise than what was seen."""
    said: dict[CraftedPacket, bool] = {}
    for each in expected_packets(cases):
        said.setdefault(each.packet, each.delivered)
    wrong = {}
    for packet, landing in zip(said, shoot(list(said), lab), strict=True):
        if (landing.arrived is not Arrived.NOTHING) != said[packet]:
            found, wanted = ("arrives", "undelivered") if not said[packet] else ("does not arrive", "delivered")
            wrong[packet] = f"{packet}: {found} where nothing denies; the case says that it is {wanted}"
        elif said[packet] and landing.arrived is Arrived.PART:
            wrong[packet] = f"{packet}: only a part arrives where nothing denies"
    return wrong


def judge_packets_on(step: Step, lab: Lab, attachment: Attachment, answers: Mapping[Flow, Answer]) -> Judgement:
    """Send a step's packets: those that must arrive, those that must not, and then the former's likest once more.

    Captures of both ends are kept of each packet that fared otherwise than expected.
    """
    through = [each for each in step.packets if arrives(each)]
    stopped = [each for each in step.packets if not arrives(each)]
    sights = []
    for expectations, after in ((through, False), (stopped, False), (packet_twins(step.packets), True)):
        for each, landing in zip(expectations, _shot(expectations, lab), strict=True):
            dropped = landing.arrived is Arrived.NOTHING and not arrives(each)
            evidence = _evidence(attachment, imitated_flow(each.packet)) if dropped else None
            sights.append(PacketSight(each, landing.arrived, _detail(landing), evidence, after))
    return judge_packets(sights, answers)


def _evidence(attachment: Attachment, flow: Flow) -> Evidence | None:
    """What the plane recorded of a flow between pods; of addresses that are no pod's it cannot be asked."""
    return attachment.evidence(flow) if is_pod(flow.source) and is_pod(flow.destination) else None


def _shot(expectations: Sequence[PacketExpectation], lab: Lab) -> list[Landing]:
    wanted = [Arrived.WHOLE if arrives(each) else Arrived.NOTHING for each in expectations]
    return shoot([each.packet for each in expectations], lab, keep=lambda number, arrived: arrived is not wanted[number])


def _detail(landing: Landing) -> str:
    ends = ",".join(file.stem.rpartition("-")[2] for file in landing.captures)
    first = str(landing.captures[0]).rpartition("-")[0] if landing.captures else ""
    captures = f"; captures while the lab is up: {first}-{{{ends}}}.pcap" if ends else ""
    return f"{landing.came} frame{'' if landing.came == 1 else 's'} at the server{captures}"
