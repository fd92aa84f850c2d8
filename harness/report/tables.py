"""What stands in the report's tables, worded; the template only lays it out."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.lookup import Cell, Figures
from harness.report.metrics import HEADLINE, metric_text
from harness.report.quantity import digits, interval, quantity, ratio, ratio_interval
from harness.report.run import ConformanceRow, EstimateRow, NoiseRow, Run, ScenarioRow, TargetRow
from harness.report.sentences import distinguishable, equality, offered


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure in a table: ``text``, below it ``note``; ``value`` sorts it."""

    text: str
    note: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Glance:
    """The headline figures of one scenario: a column a metric, a row a plane."""

    columns: list[tuple[str, str]]
    rows: list[tuple[str, list[Figure]]]


def glance(figures: Figures, scenario: ScenarioRow) -> Glance:
    """Medians with their ratios to the run's first plane."""
    cells = [(metric, cell) for metric in (*HEADLINE, "pss") if (cell := figures.main_cell(scenario, metric)) is not None]
    columns = [(metric_text(metric).label, cell.load.name) for metric, cell in cells]
    base = figures.planes[0]
    rows = [(plane, [_glance_figure(figures, cell, plane, base, metric) for metric, cell in cells]) for plane in figures.planes]
    return Glance(columns, rows)


def _glance_figure(figures: Figures, cell: Cell, plane: str, base: str, metric: str) -> Figure:
    row = figures.absolute(cell, plane, metric)
    if row is None:
        return Figure("not measured")
    against = figures.ratio(cell, plane, base, metric)
    note = "" if against is None else f"{ratio(against.estimate)} times {base}"
    return Figure(quantity(row.estimate, row.unit), note, row.estimate)


@dataclass(frozen=True, slots=True)
class RatioLine:
    """A paired ratio, worded. ``headline`` ones are also printed on paper."""

    scenario: str
    load: str
    metric: str
    pair: str
    equality: str
    ratio: Figure
    interval: str
    level: str
    floor: str
    effect: str
    headline: bool


def ratio_lines(figures: Figures) -> list[RatioLine]:
    """Every paired ratio of the run, in the run's order."""
    main = {
        (scenario.name, cell.load.name, metric)
        for scenario in figures.run.scenarios
        for metric in HEADLINE
        if (cell := figures.main_cell(scenario, metric)) is not None
    }
    lines = []
    for scenario in figures.run.scenarios:
        for row in figures.run.estimates:
            load = scenario.load(row.load)
            if row.scenario != scenario.name or load is None or row.against is None or row.component:
                continue
            noise = figures.noise(Cell(scenario, load), row.metric)
            headline = (scenario.name, load.name, row.metric) in main
            lines.append(_ratio_line(row, noise, headline, figures.run.indicative))
    return lines


def _ratio_line(row: EstimateRow, noise: NoiseRow | None, headline: bool, indicative: bool) -> RatioLine:
    effect = "" if indicative else "not distinguishable"
    if not indicative and row.estimate and distinguishable(row, noise):
        better = (row.estimate < 1) == metric_text(row.metric).lower_is_better
        effect = "better" if better else "worse"
    return RatioLine(
        scenario=row.scenario,
        load=row.load,
        metric=metric_text(row.metric).label,
        pair=f"{row.dataplane} / {row.against}",
        equality=equality(row.equal_features),
        ratio=Figure(ratio(row.estimate), "", row.estimate),
        interval=ratio_interval(row.low, row.high) or "none: too few blocks",
        level=percent(row.level),
        floor=percent(noise.floor if noise else None),
        effect=effect,
        headline=headline,
    )


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
            Figure(quantity(row.estimate, row.unit), "", row.estimate), interval(row.low, row.high, row.unit),
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
            row.id, row.text, f"{row.scenario}, {row.load}", _bound(row), _found(row),
            equality(row.equal), percent(row.floor), "not judged" if run.indicative else row.outcome,
        )
        for row in run.targets
    ]  # fmt: skip


def _bound(row: TargetRow) -> str:
    return f"{row.direction.replace('_', ' ')} {ratio(row.bound)}"


def _found(row: TargetRow) -> str:
    within = ratio_interval(row.low, row.high)
    return ratio(row.estimate) + (f" ({within})" if within else "")


@dataclass(frozen=True, slots=True)
class Probe:
    """A matrix's cell: what a plane did with a flow over all blocks."""

    outcome: str
    observed: str
    note: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """The reachability matrix of a scenario: a row a flow (with what is expected), a column a plane."""

    planes: list[str]
    rows: list[tuple[str, str, list[Probe | None]]]


def matrix(run: Run, scenario: ScenarioRow) -> Matrix:
    """Expected against observed, with each plane's own evidence."""
    rows = [row for row in run.conformance if row.scenario == scenario.name]
    planes = [plane.name for plane in run.dataplanes if any(row.dataplane == plane.name for row in rows)]
    flows = dict.fromkeys((row.source, row.destination, row.port, row.family, row.expected) for row in rows)
    lines = []
    for flow in flows:
        same = [row for row in rows if (row.source, row.destination, row.port, row.family, row.expected) == flow]
        probes = [_probe([row for row in same if row.dataplane == plane]) for plane in planes]
        source, destination, port, family, expected = flow
        lines.append((f"{source} → {destination}:{port}, IPv{family}", expected, probes))
    return Matrix(planes, lines)


def _probe(rows: Sequence[ConformanceRow]) -> Probe | None:
    """The worst outcome over the blocks, and how often it came."""
    if not rows:
        return None
    rank = {"fail": 0, "error": 1, "unsupported": 2, "pass": 3}
    worst = min(rows, key=lambda row: rank[row.outcome])
    same = [row for row in rows if row.outcome == worst.outcome]
    counted = "" if len(same) == len(rows) else f" in {len(same)} of {len(rows)} blocks"
    notes = [note for note in (worst.evidence, worst.reason if worst.outcome != "pass" else None) if note]
    return Probe(worst.outcome, (worst.observed or "nothing") + counted, "; ".join(notes))


@dataclass(frozen=True, slots=True)
class SupportTable:
    """A row a feature, a column a plane: the answer, and how it denies or why not."""

    planes: list[str]
    rows: list[tuple[str, list[Figure]]]


def support_table(run: Run) -> SupportTable:
    """What each plane says it supports, with reasons."""
    features = dict.fromkeys(feature for plane in run.dataplanes for feature in plane.supports)
    rows = []
    for feature in features:
        cells = []
        for plane in run.dataplanes:
            said = plane.supports.get(feature)
            note = "" if said is None else said.reason or (f"denies: {said.denies}" if said.denies else "")
            cells.append(Figure("not asked" if said is None else said.answer, note))
        rows.append((feature, cells))
    return SupportTable([plane.name for plane in run.dataplanes], rows)


def load_lines(scenario: ScenarioRow) -> list[tuple[str, str, str]]:
    """Name, what is offered, and how, of each load."""
    lines = []
    for load in scenario.loads:
        how = [f"IPv{load.family}" if load.family else "", f"{load.connections} connections" if load.connections else ""]
        how += [f"{load.arrivals} arrivals" if load.arrivals and load.rate else "", load.path or ""]
        how += [
            f"{digits(load.seconds)} s" if load.seconds else "",
            f"after {digits(load.warmup)} s of warm-up" if load.warmup else "",
        ]
        lines.append((load.name, offered(load), ", ".join(part for part in how if part)))
    return lines
