"""What stands in the report's tables, worded; the template only lays it out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.lookup import KINDS, Cell, Figures
from harness.report.metrics import HEADLINE, metric_text
from harness.report.quantity import digits, interval, quantity, ratio, ratio_interval
from harness.report.run import EstimateRow, NoiseRow, Run, ScenarioRow, TargetRow
from harness.report.sentences import distinguishable, equality, offered


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in a table; ``value`` sorts it, ``times`` is its ratio to the run's first plane where there is one."""

    text: str
    value: float | None = None
    times: str = ""


@dataclass(frozen=True, slots=True)
class Glance:
    """The headline figures of one scenario: a column a metric, a row a plane."""

    columns: list[tuple[str, str]]
    rows: list[tuple[str, list[Figure]]]


def glance(figures: Figures, scenario: ScenarioRow) -> Glance:
    """Medians with their ratios to the run's first plane."""
    cells = [
        (metric, cell)
        for metric in (*HEADLINE, "pss", "bpf_memory")
        if (cell := figures.main_cell(scenario, metric)) is not None
    ]
    columns = [(metric_text(metric).label, cell.load.name) for metric, cell in cells]
    base = figures.planes[0]
    rows = [(plane, [_glance_figure(figures, cell, plane, base, metric) for metric, cell in cells]) for plane in figures.planes]
    return Glance(columns, rows)


def _glance_figure(figures: Figures, cell: Cell, plane: str, base: str, metric: str) -> Figure:
    row = figures.absolute(cell, plane, metric)
    if row is None:
        return Figure("not measured" if figures.lacking(cell.scenario, plane) is None else "unsupported")
    against = figures.ratio(cell, plane, base, metric)
    return Figure(quantity(row.value, row.unit), row.value, "" if against is None else ratio(against.value))


def load_figures(figures: Figures, scenario: ScenarioRow) -> list[tuple[str, str, list[Figure]]]:
    """Metric, load, and a figure a plane, of each headline metric that was measured in several loads."""
    base = figures.planes[0]
    found = []
    for metric in HEADLINE:
        cells = figures.cells(scenario, metric)
        for cell in cells if len(cells) > 1 else ():
            row = [_glance_figure(figures, cell, plane, base, metric) for plane in figures.planes]
            found.append((metric_text(metric).label, cell.load.name, row))
    return found


@dataclass(frozen=True, slots=True)
class Effect:
    """A paired ratio, worded. ``word`` is better, worse or "not distinguishable"; empty where nothing is judged."""

    ratio: str
    interval: str
    word: str
    value: float | None


def effect(row: EstimateRow, noise: NoiseRow | None, *, indicative: bool) -> Effect:
    """What a paired ratio says, and whether it may be called an effect."""
    word = "" if indicative or row.family_level == 0 else "not distinguishable"
    if not indicative and row.value is not None and distinguishable(row, noise):
        word = "better" if (row.value < 1) == metric_text(row.metric).lower_is_better else "worse"
    return Effect(ratio(row.value), ratio_interval(row.bounds), word, row.estimate)


@dataclass(frozen=True, slots=True)
class PairTable:
    """Paired ratios of one scenario: a column a metric of a load, a row a pair."""

    columns: list[tuple[str, str]]
    rows: list[tuple[str, str, str, list[Effect | None]]]


COLUMNS = 8
"""Of a table of pairs: more do not fit on paper."""


def pair_tables(figures: Figures, scenario: ScenarioRow) -> list[PairTable]:
    """The headline metrics in every load in which they mean something, in tables that are no wider than COLUMNS."""
    whole = pair_table(figures, scenario)
    if not whole.rows:
        return []
    return [
        PairTable(
            whole.columns[at : at + COLUMNS],
            [(one, other, word, found[at : at + COLUMNS]) for one, other, word, found in whole.rows],
        )
        for at in range(0, len(whole.columns), COLUMNS)
    ]


def pair_table(figures: Figures, scenario: ScenarioRow) -> PairTable:
    """The same as one table."""
    cells = [(metric, cell) for metric in HEADLINE for cell in figures.cells(scenario, metric)]
    indicative = figures.run.indicative
    rows = []
    for plane, against in figures.pairs(scenario):
        found = [(figures.ratio(cell, plane, against, metric), figures.noise(cell, metric)) for metric, cell in cells]
        effects = [None if row is None else effect(row, noise, indicative=indicative) for row, noise in found]
        rows.append((plane, against, equality(figures.equal(scenario, plane, against)), effects))
    return PairTable([(metric_text(metric).label, cell.load.name) for metric, cell in cells], rows)


@dataclass(frozen=True, slots=True)
class RatioLine:
    """A paired ratio with all that belongs to it."""

    scenario: str
    load: str
    metric: str
    pair: str
    equality: str
    effect: Effect
    level: str
    floor: str


