"""A journal's cells as tables: every figure of every cell that counts, and the histograms beside them.

A cell that was run again counts with its second attempt, together with all arms of its block. A void cell voids its
block (that scenario and load, on every arm): its figures stay in the table, marked, and enter no estimate.
"""

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.campaign.journal import Journal, Record
from harness.campaign.parts import cells, worker_of

COLUMNS = (
    "block", "order", "attempt", "scenario", "load", "kind", "arm", "dataplane", "metric", "component", "unit", "value", "void",
    "worker",
)  # fmt: skip
Row = tuple[int, str, str]  # block, scenario, load: what is paired


@dataclass(frozen=True, slots=True)
class Void:
    """A cell that did not count, and whether running its block again gave one that does."""

    cell: str
    arm: str
    reason: str
    reran: bool
    resolved: bool


@dataclass(frozen=True, slots=True)
class Samples:
    """What the cells of a journal gave."""

    figures: pd.DataFrame
    histograms: pd.DataFrame
    voids: Sequence[Void]
    rates: dict[tuple[str, str], float]


def _row(record: Record) -> Row:
    return record["block"], record["scenario"], record["load"]


def gather(journal: Journal, pooled: Container[str] | None = None) -> Samples:
    """Read the cells of a journal. ``pooled`` are the workers whose rates are the run's, where not all are."""
    attempts: dict[Row, dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in cells(journal):
        attempts[_row(record)][record["attempt"]].append(record)
    figures, histograms, voids, rates = [], [], [], {}
    for row, by_attempt in attempts.items():
        last = max(by_attempt)
        reason = _void_of(by_attempt[last])
        for attempt, records in by_attempt.items():
            for record in records:
                if record["void"]:
                    voids.append(_void(record, reran=last > attempt, resolved=last > attempt and reason is None))
        for order, record in enumerate(by_attempt[last]):
            what = (record["block"], order, last, record["scenario"], record["load"], record["load_kind"], record["arm"],
                    record["dataplane"])  # fmt: skip
            worker = worker_of(record)
            figures += [
                (*what, name, component, unit, value, reason, worker) for name, component, unit, value in record["metrics"]
            ]
            if "histogram" in record["attachments"]:
                histograms.append(
                    (row[0], row[1], row[2], record["arm"], record["dataplane"], record["attachments"]["histogram"])
                )
            if record["rate"] and (pooled is None or worker_of(record) in pooled):
                rates[row[1], row[2]] = record["rate"]
    return Samples(
        pd.DataFrame(figures, columns=list(COLUMNS)),
        pd.DataFrame(histograms, columns=["block", "scenario", "load", "arm", "dataplane", "histogram"]),
        voids,
        rates,
    )


def _void_of(records: Sequence[Record]) -> str | None:
    """Why a block does not count, or None."""
    reasons = [f"{record['arm']}: {record['void']}" for record in records if record["void"]]
    return "; ".join(reasons) or None


def _void(record: Record, *, reran: bool, resolved: bool) -> Void:
    cell = f"block {record['block']} {record['scenario']}/{record['load']}"
    if record["attempt"] > 1:
        cell += f", attempt {record['attempt']}"
    return Void(cell, record["arm"], record["void"], reran, resolved)
