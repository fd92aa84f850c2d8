"""The claims ledger in words: a row a claim, with both columns' verdicts and what they rest upon."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model.claim import Verdict
from harness.report.claim_rows import ClaimRow, EndpointRow, LinkRow
from harness.report.quantity import ratio, ratio_interval
from harness.report.run import Run

COLUMNS = {"as_shipped": "As shipped today", "possible": "Shown possible here"}


@dataclass(frozen=True, slots=True)
class EndpointLine:
    """What decides a claim: where, what was wanted, what was found, and where the evidence stands."""

    condition: str
    endpoint: str
    wanted: str
    found: str
    verdict: Verdict
    reason: str
    links: str


@dataclass(frozen=True, slots=True)
class Told:
    """A claim's verdict in a column. ``effect`` and ``interval`` are those of its least favourable endpoint, or empty."""

    verdict: Verdict
    reason: str
    effect: str
    interval: str
    subject: str
    endpoints: list[EndpointLine]


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """A row of the ledger; ``columns`` in the order of COLUMNS."""

    id: str
    claim: str
    source: str
    note: str | None
    columns: list[Told]

    @property
    def alike(self) -> bool:
        """Whether both columns rest upon the same, so that one of them says it all."""
        return self.columns[0] == self.columns[-1]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a page says of claims: how many came to which verdict in each column, then every row; ``warnings`` come first."""

    warnings: list[str]
    counts: list[tuple[str, str]]
    tested: list[ClaimLine]
    published: list[ClaimLine]


def ledger(run: Run) -> Ledger:
    """The ledger of a run; empty lists where it was not judged."""
    lines = list(_lines(run.claims))
    counts = [(title, _counted(run.claims, column)) for column, title in COLUMNS.items() if run.claims]
    published = [line for line in lines if line.id.startswith("PUB-")]
    return Ledger(warnings(run), counts, [line for line in lines if line not in published], published)


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
    """A table for a terminal: a row a claim, a column a verdict; empty where nothing was judged."""
    if not run.claims:
        return ""
    lines = list(_lines(run.claims))
    rows = [("", *COLUMNS.values(), "")] + [
        (line.id, *(str(told.verdict) for told in line.columns), line.claim) for line in lines
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    table = ["  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(["Claims", *table, *(f"  {text}" for text in warnings(run))])


def _lines(rows: Sequence[ClaimRow]) -> Iterator[ClaimLine]:
    by_id: dict[str, dict[str, ClaimRow]] = {}
    for row in rows:
        by_id.setdefault(row.id, {})[row.column] = row
    for name, columns in by_id.items():
        first = next(iter(columns.values()))
        told = [_told(columns[column]) for column in COLUMNS if column in columns]
        yield ClaimLine(name, first.claim, first.source, first.note, told)


def _told(row: ClaimRow) -> Told:
    endpoints = [_endpoint(each) for each in row.endpoints]
    effect = "" if row.estimate is None else ratio(row.estimate)
    return Told(row.verdict, row.reason, effect, _interval(row), row.subject, endpoints)


def _endpoint(row: EndpointRow) -> EndpointLine:
    effect, interval = "" if row.estimate is None else ratio(row.estimate), _interval(row)
    wanted = "" if row.threshold is None or row.direction is None else f"{row.direction} {row.threshold:g}"
    found = f"{effect} ({interval})" if interval else effect
    what = row.endpoint.removesuffix(f", {wanted}")
    return EndpointLine(row.condition, what, wanted, found, row.verdict, row.reason, links_text(row.links))


def _interval(row: ClaimRow | EndpointRow) -> str:
    """The interval; empty where there is none, or where it is one figure: cases are counted."""
    if row.low is None or row.low == row.high:
        return ""
    return ratio_interval((row.low, math.inf if row.high is None else row.high))


def links_text(links: Sequence[LinkRow]) -> str:
    """Where evidence stands: ``reference: http-cross-node/latency-1000``."""
    by_run: dict[str, list[str]] = {}
    for link in links:
        by_run.setdefault(link.run, []).append(link.where)
    return "; ".join(f"{run}: {', '.join(names)}" if run else ", ".join(names) for run, names in by_run.items())


def _counted(rows: Sequence[ClaimRow], column: str) -> str:
    found = [row.verdict for row in rows if row.column == column]
    return ", ".join(f"{found.count(verdict)} {verdict}" for verdict in Verdict if verdict in found)
