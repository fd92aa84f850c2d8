"""The claims ledger in words: a row a claim, with both columns' verdicts and what they rest upon."""

import math
from dataclasses import dataclass

from harness.model.claim import Verdict
from harness.report.claim_rows import ClaimRow, EndpointRow, LinkRow
from harness.report.quantity import ratio, ratio_interval
from harness.report.run import Run

COLUMNS = {"as_shipped": "As shipped today", "possible": "Shown possible here"}
_UNJUDGED = (Verdict.UNTESTED, Verdict.NOT_COMPARABLE)


@dataclass(frozen=True, slots=True)
class EndpointLine:
    """What decides a claim: where, what was wanted, what was found, and where the evidence stands."""

    condition: str
    endpoint: str
    wanted: str
    found: str
    verdict: Verdict
    reason: str
    links: list[LinkRow]


@dataclass(frozen=True, slots=True)
class Told:
    """A claim's verdict in a column. ``found`` is the effect and interval of its least favourable endpoint, or empty."""

    verdict: Verdict
    reason: str
    found: str
    subject: str
    endpoints: list[EndpointLine]


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """A row of the ledger; ``sides`` by column, in the order of COLUMNS."""

    id: str
    claim: str
    source: str
    note: str | None
    sides: dict[str, Told]

    @property
    def alike(self) -> bool:
        """Whether both columns rest upon the same, so that one of them says it all."""
        first, *others = self.sides.values()
        return bool(others) and all(first == other for other in others)

    @property
    def told(self) -> bool:
        """Whether there is more to tell than a verdict and its reason."""
        return any(side.endpoints for side in self.sides.values())


def claim_lines(run: Run) -> list[ClaimLine]:
    """Every claim of the run once, in the run's order; none where it was not judged."""
    by_id: dict[str, dict[str, ClaimRow]] = {}
    for row in run.claims:
        by_id.setdefault(row.id, {})[row.column] = row
    lines = []
    for name, columns in by_id.items():
        first = next(iter(columns.values()))
        sides = {column: _told(columns[column]) for column in COLUMNS if column in columns}
        lines.append(ClaimLine(name, first.claim, first.source, first.note, sides))
    return lines


def warnings(run: Run) -> list[str]:
    """What weakens the verdicts: files not fixed before the run, and evidence of other set-ups or that decides nothing."""
    found = []
    names = sorted(name for name in run.judged_by.keys() | run.fixed.keys() if run.judged_by.get(name) != run.fixed.get(name))
    if run.claims and names:
        before = (
            "are not those fixed before the run" if run.fixed else "were not fixed before the run, which is of an older kind"
        )
        found.append(f"Judged after the fact: {', '.join(names)}, by which these verdicts were made, {before}.")
    for row in run.evidence:
        if row.unusable:
            found.append(f"The figures of {row.folder} decide nothing: {row.unusable}.")
        elif row.fingerprint_differs:
            found.append(
                f"{row.folder} was made on another set-up (other {', '.join(row.fingerprint_differs)}): "
                "its effects are of that run alone, and are not subtracted from any other."
            )
    return found


def claims_text(run: Run) -> str:
    """A table for a terminal: a row a claim that has a verdict, a column a verdict; empty where nothing was judged."""
    if not run.claims:
        return ""
    lines = claim_lines(run)
    judged = [line for line in lines if any(side.verdict not in _UNJUDGED for side in line.sides.values())]
    rows = [("", *COLUMNS.values(), "")]
    for line in judged:
        rows.append(
            (line.id, *(str(line.sides[column].verdict) if column in line.sides else "" for column in COLUMNS), line.claim)
        )
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    table = ["  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    left = len(lines) - len(judged)
    others = (
        [f"  {left} of {len(lines)} claims are untested here or not comparable; the report says why of each"] if left else []
    )
    return "\n".join(["Claims", *(table if judged else ()), *others, *(f"  {text}" for text in warnings(run))])


def _told(row: ClaimRow) -> Told:
    return Told(row.verdict, row.reason, _found(row), row.subject, [_endpoint(each) for each in row.endpoints])


def _endpoint(row: EndpointRow) -> EndpointLine:
    wanted = "" if row.threshold is None or row.direction is None else f"{row.direction} {row.threshold:g}"
    what = row.endpoint.removesuffix(f", {wanted}")
    return EndpointLine(row.condition, what, wanted, _found(row), row.verdict, row.reason, row.links)


def _found(row: ClaimRow | EndpointRow) -> str:
    """The estimate with its interval; empty without one."""
    if row.estimate is None:
        return ""
    interval = _interval(row)
    return f"{ratio(row.estimate)} ({interval})" if interval else ratio(row.estimate)


def _interval(row: ClaimRow | EndpointRow) -> str:
    """The interval; empty where there is none, or where it is one figure: cases are counted."""
    if row.low is None or row.low == row.high:
        return ""
    return ratio_interval((row.low, math.inf if row.high is None else row.high))
