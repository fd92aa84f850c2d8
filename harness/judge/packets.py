"""What the crafted packets of a conformance case prove on a data plane."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.judge.conformance import Judgement, deciding
from harness.model.crafts import CRAFTS
from harness.model.fault import Symptom
from harness.model.flow import Evidence, Flow, Verdict
from harness.model.packet import Arrived, Claim, CraftedPacket, PacketExpectation, imitated
from harness.model.verdict import Answer


@dataclass(frozen=True, slots=True)
class PacketSight:
    """What was seen of an expectation at the server's interface. ``detail`` counts frames and names captures.

    ``after`` marks a packet that must arrive, sent once more when those that must not had been sent.
    """

    expectation: PacketExpectation
    arrived: Arrived
    detail: str
    evidence: Evidence | None = None
    after: bool = False


def arrives(expectation: PacketExpectation) -> bool:
    """Whether the packet is expected at the server."""
    return expectation.verdict is Verdict.FORWARDED


def packet_twins(expectations: Sequence[PacketExpectation]) -> list[PacketExpectation]:
    """For each packet that must not arrive the one that must and is most like it; each once, in their order."""
    through = [each for each in expectations if arrives(each)]
    if not through:
        return []
    chosen = {
        max(through, key=lambda twin: _likeness(twin.packet, each.packet)).packet for each in expectations if not arrives(each)
    }
    return [each for each in through if each.packet in chosen]


def _likeness(one: CraftedPacket, other: CraftedPacket) -> tuple[bool, ...]:
    """Ends first: what stops answering is a server, or the way to it."""
    return (
        one.destination == other.destination,
        one.family == other.family,
        one.source == other.source,
        CRAFTS[one.craft].protocol == CRAFTS[other.craft].protocol,
        one.port == other.port,
    )


def contradiction(expectation: PacketExpectation, answers: Sequence[Answer]) -> str | None:
    """Why what a case expects of a packet does not follow from what the oracles answer about the flow that it imitates."""
    craft = CRAFTS[expectation.packet.craft]
    through = {answer.verdict is Verdict.FORWARDED for answer in answers}
    if craft.claim is Claim.FORGED:
        return f"it is forged ({craft.what}), so nothing of it may arrive" if arrives(expectation) else None
    if craft.claim is Claim.VARIANT and arrives(expectation):
        return f"a data plane may refuse it ({craft.what}), so it cannot be expected to arrive"
    if craft.claim is Claim.VARIANT and through != {False}:
        return "the oracles allow the flow that it imitates, so that it may arrive or not"
    if through != {arrives(expectation)}:
        return f"the oracles say {' and '.join(sorted(str(answer.verdict) for answer in answers))} of the flow that it imitates"
    return None


def judge_packets(sights: Sequence[PacketSight], answers: Mapping[Flow, Answer]) -> Judgement:
    """Judge what was seen of a step's packets; ``answers`` are the oracle's, for the rules that decide."""
    faults, rule, symptoms = [], None, set()
    for sight in sights:
        expectation = sight.expectation
        wanted = Arrived.WHOLE if arrives(expectation) else Arrived.NOTHING
        if sight.arrived is wanted:
            continue
        decision = deciding(answers[imitated(expectation.packet, CRAFTS[expectation.packet.craft])])
        rule = rule or decision.rule
        symptoms.add(Symptom.DENIES if arrives(expectation) else Symptom.ADMITS)
        when = "when sent again after the dropped ones " if sight.after else ""
        faults.append(
            f"{expectation.origin}: {expectation.packet}: expected {expectation.verdict}, {_words(sight)} arrived "
            f"{when}({sight.detail}); evidence: {sight.evidence.reason if sight.evidence else 'none'}; "
            f"deciding rule: {decision.rule or 'none'} ({decision.reason})"
        )
    counts = Counter(sight.evidence.reason for sight in sights if sight.evidence)
    evidence = ", ".join(f"{reason} x {count}" for reason, count in sorted(counts.items()))
    return Judgement(tuple(faults), evidence, str(rule) if rule else None, frozenset(symptoms))


def _words(sight: PacketSight) -> str:
    return {Arrived.WHOLE: "it", Arrived.PART: "a part", Arrived.NOTHING: "nothing"}[sight.arrived]


def together(flows: Judgement, packets: Judgement) -> Judgement:
    """The judgement on a step with both."""
    evidence = ", ".join(dict.fromkeys(each for each in (flows.evidence, packets.evidence) if each))
    return Judgement(flows.faults + packets.faults, evidence, flows.rule or packets.rule, flows.symptoms | packets.symptoms)
