"""What requests to Services prove: who read them, as what, what their clients got, and how often."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.judge.conformance import Judgement
from harness.judge.routed_claims import outcome_of
from harness.judge.shares import improbable
from harness.model.call import PERMISSION_DENIED, STATUSES
from harness.model.fault import Symptom
from harness.model.flow import Evidence
from harness.model.routed import (
    Outcome,
    ReadRequest,
    RoutedAnswer,
    RoutedExpectation,
    Share,
)

Fault = tuple[Symptom, str]
REFUSALS = (403, STATUSES[PERMISSION_DENIED])
_GOOD = range(200, 300)
_SHOWN = 3  # faults of one request that is asked many times
_TICK = 0.002  # seconds by which a clock that counts milliseconds may be early


@dataclass(frozen=True, slots=True)
class Try:
    """One of the times that a request is asked: what its client got, and what servers read of it, in the order of pods."""

    answer: RoutedAnswer
    read: tuple[ReadRequest, ...]


@dataclass(frozen=True, slots=True)
class RoutedSight:
    """What was seen of a request. ``outcomes`` are the oracles'; ``evidence``: the data plane's record of a refusal."""

    expectation: RoutedExpectation
    outcomes: Sequence[Outcome]
    tries: Sequence[Try]
    evidence: Evidence | None = None


def judge_requests(sights: Sequence[RoutedSight]) -> Judgement:
    """Judge what was seen of a step's requests to Services."""
    faults, symptoms, rule = [], set(), None
    for sight in sights:
        rules = [str(each.rule) for each in sight.outcomes if each.rule is not None]
        why = "; ".join(dict.fromkeys(f"{each.rule or 'none'} ({each.reason})" for each in sight.outcomes))
        evidence = sight.evidence.reason if sight.evidence is not None else "none"
        for symptom, said in _faults(sight):
            where = f"{sight.expectation.origin}: {sight.expectation.asked}"
            faults.append(f"{where}: {said}; evidence: {evidence}; deciding rule: {why}")
            symptoms.add(symptom)
            rule = rule or next(iter(rules), None)
    if not faults:
        rule = next((str(each.rule) for sight in sights for each in sight.outcomes if each.rule is not None), None)
    reasons = sorted({sight.evidence.reason for sight in sights if sight.evidence is not None})
    return Judgement(tuple(faults), ", ".join(reasons), rule, frozenset(symptoms))


def _faults(sight: RoutedSight) -> Iterator[Fault]:
    expected = sight.expectation
    chosen: Counter[Share] = Counter()
    shown = 0
    for each in sight.tries:
        wrong: list[Fault] = []
        share = _share_of(expected, each)
        if share is None:
            wrong.append((_symptom(expected, each), f"expected {_wanted(expected)}, observed {_observed(expected, each)}"))
        else:
            chosen[share] += 1
            wrong += ((Symptom.BREAKS, said) for said in _differences(sight, share, each))
        wrong += _of_copies(sight, share, each)
        if wrong and shown < _SHOWN:
            yield from wrong
        shown += bool(wrong)
    if shown > _SHOWN:
        yield (
            Symptom.BREAKS,
            f"{shown} of {len(sight.tries)} requests fared otherwise than expected; the first {_SHOWN} are listed",
        )
    if not shown:
        yield from _of_shares(sight, chosen)
        yield from _of_counts(expected, chosen)
        yield from _of_connections(sight)
    refused = [share for share in chosen if share.status in REFUSALS and not share.pods]
    if refused and sight.evidence is None and any(each.denied for each in sight.outcomes):
        yield Symptom.BREAKS, f"expected {refused[0]}, observed so, of which the data plane has no record"


def _main(expected: RoutedExpectation, each: Try) -> list[ReadRequest]:
    """What was read of a request, and not of copies of it."""
    elsewhere = {pod for copies in expected.copies for pod in copies.pods}
    return [read for read in each.read if read.pod not in elsewhere]


def _share_of(expected: RoutedExpectation, each: Try) -> Share | None:
    read = [request.pod for request in _main(expected, each)]
    for share in expected.shares:
        who = set(read) <= set(share.pods) and len(read) == share.tries if share.pods else not read
        if who and share.status == each.answer.status and _named(share, read, each.answer) and _in_time(share, each.answer):
            return share
    return None


def _in_time(share: Share, answer: RoutedAnswer) -> bool:
    took = answer.ended - answer.began
    late = share.at_least is None or took >= share.at_least - _TICK
    return late and (share.before is None or took < share.before)


def _named(share: Share, read: Sequence[str], answer: RoutedAnswer) -> bool:
    """Whether who is said to have answered is who read it. An error may be the mesh's own, and HEAD has no answer's body."""
    good = answer.status == STATUSES[0] or (isinstance(answer.status, int) and answer.status in _GOOD)
    return not (share.pods and good) or answer.by in (None, "", read[-1])


def _wanted(expected: RoutedExpectation) -> str:
    return " or ".join(map(str, expected.shares))