def ratio_lines(figures: Figures) -> list[RatioLine]:
    """Every paired ratio of the run, in the run's order."""
    lines = []
    for scenario in figures.run.scenarios:
        for row in figures.run.estimates:
            load = scenario.load(row.load)
            if row.scenario != scenario.name or load is None or row.against is None or row.component:
                continue
            noise = figures.noise(Cell(scenario, load), row.metric)
            lines.append(
                RatioLine(
                    scenario=row.scenario,
                    load=row.load,
                    metric=metric_text(row.metric).label,
                    pair=f"{row.dataplane} / {row.against}",
                    equality=equality(row.equal_features),
                    effect=effect(row, noise, indicative=figures.run.indicative),
                    level=percent(row.level or None),
                    floor=percent(noise.floor if noise else None),
                )
            )
    return lines


def noise_lines(run: Run) -> list[tuple[str, str, str]]:
    """Scenario, load, and the floor of each headline metric where it means something."""
    lines = []
    for scenario in run.scenarios:
        for load in scenario.loads:
            rows = [row for row in run.noise_floor if (row.scenario, row.load) == (scenario.name, load.name)]
            told = [row for row in rows if row.metric in HEADLINE and load.kind in KINDS.get(row.metric, ())]
            if told:
                floors = ", ".join(f"{metric_text(row.metric).label} {percent(row.floor)}" for row in told)
                lines.append((scenario.name, load.name, floors))
    return lines


def percent(fraction: float | None) -> str:
    """``0.034`` as ``3.4 %``; None as "none"."""
    return "none" if fraction is None else f"{fraction * 100:.1f} %"


@dataclass(frozen=True, slots=True)
class EstimateLine:
    """An estimate in its own unit, worded."""

    scenario: str
    load: str
    plane: str
    metric: str
    component: str
    figure: Figure
    interval: str
    blocks: str


def estimate_lines(run: Run) -> list[EstimateLine]:
    """Every absolute estimate of the run."""
    return [
        EstimateLine(
            row.scenario, row.load, row.dataplane, metric_text(row.metric).label, row.component,
            Figure(quantity(row.value, row.unit), row.estimate), interval(row.bounds, row.unit),
            f"{row.blocks}" + (f" (+{row.void} void)" if row.void else ""),
        )
        for row in run.estimates if row.against is None
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class TargetLine:
    """A target and what became of it, worded."""

    id: str
    text: str
    where: str
    bound: str
    found: str
    equality: str
    floor: str
    outcome: str


def target_lines(run: Run) -> list[TargetLine]:
    """Targets with outcomes; a quick run's are not judged."""
    return [
        TargetLine(
            row.id, row.text, _where(row), f"{row.direction} {ratio(row.bound)}", _found(row),
            equality(row.equal), percent(row.floor), "not judged" if run.indicative else row.outcome,
        )
        for row in run.targets
    ]  # fmt: skip


def _where(row: TargetRow) -> str:
    here = f"{row.scenario}, {row.load}"
    if row.against_scenario is None and row.against_load is None:
        return here
    return f"{here}, against {row.against_scenario or row.scenario}, {row.against_load or row.load}"


def _found(row: TargetRow) -> str:
    return ratio(row.estimate) if row.bounds is None else f"{ratio(row.estimate)} ({ratio_interval(row.bounds)})"


def empty_loads(run: Run, scenario: ScenarioRow) -> list[tuple[str, str]]:
    """Loads of which no figure is left, and why."""
    measured = {row.load for row in run.estimates if row.scenario == scenario.name}
    lines = []
    for load in scenario.loads:
        if load.name not in measured:
            void = any(f"{scenario.name}/{load.name}" in re.split(r"[ ,]", row.cell) for row in run.voids)
            lines.append((load.name, "void in every block" if void else "no block has a figure"))
    return lines


def _request(path: str | None, headers: Sequence[tuple[str, str]]) -> str:
    return (path or "") + "".join(f" with {name}: {value}" for name, value in headers)


def load_lines(scenario: ScenarioRow) -> list[tuple[str, str, str]]:
    """Name, what is offered, and how, of each load."""
    lines = []
    for load in scenario.loads:
        how = [f"IPv{load.family}" if load.family else "", f"{load.connections} connections" if load.connections else ""]
        how += [f"{load.arrivals} arrivals" if load.arrivals and load.rate else "", _request(load.path, load.headers)]
        how += [f"of which {digits(part.percent)} % {_request(part.path, part.headers)}" for part in load.mix]
        how += [
            f"{digits(load.seconds)} s" if load.seconds else "",
            f"after {digits(load.warmup)} s of warm-up" if load.warmup else "",
        ]
        lines.append((load.name, offered(load), ", ".join(part for part in how if part)))
    return lines
