"""The decision: may the sidecars of a class of workload be replaced? The rule in plain words is docs/decision.md."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan

from harness.judge.asked import tally
from harness.judge.claims import JudgedClaim, judge_endpoint
from harness.judge.evidence import Evidence, Outcome
from harness.judge.verdict import Judged, Verdict
from harness.judge.wording import endpoint_text, found_text
from harness.model.case import CaseOutcome
from harness.model.claim import Column
from harness.model.workload import Answer, Needs, WorkloadClass


@dataclass(frozen=True, slots=True)
class Block:
    """What alone forbids: a case, claim, figure or feature, and why. ``cases`` counts those alike, of which one is named."""

    what: str
    name: str
    reason: str
    cases: int = 1


@dataclass(slots=True)
class Group:
    """What was found of a group of needs: it holds if nothing blocks and nothing is missing."""

    blocking: list[Block] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    pro: list[str] = field(default_factory=list)
    contra: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Everything that is needed was shown."""
        return not self.blocking and not self.missing


@dataclass(frozen=True, slots=True)
class Decided:
    """The answer for a class in a column, about the data plane ``dataplane``, with all that speaks for and against it."""

    workload: WorkloadClass
    column: Column
    answer: Answer
    dataplane: str
    evidence_for: Sequence[str]
    evidence_against: Sequence[str]
    blocking: Sequence[Block]
    missing: Sequence[str]


def decide(
    workloads: Sequence[WorkloadClass], claims: Mapping[tuple[str, Column], JudgedClaim], evidence: Evidence
) -> Iterator[Decided]:
    """Every class in both columns."""
    for workload in workloads:
        for column in Column:
            candidate = workload.candidates[column]
            l4 = _group(
                None if workload.l4 is None else workload.l4[column], candidate.l4, workload.rival, column, claims, evidence
            )
            l7 = _group(
                None if workload.l7 is None else workload.l7[column], candidate.l7, workload.rival, column, claims, evidence
            )
            groups = [group for group in (l4, l7) if group is not None]
            named = [plane for plane, group in ((candidate.l4, l4), (candidate.l7, l7)) if group is not None]
            yield Decided(
                workload, column, answer(l4, l7), " and ".join(dict.fromkeys(named)),
                [text for group in groups for text in group.pro], [text for group in groups for text in group.contra],
                [block for group in groups for block in group.blocking], [text for group in groups for text in group.missing],
            )  # fmt: skip


def answer(l4: Group | None, l7: Group | None) -> Answer:
    """The rule. What is blocked may not be replaced; what is not shown is not known; connections can go without requests."""
    groups = [group for group in (l4, l7) if group is not None]
    if all(group.holds for group in groups):
        return Answer.REPLACE
    if l4 is not None and l4.blocking:
        return Answer.KEEP
    if l7 is None or not l7.blocking:
        return Answer.UNKNOWN
    if l4 is None:
        return Answer.KEEP
    return Answer.L4_ONLY if l4.holds else Answer.UNKNOWN


def _group(
    needs: Needs | None, candidate: str, rival: str, column: Column, claims: Mapping[tuple[str, Column], JudgedClaim],
    evidence: Evidence,
) -> Group | None:  # fmt: skip
    if needs is None:
        return None
    found = Group()
    for pattern in needs.cases:
        _cases(found, pattern, candidate, rival, evidence)
    for feature in needs.supports:
        _supports(found, feature, candidate, rival, evidence)
    for claim in needs.claims:
        _claim(found, claims[claim, column])
    for endpoint in needs.figures:
        _figure(found, judge_endpoint(endpoint, evidence))
    found.missing.extend(needs.unasked)
    return found


