"""What conformance cases ask about: pairs of a field and a class of values, and by which cases alone.

A value that a policy holds is asked about where misreading it changes the verdict of a flow that the case expects something
of (harness.oracle.misreadings). What no policy holds, such as crafts of packets, changes of pods and ways around policy, is
asked about by naming it (harness.campaign.coverage.situations).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.campaign.conformance.calls import callers, in_progress
from harness.campaign.conformance.features import needs
from harness.campaign.conformance.routed import expected_requests
from harness.campaign.coverage.exchanges import asked_by_exchanges, exchange_pairs
from harness.campaign.coverage.routed import routed_misreadings, routed_pairs
from harness.campaign.coverage.situations import situations
from harness.campaign.topologies import topologies
from harness.dataplanes.port import Feature
from harness.judge.conformance import admitted
from harness.lab.addressing import plan
from harness.model.case import Case
from harness.model.coverage import CaseCoverage, Noticed, Pair
from harness.model.exchange import Fate
from harness.model.fault import Fault
from harness.model.flow import Verdict
from harness.model.topology import Topology
from harness.oracle import direct
from harness.oracle.misreadings import misreadings


@dataclass(frozen=True, slots=True)
class Asked:
    """What one case asks about. ``noticed``: the misreadings that change a verdict."""

    pairs: frozenset[Pair]
    noticed: frozenset[Noticed]

    @property
    def all(self) -> frozenset[Pair | Noticed]:
        """Both."""
        return self.pairs | self.noticed


def asked(case: Case, addressed: Topology) -> Asked:
    """What ``case`` asks about. ``addressed`` is its topology with addresses."""
    noticed: set[Noticed] = set()
    exchanged: set[Pair] = set()
    former = None
    for step, topology in zip(case.steps, topologies(case, addressed), strict=True):
        exchanged.update(exchange_pairs(step, topology))
        exchanged.update(routed_pairs(step, topology, former))
        noticed.update(routed_misreadings(step, topology))
        former = step
        flows = [(each.flow, admitted(each)) for each in step.expectations if not in_progress(each)]
        flows += [(flow, fate is Fate.FORWARDED) for flow, fate in asked_by_exchanges(step)]
        flows += [(each.asked, each.verdict is Verdict.FORWARDED) for each in step.stream_expectations]
        for reading in misreadings(step.policies, topology):
            name = Noticed(reading.field, reading.value, reading.taken)
            if name in noticed:
                continue
            if any(
                (direct.answer(flow, reading.instead, topology).verdict is Verdict.FORWARDED) is not through
                for flow, through in flows
            ):
                noticed.add(name)
    pairs = {Pair(each.field, each.value) for each in noticed} | set(situations(case, addressed)) | exchanged
    return Asked(frozenset(pairs), frozenset(noticed))


def ask_all(cases: Iterable[Case]) -> dict[str, Asked]:
    """What each case asks about, by its id."""
    addressed: dict[str, Topology] = {}
    found = {}
    for case in cases:
        name = case.topology.name
        if name not in addressed:
            addressed[name] = plan(case.topology).topology
        found[case.id] = asked(case, addressed[name])
    return found


def coverage(cases: Sequence[Case], faults: Sequence[Fault]) -> list[CaseCoverage]:
    """For each case its pairs, what it alone asks or notices, and the faults that name it as the one to find them.

    Cases about requests are compared with one another only, those that call gRPC or Kafka too, those of Services too, and so
    are the others.
    """
    found = ask_all(cases)
    kinds = {case.id: (about_requests(case), callers(case), bool(expected_requests([case]))) for case in cases}
    asking = Counter((kinds[case], each) for case, asked in found.items() for each in asked.all)

    def only(case: Case, each: Pair | Noticed) -> bool:
        return asking[kinds[case.id], each] == 1

    return [
        CaseCoverage(
            case=case.id,
            generated=case.generated,
            pairs=tuple(sorted(found[case.id].pairs)),
            own=tuple(sorted(pair for pair in found[case.id].pairs if only(case, pair))),
            alone=tuple(sorted(name for name in found[case.id].noticed if only(case, name))),
            kills=named_faults(case.id, faults),
        )
        for case in cases
    ]


def about_requests(case: Case) -> bool:
    """Whether its policies have rules about requests. Few data planes can be asked such a case: it stands for no other."""
    return not needs(case).keys().isdisjoint((Feature.POLICY_HTTP, Feature.POLICY_KAFKA))


def named_faults(case: str, faults: Sequence[Fault]) -> tuple[str, ...]:
    """The faults that name this very case; a pattern names no case in particular."""
    return tuple(fault.name for fault in faults if fault.equivalent is None and case in fault.first)


def irredundant(kept: Mapping[str, Asked], candidates: Mapping[str, Asked]) -> list[str]:
    """Those of ``candidates`` that are worth having beside ``kept``: each asks about a pair, or notices a misreading, alone.

    One at a time those are left out that do neither, those with the fewest pairs first.
    """
    left = dict(candidates)
    count = Counter(each for asked in (*kept.values(), *left.values()) for each in asked.all)
    for name in sorted(left, key=lambda name: len(left[name].pairs)):
        if all(count[each] > 1 for each in left[name].all):
            count.subtract(left.pop(name).all)
    return list(left)
