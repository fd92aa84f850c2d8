"""Which flows a generated case asks about: those that tell its policies from its siblings'.

Siblings are the cases of one subject. A flow that two of them judge differently is a flow that fails on a data plane which
takes the one's value for the other's; greedily, the flows that tell apart the most siblings are taken first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import permutations
from typing import Final

from harness.model.cilium import Policy
from harness.model.flow import ICMP, Flow, Verdict
from harness.model.topology import Topology
from harness.oracle.casebook_requests import requests
from harness.oracle.direct import answer

SEED: Final = "meshproof casebook 1"
"""Decides between flows that tell as much as one another. Another seed makes other cases: then write them all again."""

FEWEST, MOST = 4, 8
"""Flows of a case."""
_TELLING = 5  # leaves room for the twins of as many denied flows

_ECHO = {4: ICMP(8), 6: ICMP(128)}
_SERVED: Final = {  # by what a subject is about: protocol, port and family
    "tcp": (("TCP", 8080, 4), ("TCP", 8080, 6)),
    "ports": (*(("TCP", port, 4) for port in (8080, 8081, 9090)), ("UDP", 5353, 4), ("TCP", 8080, 6), ("ICMP", 0, 4)),
    "messages": (("ICMP", 0, 4), ("ICMP", 0, 6), ("TCP", 8080, 4), ("UDP", 5353, 6)),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """The answers to all flows that a subject may ask about. ``decided``: those that a rule decides, not its absence.

    ``rejected``: those of ``denied`` whose connection is let through, and whose request is not.
    """

    denied: frozenset[Flow]
    decided: frozenset[Flow]
    rejected: frozenset[Flow] = frozenset()


def flows(asks: str, topology: Topology) -> tuple[Flow, ...]:
    """All that may be asked: every ordered pair of pods, by each port and family that the subject ``asks`` about."""
    if asks == "requests":
        return requests()
    return tuple(
        Flow(source.ref, destination.ref, port, protocol, family, _ECHO[family] if protocol == "ICMP" else None)
        for source, destination in permutations(topology.pods, 2)
        for protocol, port, family in _SERVED[asks]
    )


def judged(candidates: Sequence[Flow], policies: Sequence[Policy], topology: Topology) -> Judged:
    """What the oracle says of each candidate."""
    answers = {flow: answer(flow, policies, topology) for flow in candidates}
    return Judged(
        denied=frozenset(flow for flow, each in answers.items() if each.verdict is not Verdict.FORWARDED),
        decided=frozenset(flow for flow, each in answers.items() if each.egress.rule or each.ingress.rule),
        rejected=frozenset(flow for flow, each in answers.items() if each.verdict is Verdict.REJECTED),
    )


def chosen(name: str, candidates: Sequence[Flow], siblings: Mapping[str, Judged]) -> dict[Flow, Verdict]:
    """The flows of the case ``name``, with the verdicts to expect.

    Some are forwarded, some denied where anything is, one rejected where any is. Each denied one has a twin: a forwarded flow
    from the same source or to the same destination, which shows that neither of the two is what fails.
    """
    mine = siblings[name]
    order = sorted(candidates, key=lambda flow: (flow not in mine.decided, _draw(name, flow)))
    picked = _telling(order, mine, siblings)
    refused = [flow for flow in order if flow in mine.rejected]
    if refused and mine.rejected.isdisjoint(picked):  # one that most siblings let through
        picked.append(max(refused, key=lambda flow: sum(flow not in other.denied for other in siblings.values())))
    while lonely := [flow for flow in picked if flow in mine.denied and not any(_twins(flow, each, mine) for each in picked)]:
        twins = [flow for flow in order if flow not in picked and any(_twins(each, flow, mine) for each in lonely)]
        if not twins or len(picked) >= MOST:
            picked.remove(lonely[-1])
        else:
            picked.append(max(twins, key=lambda flow: sum(_twins(each, flow, mine) for each in lonely)))
    for extra in _fill(order, picked, mine):
        picked.append(extra)
    places = {flow: place for place, flow in enumerate(candidates)}
    return {flow: _verdict(flow, mine) for flow in sorted(picked, key=places.__getitem__)}


def _verdict(flow: Flow, mine: Judged) -> Verdict:
    if flow in mine.rejected:
        return Verdict.REJECTED
    return Verdict.DENIED if flow in mine.denied else Verdict.FORWARDED


def _telling(order: Sequence[Flow], mine: Judged, siblings: Mapping[str, Judged]) -> list[Flow]:
    picked: list[Flow] = []
    unlike = [mine.denied ^ other.denied for other in siblings.values() if other.denied != mine.denied]
    while unlike and len(picked) < _TELLING:
        best = max(order, key=lambda flow: sum(flow in difference for difference in unlike))
        picked.append(best)
        unlike = [difference for difference in unlike if best not in difference]
    return picked


def _fill(order: Sequence[Flow], picked: Sequence[Flow], mine: Judged) -> Iterator[Flow]:
    """Flows that bring a case to the fewest that it may ask, with a denied one among them if there is one."""
    missing = FEWEST - len(picked)
    if not any(flow in mine.denied for flow in picked):
        pairs = ((denied, twin) for denied in order if denied in mine.denied for twin in order if _twins(denied, twin, mine))
        for denied, twin in pairs:
            for flow in (denied, twin):
                if flow not in picked:
                    missing -= 1
                    yield flow
            break
    for flow in order:
        if missing > 0 and flow not in picked and flow not in mine.denied:
            missing -= 1
            yield flow


def _twins(denied: Flow, other: Flow, mine: Judged) -> bool:
    return other not in mine.denied and (other.source == denied.source or other.destination == denied.destination)


def _draw(name: str, flow: Flow) -> bytes:
    return sha256(f"{SEED}/{name}/{flow}".encode()).digest()
