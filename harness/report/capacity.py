"""Capacities as a table: what each plane can do within the objective, and what its users wait at shares of that."""

from dataclasses import dataclass

from harness.report.lookup import Cell, Figures
from harness.report.quantity import interval, quantity
from harness.report.run import EstimateRow, ScenarioRow
from harness.report.sentences import offered


@dataclass(frozen=True, slots=True)
class CapacityLine:
    """A plane's figures, worded. ``waits``: for each share, the rate offered there, p50 and p99 latency."""

    plane: str
    capacity: str
    interval: str
    waits: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class CapacityTable:
    """One capacity load; ``shares`` heads the columns of ``waits``. ``open_ended`` says whether a line has "at least"."""

    load: str
    objective: str
    shares: list[str]
    lines: list[CapacityLine]
    open_ended: bool


def tables(figures: Figures, scenario: ScenarioRow) -> list[CapacityTable]:
    """A table for each capacity load that was measured in the scenario."""
    return [_table(figures, cell) for cell in figures.cells(scenario, "capacity")]


def share_cells(cell: Cell) -> list[Cell]:
    """The latency loads at shares of the capacity ``cell``, lowest first."""
    loads = [load for load in cell.scenario.loads if load.share is not None and load.share.of == cell.load.name]
    return [Cell(cell.scenario, load) for load in sorted(loads, key=lambda load: load.share.share if load.share else 0)]


def _table(figures: Figures, cell: Cell) -> CapacityTable:
    places = share_cells(cell)
    lines = [_line(figures, cell, places, plane) for plane in figures.planes]
    heads = [f"{place.load.share.share * 100:g} %" for place in places if place.load.share is not None]
    return CapacityTable(cell.load.name, offered(cell.load), heads, lines, any("≥" in line.capacity for line in lines))


def _line(figures: Figures, cell: Cell, places: list[Cell], plane: str) -> CapacityLine:
    row = figures.absolute(cell, plane, "capacity")
    waits = [
        (
            _worded(figures.absolute(place, plane, "offered")),
            _worded(figures.absolute(place, plane, "latency_p50")),
            _worded(figures.absolute(place, plane, "latency_p99")),
        )
        for place in places
    ]
    if row is None:
        return CapacityLine(plane, "not measured", "", waits)
    limited = figures.absolute(cell, plane, "capacity_at_least")
    open_ended = limited is not None and bool(limited.value or limited.high)
    known = interval(row.bounds, row.unit) if row.bounds is not None else ""
    return CapacityLine(plane, f"{'≥ ' if open_ended else ''}{quantity(row.value, row.unit)}", known, waits)


def _worded(row: EstimateRow | None) -> str:
    return "" if row is None else quantity(row.value, row.unit)
