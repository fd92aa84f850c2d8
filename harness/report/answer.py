"""What the first page says of a run's claims and of its decision, in sentences. Nothing is judged here."""

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.model.claim import Verdict
from harness.model.workload import Answer
from harness.report.claims import COLUMNS, ClaimLine
from harness.report.decision import ClassLine
from harness.report.run import Run

SIGNS = {
    Verdict.SUPPORTED: "✓",
    Verdict.REFUTED: "✗",
    Verdict.MIXED: "◐",
    Verdict.INCONCLUSIVE: "≈",
    Verdict.UNTESTED: "–",  # noqa: RUF001 -- a dash, as in the tables of conformance
    Verdict.NOT_COMPARABLE: "≠",
}
"""Verdicts in the order in which they are counted, and the sign of each."""

ANSWERS = {
    Answer.REPLACE: "replace the sidecars",
    Answer.L4_ONLY: "replace them for L4 only",
    Answer.KEEP: "keep them",
    Answer.UNKNOWN: "not known",
}
"""What may be decided for a class of workload, in the order in which it is counted, and in words."""


def decision_sentences(classes: Sequence[ClassLine]) -> list[tuple[str, str]]:
    """For each column its name and how many classes of workload came to which answer."""
    said = []
    for column, name in COLUMNS.items():
        counts = Counter(each.choices[column].answer for each in classes if column in each.choices)
        parts = [f"{words} in {counts[answer]}" for answer, words in ANSWERS.items() if counts[answer]]
        if parts:
            said.append((name, f"of {counts.total()} classes of workload, {_listed(parts)}."))
    return said


def claims_sentences(claims: Sequence[ClaimLine]) -> list[tuple[str, str]]:
    """For each column its name and how many claims came to which verdict."""
    said = []
    for column, name in COLUMNS.items():
        counts = Counter(claim.sides[column].verdict for claim in claims if column in claim.sides)
        parts = [f"{counts[verdict]} {verdict}" for verdict in SIGNS if counts[verdict]]
        if parts:
            said.append((name, f"of {counts.total()} claims, {_listed(parts)}."))
    return said


def unanswered(run: Run) -> list[str]:
    """What a first page should say and this one cannot, and why; empty where the run has claims and a decision."""
    if run.indicative:
        return [
            "This is a quick run: it judges no claim and decides nothing, since one block has no interval. "
            "What follows is what it saw."
        ]
    lacking = [name for name, there in (("no decision", run.decision), ("no verdicts on claims", run.claims)) if not there]
    if not lacking:
        return []
    return [
        f"This run carries {_listed(lacking)}: it was made before claims were fixed and judged, "
        "or of scenarios that no claim is about. What follows are its targets and its figures."
    ]


def _listed(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
