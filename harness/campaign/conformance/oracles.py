"""Both oracles over a case before any data plane meets it: where they contradict it, nothing could be learnt."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.campaign.conformance.calls import answer_for
from harness.campaign.conformance.exchanges import consult_exchanges
from harness.campaign.conformance.packets import consult_packets
from harness.campaign.conformance.routed import consult_requests
from harness.campaign.conformance.streams import expected_of_streams
from harness.campaign.topologies import topologies
from harness.judge.conformance import admitted
from harness.model.bench import Expectation
from harness.model.case import Case
from harness.model.flow import Flow, Verdict
from harness.model.topology import Topology
from harness.model.verdict import Answer
from harness.oracle import sets


@dataclass(frozen=True, slots=True)
class Consulted:
    """The direct oracle's answers for each step, and what either oracle says against the case."""

    answers: tuple[Mapping[Flow, Answer], ...]
    contradictions: tuple[str, ...]


def consult(case: Case, addressed: Topology) -> Consulted:
    """Ask both oracles for every expectation. ``addressed`` is the case's topology with the lab's addresses."""
    answers, contradictions = [], []
    former = None
    for step, topology in zip(case.steps, topologies(case, addressed), strict=True):
        other = sets.Oracle(step.policies, topology)
        known: dict[Flow, Answer] = {}
        for expectation in (*step.expectations, *expected_of_streams(step)):
            flow = expectation.flow
            first, second = answer_for(expectation, step.policies, topology, former), other.answer(flow)
            known[flow] = first
            if not _agreed(expectation, first, second):
                contradictions.append(
                    f"{expectation.origin}: {flow}: the case expects {expectation.verdict}, oracle direct says {_said(first)}, "
                    f"oracle sets says {_said(second)}"
                )
        for flow, answer, against in consult_packets(step, topology, other):
            known[flow] = answer
            contradictions += [against] if against else []
        contradictions += consult_exchanges(step, topology, other)
        contradictions += consult_requests(step, topology)
        answers.append(known)
        former = step.policies, topology
    return Consulted(tuple(answers), tuple(contradictions))


def _agreed(expectation: Expectation, first: Answer, second: Answer) -> bool:
    """Whether the case and both oracles say the same. ``second`` knows connections only, which a rejected request has."""
    if first.verdict is Verdict.REJECTED:
        return second.verdict is Verdict.FORWARDED and expectation.verdict.admits(Verdict.REJECTED)
    through = {admitted(expectation), first.verdict is Verdict.FORWARDED, second.verdict is Verdict.FORWARDED}
    return len(through) == 1


def _said(answer: Answer) -> str:
    ends = (("egress", answer.egress), ("ingress", answer.ingress))
    why = "; ".join(f"{name} {end.reason}" + (f" at {end.rule}" if end.rule else "") for name, end in ends)
    return f"{answer.verdict} ({why})"