def _observed(expected: RoutedExpectation, each: Try) -> str:
    answer = each.answer
    said = f"status {answer.status}" if answer.status is not None else f"no answer (the connection: {answer.end})"
    by = f" from {answer.by}" if answer.by else ""
    counts = Counter(read.pod for read in _main(expected, each))
    read = ", ".join(f"{pod}{f' {count} times' if count > 1 else ''}" for pod, count in sorted(counts.items()))
    timed = any(share.at_least is not None or share.before is not None for share in expected.shares)
    took = f", after {answer.ended - answer.began:.3f} s" if timed else ""
    return f"{said}{by}, read by {read or 'nobody'}{took}"


def _symptom(expected: RoutedExpectation, each: Try) -> Symptom:
    refused = each.answer.status in REFUSALS
    if any(share.status in REFUSALS for share in expected.shares) and not refused and _main(expected, each):
        return Symptom.ADMITS
    return Symptom.DENIES if refused else Symptom.BREAKS


def _differences(sight: RoutedSight, share: Share, each: Try) -> Iterator[str]:
    """How what arrived, and what came back, is not as the oracle has it, which the case has been compared with."""
    outcome = outcome_of(share, sight.outcomes)
    if outcome is None:
        return
    for read in _main(sight.expectation, each):
        yield from (f"{said} by {read.pod}" for said in _arrived(outcome, read))
    returned = dict(each.answer.headers)
    for name, value in outcome.returns:
        if returned.get(name) != value:
            yield f"expected {_header(name, value)} to return, observed {_header(name, returned.get(name))}"


def _arrived(outcome: Outcome, read: ReadRequest) -> Iterator[str]:
    if read.path != outcome.path:
        yield f"expected the path {outcome.path} to arrive, observed {read.path}"
    if read.host not in (None, outcome.host):
        yield f"expected the host {outcome.host} to arrive, observed {read.host}"
    there: Mapping[str, str] = dict(read.headers)
    for name, value in outcome.headers:
        if there.get(name) != value:
            yield f"expected {_header(name, value)} to arrive, observed {_header(name, there.get(name))}"


def _header(name: str, value: str | None) -> str:
    return f"no {name}" if value is None else f"{name}: {value}"


def _of_copies(sight: RoutedSight, share: Share | None, each: Try) -> Iterator[Fault]:
    outcome = None if share is None else outcome_of(share, sight.outcomes)
    refused = share is not None and not share.pods  # what nobody gets is not copied
    for copies in sight.expectation.copies:
        read = [request for request in each.read if request.pod in copies.pods]
        if len(read) > (not refused) or (copies.always and not refused and not read):
            wanted = "no copy" if refused else "one copy" if copies.always else "at most one copy"
            yield Symptom.BREAKS, f"expected {wanted} for {' or '.join(copies.pods)}, observed {len(read)}"
        if outcome is None or refused:
            continue
        for copy in read:
            yield from ((Symptom.BREAKS, f"{said} by {copy.pod}, as a copy") for said in _arrived(outcome, copy))


def _of_shares(sight: RoutedSight, chosen: Counter[Share]) -> Iterator[Fault]:
    """Whether each of the shares, and of the copies, came about as often as it should."""
    expected, times = sight.expectation, len(sight.tries)
    if expected.weighted:
        total = sum(each.weight or 0 for each in expected.shares)
        for share in expected.shares:
            yield from _often(str(share), chosen[share], times, (share.weight or 0) / total)
    for copies in expected.copies:
        if not copies.always:
            count = sum(any(read.pod in copies.pods for read in each.read) for each in sight.tries)
            copied = sum(count for share, count in chosen.items() if share.pods)
            yield from _often(f"a copy for {' or '.join(copies.pods)}", count, copied, copies.numerator / copies.denominator)


def _of_counts(expected: RoutedExpectation, chosen: Counter[Share]) -> Iterator[Fault]:
    """Whether each of the shares came about as many times as it should."""
    for share in expected.shares:
        least, most = share.count or (0, expected.asked.times)
        if not least <= chosen[share] <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            yield Symptom.BREAKS, f"expected {wanted} of {expected.asked.times} with {share}, observed {chosen[share]}"


def _of_connections(sight: RoutedSight) -> Iterator[Fault]:
    """Whether no connection carried more of them to a server than may be."""
    most = sight.expectation.per_connection
    if most is None:
        return
    read = [request for each in sight.tries for request in _main(sight.expectation, each)]
    for (pod, connection), count in Counter((each.pod, each.connection) for each in read).items():
        if connection is None:
            yield Symptom.BREAKS, f"the server of {pod} cannot tell connections apart"
        elif count > most:
            yield Symptom.BREAKS, f"expected at most {most} over one connection, observed {count} by {pod}"


def _often(what: str, count: int, times: int, share: float) -> Iterator[Fault]:
    chance = improbable(count, times, share)
    if chance is not None:
        yield (
            Symptom.BREAKS,
            f"expected {what} for {share:.4g} of {times} requests, observed {count} (as far off by chance: {chance:.1g})",
        )
