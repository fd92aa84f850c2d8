"""Endpoints about conformance cases, and about features that cases show.

Cases are a census: an interval is as wide as what was not asked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.judge.evidence import Evidence, Link, Outcome
from harness.judge.maturity import Cell, Standing, cell, members
from harness.judge.verdict import Judged, Verdict, side
from harness.model.case import CaseOutcome, CaseResult
from harness.model.claim import Bound, Cases, Endpoint, Features

_LISTED = 20  # cases that are linked one by one; more are counted
_LEARNT = (CaseOutcome.PASS, CaseOutcome.FAIL, CaseOutcome.UNSUPPORTED)


@dataclass(slots=True)
class Tally:
    """What became of cases on a data plane. ``unknown`` are those that nobody asked, or of which nothing was learnt."""

    passed: list[str] = field(default_factory=list)
    failed: list[tuple[str, Outcome]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    runs: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many cases there are."""
        return len(self.passed) + len(self.failed) + len(self.unknown)

    @property
    def reasons(self) -> str:
        """How many fail and are unsupported, with the first reason of each."""
        said = []
        for outcome in (CaseOutcome.FAIL, CaseOutcome.UNSUPPORTED):
            of_it = [(case, each) for case, each in self.failed if each.outcome is outcome]
            if of_it:
                case, first = of_it[0]
                verb = "fail" if outcome is CaseOutcome.FAIL else "are unsupported"
                said.append(
                    f"{len(of_it)} {verb} ({case}: {first.reason})" if first.reason else f"{len(of_it)} {verb} ({case})"
                )
        if self.unknown:
            said.append(f"{len(self.unknown)} not asked, or nothing was learnt ({self.unknown[0]})")
        return "; ".join(said)


def tally(cases: Iterable[str], dataplane: str, evidence: Evidence) -> Tally:
    """What became of ``cases`` on ``dataplane``."""
    found = Tally()
    for case in cases:
        outcome = evidence.outcome(case, dataplane)
        if outcome is None or outcome[0].outcome not in _LEARNT:
            found.unknown.append(case)
        elif outcome[0].outcome is CaseOutcome.PASS:
            found.passed.append(case)
        else:
            found.failed.append((case, outcome[0]))
        if outcome is not None:
            found.runs[case] = outcome[1]
    return found


def judge_cases(endpoint: Endpoint, subject: Cases, evidence: Evidence) -> Judged:
    """The share of cases that pass, all that are shipped counted; or how many more pass than on another data plane."""
    names = evidence.named(subject.names)
    mine = tally(names, subject.dataplane, evidence)
    if not mine.runs:
        return _unasked(endpoint, subject.names, subject.dataplane)
    if subject.more_than is not None:
        return _compared(endpoint, subject, subject.more_than, names, mine, evidence)
    total = len(names)
    low, high = len(mine.passed) / total, (len(mine.passed) + len(mine.unknown)) / total
    return Judged(
        endpoint, side(low, high, endpoint.bound or Bound("at least", 1.0)), len(mine.passed) / total, low, high, 1.0,
        mine.reasons, links(subject.names, mine),
    )  # fmt: skip


def links(patterns: Sequence[str], found: Tally) -> list[Link]:
    """What the cases were asked in, and each that failed."""
    first = next(iter(found.runs.values()), "")
    failed = [Link(found.runs[case], "case", case) for case, _ in found.failed[:_LISTED]]
    return [*(Link(first, "cases", pattern) for pattern in patterns), *failed]


def _unasked(endpoint: Endpoint, names: Sequence[str], dataplane: str) -> Judged:
    return Judged(endpoint, Verdict.UNTESTED, reason=f"no run asked {', '.join(names)} of {dataplane}")


def _compared(endpoint: Endpoint, subject: Cases, rival: str, names: Sequence[str], mine: Tally, evidence: Evidence) -> Judged:
    theirs = tally(names, rival, evidence)
    if not theirs.runs:
        return _unasked(endpoint, subject.names, rival)
    passed = (set(mine.passed), set(theirs.passed))
    open_cases = set(mine.unknown) | set(theirs.unknown)
    open_cases |= {case for case, _ in theirs.failed if evidence.left_out(case, rival) is not None}
    more = len(passed[0] - passed[1] - open_cases) - len(passed[1] - passed[0] - open_cases)
    low, high = float(more - len(open_cases)), float(more + len(open_cases))
    verdict = side(low, high, Bound("at least", 1.0))
    reason = f"{len(mine.passed)} of {len(names)} pass on {subject.dataplane}, {len(theirs.passed)} on {rival}"
    found = [*links(subject.names, mine), *(Link(theirs.runs[case], "case", case) for case, _ in theirs.failed[:_LISTED])]
    return Judged(endpoint, verdict, float(more), low, high, 1.0, reason, found)


def judge_features(endpoint: Endpoint, subject: Features, evidence: Evidence) -> Judged:
    """How many more of the features a data plane has than another; what nobody asked, or a set-up leaves out, may be either."""
    low = high = more = 0
    told = []
    for name in subject.names:
        one, other = (_has(name, plane, evidence) for plane in (subject.dataplane, subject.richer_than))
        low += (one is True) - (other is not False)
        high += (one is not False) - (other is True)
        more += 0 if one is None or other is None else one - other
        if one is not other or one is None:
            said = [f"{plane} {_SAID[has]}" for plane, has in ((subject.dataplane, one), (subject.richer_than, other))]
            told.append(f"{name}: {', '.join(said)}")
    if all(_has(name, plane, evidence) is None for name in subject.names for plane in (subject.dataplane, subject.richer_than)):
        return Judged(endpoint, Verdict.UNTESTED, reason="no run asked the cases of any of these features")
    found = [Link("", "feature", name) for name in subject.names]
    verdict = side(low, high, Bound("at least", 1.0))
    return Judged(endpoint, verdict, float(more), float(low), float(high), 1.0, "; ".join(told), found)


_SAID = {True: "has it", False: "lacks it", None: "is not known to have it"}


def _has(name: str, dataplane: str, evidence: Evidence) -> bool | None:
    """Whether a data plane has a feature: it passes the feature's cases, but for those that it declares to lack."""
    feature = next(each for each in evidence.features if each.name == name)
    if any(lack.dataplane == dataplane and name in lack.features for lack in evidence.lacks):
        return None
    if feature.reason is not None:
        return None  # no manifest that is read asks for it, so of nobody anything was learnt
    found = tally(members(feature, evidence.cases), dataplane, evidence)
    if found.unknown:
        return None
    results = [CaseResult(case, case.partition("/")[0], dataplane, CaseOutcome.PASS) for case in found.passed]
    results += [CaseResult(case, case.partition("/")[0], dataplane, each.outcome, each.reason) for case, each in found.failed]
    standing: Cell = cell(feature, results, None)
    return standing.standing in (Standing.PASS, Standing.PARTLY)
