"""The cost ledger's tables, worded: what the lines sum to, what is left, and what else a request costs beside its time."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.report.lookup import Cell, Figures
from harness.report.quantity import quantity
from harness.report.run import EstimateRow

TOTAL = "cpu_ledger_per_request"
BESIDE = (
    ("context_switches", "Context switches"),
    ("syscalls", "System calls"),
    ("copies", "Copies to user"),
    ("copies_from_queues", "of them from queues"),
    ("copies_from_user", "Copies from user"),
    ("stack_traversals", "Stack traversals"),
)
CLOSES = 0.05
"""The largest share of the total that may be left over."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A plane's ledger. ``closes``: the residual is small enough. ``elsewhere``: in whose time network work ran."""

    plane: str
    total: str
    residual: str
    closes: bool
    billed: str
    billed_traced: str
    tracing: str
    beside: list[str]
    elsewhere: str


@dataclass(frozen=True, slots=True)
class LedgerTable:
    """One load's ledgers. ``lines`` is a row a line: its name, and its figure a plane."""

    scenario: str
    load: str
    planes: list[str]
    columns: list[str]
    rows: list[LedgerRow]
    lines: list[tuple[str, list[str]]]


def ledger_tables(figures: Figures) -> list[LedgerTable]:
    """A table for each traced load that has a ledger."""
    return [_table(figures, cell) for scenario in figures.run.scenarios for cell in figures.cells(scenario, TOTAL)]


def _table(figures: Figures, cell: Cell) -> LedgerTable:
    planes = [plane for plane in figures.planes if figures.absolute(cell, plane, TOTAL)]
    parts = {plane: figures.components(cell, plane, TOTAL) for plane in planes}
    names = dict.fromkeys(name for each in parts.values() for name in each)
    lines = [(name, [_said(row) if (row := parts[plane].get(name)) else "" for plane in planes]) for name in names]
    return LedgerTable(
        cell.scenario.title,
        cell.load.name,
        planes,
        [label for _, label in BESIDE],
        [_row(figures, cell, plane) for plane in planes],
        lines,
    )


def _row(figures: Figures, cell: Cell, plane: str) -> LedgerRow:
    residual = figures.absolute(cell, plane, "cpu_ledger_residual")
    share = None if residual is None else residual.estimate
    return LedgerRow(
        plane,
        _said(figures.absolute(cell, plane, TOTAL)),
        "not known" if share is None else f"{share * 100:+.1f} %",
        share is not None and abs(share) <= CLOSES,
        _said(_billed(figures, cell, plane)),
        _said(figures.absolute(cell, plane, "cpu_billed_while_traced")),
        _said(figures.absolute(cell, plane, "tracing_per_request")),
        [_said(figures.absolute(cell, plane, metric)) for metric, _ in BESIDE],
        ", ".join(_elsewhere(figures, cell, plane)) or "none",
    )


def _billed(figures: Figures, cell: Cell, plane: str) -> EstimateRow | None:
    """As billed under the same load without tracing, where the scenario has it."""
    for load in cell.scenario.loads:
        if load.kind == "cost" and load.offered == cell.load.offered:
            return figures.absolute(Cell(cell.scenario, load), plane, "cpu_per_request")
    return None


def _elsewhere(figures: Figures, cell: Cell, plane: str) -> Iterator[str]:
    for host, row in figures.components(cell, plane, "network_time_per_request").items():
        if row.estimate:
            yield f"{quantity(row.estimate, row.unit)} in {host}"


def _said(row: EstimateRow | None) -> str:
    return "not measured" if row is None else quantity(row.value, row.unit)
