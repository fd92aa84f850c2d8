"""The claims ledger judged: each claim in each column, from nothing but evidence."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.judge.asked import judge_cases, judge_features
from harness.judge.evidence import Evidence
from harness.judge.measured import judge_figure, judge_growth, judge_ratio, judge_slope, judge_total
from harness.judge.verdict import Judged, Verdict, combined
from harness.model.claim import (
    Answers,
    Cases,
    Claim,
    Column,
    Endpoint,
    Features,
    Figure,
    Growth,
    Ratio,
    Slope,
    Total,
    Unasked,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class JudgedClaim:
    """A claim's verdict in a column, with all endpoints that decided it; ``reason`` says which hold and which do not."""

    claim: Claim
    column: Column
    verdict: Verdict
    endpoints: Sequence[Judged]
    reason: str

    @property
    def deciding(self) -> Judged | None:
        """The endpoint that the verdict hangs on most: the least favourable one."""
        order = (Verdict.REFUTED, Verdict.MIXED, Verdict.INCONCLUSIVE, Verdict.UNTESTED, Verdict.SUPPORTED)
        return min(self.endpoints, key=lambda each: order.index(each.verdict), default=None)


def judge_endpoint(endpoint: Endpoint, evidence: Evidence, answers: Sequence[str] = ()) -> Judged:
    """One endpoint. ``answers`` are the decision's, in the column that is judged."""
    found: Judged
    match endpoint.subject:
        case Ratio() as subject:
            found = judge_ratio(endpoint, subject, evidence)
        case Total() as subject:
            found = judge_total(endpoint, subject, evidence)
        case Figure() as subject:
            found = judge_figure(endpoint, subject, evidence)
        case Slope() as subject:
            found = judge_slope(endpoint, subject, evidence)
        case Growth() as subject:
            found = judge_growth(endpoint, subject, evidence)
        case Cases() as subject:
            found = judge_cases(endpoint, subject, evidence)
        case Features() as subject:
            found = judge_features(endpoint, subject, evidence)
        case Answers():
            found = _judge_answers(endpoint, answers)
        case Unasked(reason):
            found = Judged(endpoint, Verdict.UNTESTED, reason=reason)
    return found


def judge_claims(claims: Sequence[Claim], evidence: Evidence) -> Iterator[JudgedClaim]:
    """Every claim that does not ask for the decision, in both columns."""
    for claim in claims:
        if not asks_decision(claim):
            for column in Column:
                yield judge_claim(claim, column, evidence)


def judge_claim(claim: Claim, column: Column, evidence: Evidence, answers: Sequence[str] = ()) -> JudgedClaim:
    """A claim in a column."""
    written = claim.columns[column]
    if written.not_comparable is not None:
        return JudgedClaim(claim, column, Verdict.NOT_COMPARABLE, (), written.not_comparable)
    judged = [judge_endpoint(each, evidence, answers) for each in written.endpoints]
    verdict = combined([each.verdict for each in judged])
    return JudgedClaim(claim, column, verdict, judged, _reason(verdict, judged))


def asks_decision(claim: Claim) -> bool:
    """Whether a claim is about what the decision answers, and so is judged after it."""
    return any(isinstance(each.subject, Answers) for side_ in claim.columns.values() for each in side_.endpoints)


def _judge_answers(endpoint: Endpoint, answers: Sequence[str]) -> Judged:
    """The share of classes that are answered "replace"; those that are not known may be.

    Classes are conditions, so what is replaced in some and kept in others is mixed, and only what is kept in all is refuted.
    """
    count = Counter(answers)
    if count.total() == count["unknown"]:
        return Judged(endpoint, Verdict.UNTESTED, reason="no class of workload has an answer but unknown")
    low, high = count["replace"] / count.total(), (count["replace"] + count["unknown"]) / count.total()
    if count["replace"] == count.total():
        verdict = Verdict.SUPPORTED
    elif count["keep"] == count.total():
        verdict = Verdict.REFUTED
    elif count["L4 only"] or (count["replace"] and count["keep"]):
        verdict = Verdict.MIXED
    else:
        verdict = Verdict.INCONCLUSIVE
    said = f"of {count.total()} classes of workload: {', '.join(f'{number} {answer}' for answer, number in count.items())}"
    return Judged(endpoint, verdict, low, low, high, 1.0, said)


def _reason(verdict: Verdict, judged: Sequence[Judged]) -> str:
    """Where it holds, where it fails, and what is open, by condition."""
    by_condition: dict[str, list[Judged]] = {}
    for each in judged:
        by_condition.setdefault(each.endpoint.condition, []).append(each)
    said = [
        f"{word}: {', '.join(labels)}"
        for one, word in _WORDS.items()
        if (labels := [_label(name, some, one) for name, some in by_condition.items() if any(e.verdict is one for e in some)])
    ]
    if len(said) == 1 and verdict in (Verdict.UNTESTED, Verdict.MIXED, Verdict.INCONCLUSIVE):
        return "; ".join(dict.fromkeys(one.reason or _label(one.endpoint.condition, [one], verdict) for one in judged))
    return "; ".join(said)


_WORDS = {
    Verdict.SUPPORTED: "holds",
    Verdict.REFUTED: "does not hold",
    Verdict.MIXED: "holds in part",
    Verdict.INCONCLUSIVE: "open",
    Verdict.UNTESTED: "untested",
}


def _label(condition: str, judged: Sequence[Judged], verdict: Verdict) -> str:
    """A condition, with the loads and metrics that are meant where others of it came to another verdict."""
    if all(each.verdict is verdict for each in judged):
        return condition
    parts: dict[str, list[str]] = {}
    for each in judged:
        if each.verdict is verdict:
            metric = getattr(each.endpoint.subject, "metric", "")
            parts.setdefault(getattr(each.endpoint.subject, "load", ""), []).append(metric)
    told = ", ".join(f"{load}: {' '.join(metrics)}".strip(": ") for load, metrics in parts.items())
    return f"{condition} ({told})" if told else condition
