"""Tables of where requests went: which path of a data plane they took and why, and which backend answered them."""

from dataclasses import dataclass

from harness.report.lookup import Cell, Figures
from harness.report.quantity import digits
from harness.report.run import DataPlaneRow, ScenarioRow

SHOWN = 0.0005
"""A smaller share is of requests under way when the load began or ended, and printed as none."""

NONE = "none"


@dataclass(frozen=True, slots=True)
class Shares:
    """Of one data plane in one scenario: a row a load, a column a count or a backend, with the column's meaning."""

    plane: str
    columns: list[tuple[str, str]]
    rows: list[tuple[str, list[str]]]


def path_shares(figures: Figures, scenario: ScenarioRow) -> list[Shares]:
    """How many of a load's requests each count met, in per cent of all; counts that no load met are left out."""
    meanings = {plane.name: plane.paths for plane in figures.run.dataplanes}
    found = (_shares(figures, scenario, plane, "path_per_request", meanings[plane]) for plane in figures.planes)
    return [shares for shares in found if shares is not None]


def backend_shares(figures: Figures, scenario: ScenarioRow) -> list[Shares]:
    """Which part of a load's requests each backend of the scenario's Service answered, on planes that have Services."""
    names = dict.fromkeys(scenario.backends, "")
    routing = [plane.name for plane in figures.run.dataplanes if _routes(plane)]
    found = (_shares(figures, scenario, plane, "backend_share", names) for plane in routing)
    return [shares for shares in found if shares is not None]


def _routes(plane: DataPlaneRow) -> bool:
    said = plane.supports.get("l7-routing")
    return said is not None and said.answer == "yes"


def _shares(figures: Figures, scenario: ScenarioRow, plane: str, metric: str, meanings: dict[str, str]) -> Shares | None:
    by_load = {load.name: figures.components(Cell(scenario, load), plane, metric) for load in scenario.loads}
    values = {load: {name: row.estimate or 0.0 for name, row in rows.items()} for load, rows in by_load.items() if rows}
    met = {name for shares in values.values() for name, share in shares.items() if share >= SHOWN}
    columns = [name for name in meanings if name in met] + sorted(met - set(meanings))
    if not columns:
        return None
    rows = [(load, [_percent(shares.get(name, 0.0)) for name in columns]) for load, shares in values.items()]
    return Shares(plane, [(name, meanings.get(name, "")) for name in columns], rows)


def _percent(share: float) -> str:
    return NONE if share < SHOWN else f"{digits(share * 100)} %"