def _cases(found: Group, pattern: str, candidate: str, rival: str, evidence: Evidence) -> None:
    """Every case must pass, but for those that the rival is known to fail too."""
    names = evidence.named([pattern])
    mine, theirs = tally(names, candidate, evidence), tally(names, rival, evidence)
    told = (
        f"{len(mine.passed)} of {len(names)} cases {pattern} pass on {candidate} ({_told(theirs.passed, theirs.runs, rival)})"
    )
    rivals = {case for case, _ in theirs.failed if evidence.left_out(case, rival) is None}
    shared = [(case, each) for case, each in mine.failed if case in rivals]
    alone = [(case, each) for case, each in mine.failed if case not in rivals]
    if mine.passed:
        found.pro.append(told)
    elif mine.runs:
        found.contra.append(told)
    if shared:
        first, why = shared[0]
        found.contra.append(
            f"{len(shared)} of {pattern} fail on {candidate}, and on {rival} too, so block nothing ({first}: {why.reason})"
        )
    found.blocking.extend(_blocks(alone, candidate, rival, theirs.passed, evidence))
    if mine.unknown:
        found.missing.append(f"{len(mine.unknown)} of {len(names)} cases {pattern} not asked of {candidate}, or nothing learnt")


def _told(passed: Sequence[str], runs: Mapping[str, str], rival: str) -> str:
    return f"{rival}: {len(passed)}" if runs else f"{rival}: not asked"


def _blocks(
    failed: Sequence[tuple[str, Outcome]], candidate: str, rival: str, passed: Sequence[str], evidence: Evidence
) -> Iterator[Block]:
    """A block for each failed case; cases that are unsupported for one reason make one."""
    alike: dict[str, list[str]] = {}
    for case, outcome in failed:
        why = f"{outcome.outcome} on {candidate}{': ' + outcome.reason if outcome.reason else ''}"
        left_out = evidence.left_out(case, rival)
        if case in passed:
            why += f"; passes on {rival}"
        elif left_out is not None:
            why += f"; nothing is known of {rival}: {left_out}"
        else:
            why += f"; {rival} was not asked"
        key = why if outcome.outcome is CaseOutcome.UNSUPPORTED else f"{case}\n{why}"
        alike.setdefault(key, []).append(case)
    for key, cases in alike.items():
        yield Block("case", cases[0], key.rpartition("\n")[2], len(cases))


def _supports(found: Group, feature: str, candidate: str, rival: str, evidence: Evidence) -> None:
    """A feature that is declared to be missing counts against; a claim to have it alone is no evidence."""
    try:
        lacks, why = evidence.lacking(candidate, feature)
    except KeyError:
        found.missing.append(f"no run says whether {candidate} has {feature}")
        return
    if not lacks:
        return
    try:
        rival_lacks = evidence.lacking(rival, feature)[0]
    except KeyError:
        rival_lacks = False
    if rival_lacks:
        found.contra.append(f"{candidate} lacks {feature}, and so does {rival}, so it blocks nothing: {why}")
    else:
        found.blocking.append(Block("feature", feature, f"{candidate} declares to lack it: {why}"))


def _claim(found: Group, judged: JudgedClaim) -> None:
    name, said = judged.claim.id, f"{judged.claim.id} is {judged.verdict}: {judged.reason}"
    if judged.verdict is Verdict.SUPPORTED:
        found.pro.append(said)
    elif judged.verdict in (Verdict.REFUTED, Verdict.MIXED):
        found.blocking.append(Block("claim", name, f"{judged.verdict}: {judged.reason}"))
    else:
        found.missing.append(said)


def _figure(found: Group, judged: Judged) -> None:
    said = told(judged)
    if judged.verdict is Verdict.SUPPORTED:
        found.pro.append(said)
    elif judged.verdict in (Verdict.REFUTED, Verdict.MIXED):
        found.blocking.append(Block("figure", judged.endpoint.condition, said))
    else:
        found.missing.append(said)
        if judged.verdict is Verdict.INCONCLUSIVE and not isnan(judged.estimate):
            found.contra.append(f"not shown: {said}")


def told(judged: Judged) -> str:
    """An endpoint with what was wanted and found, in a line."""
    parts = [f"{judged.endpoint.condition}: {endpoint_text(judged.endpoint)}", found_text(judged), judged.reason]
    return "; ".join(part for part in parts if part)
