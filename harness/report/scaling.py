"""How cost grows, in words and tables: the lines of ``meshproof scale``, and what data planes cost beside each other there."""

import math
from dataclasses import dataclass
from itertools import groupby

from harness.report.metrics import METRICS, metric_text
from harness.report.quantity import digits, interval, quantity, ratio, ratio_interval
from harness.report.run import EstimateRow, Run
from harness.report.scaling_rows import FitRow

ONE = {"pods": "a pod", "policy entries": "an entry"}
PARTS = ("pss", "bpf_memory")
"""What ``memory`` is the sum of: in tables, not in pictures of their own."""

UNTESTED = "Services: how cost grows with their number is not measured yet."


@dataclass(frozen=True, slots=True)
class FitLine:
    """A fit as a row of a table, in words."""

    fit: FitRow
    metric: str
    each: str
    each_interval: str
    before: str
    before_interval: str
    residual: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of a data plane in a scenario that compares some, in words; ``times`` the first one's."""

    dataplane: str
    metric: str
    figure: str
    times: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A scenario of a scaling run with its rows."""

    name: str
    title: str
    why: str
    fits: list[FitLine]
    compared: list[Compared]


def subjects(run: Run) -> list[Subject]:
    """Every scenario, in the run's order."""
    return [
        Subject(
            scenario.name, scenario.title, scenario.why,
            [fit_line(fit) for fit in run.fits if fit.scenario == scenario.name],
            _compared(run, scenario.name) if scenario.vary == "dataplane" else [],
        )
        for scenario in run.scaling
    ]  # fmt: skip


def fit_line(fit: FitRow) -> FitLine:
    """What one more costs, what there is before the first, and how far the worst point lies from that."""
    return FitLine(
        fit, metric_text(fit.metric).label,
        f"{quantity(fit.slope, fit.unit)} {ONE.get(fit.x, f'for one more of {fit.x}')}",
        interval(_bounds(fit.slope_low, fit.slope_high, fit.level), fit.unit),
        quantity(fit.intercept, fit.unit), interval(_bounds(fit.intercept_low, fit.intercept_high, fit.level), fit.unit),
        residual(fit), verdict(fit),
    )  # fmt: skip


def verdict(fit: FitRow) -> str:
    """Whether there is a line. Two points always lie on one."""
    if not fit.level:
        return "too few figures"
    if len(fit.x_values) < 3:
        return "two points only"
    return "a line" if fit.line else "no line"


def residual(fit: FitRow) -> str:
    """Of the worst point: ``4.1 % (+1.2 MiB) at 40``."""
    if fit.residual_share is None or fit.residual_max is None or fit.residual_at is None:
        return "unbounded" if fit.level else "none"
    sign = "-" if fit.residual_max < 0 else "+"
    away = f"{sign}{quantity(abs(fit.residual_max), fit.unit)}"
    return f"{digits(100 * fit.residual_share)} % ({away}) at {fit.residual_at:,g}"


def pictured(run: Run) -> list[list[FitRow]]:
    """The fits that share a picture: of one metric over one thing that grows. What is always 0 has none."""
    shown = [fit for fit in run.fits if fit.level and fit.metric not in PARTS and any(map(any, fit.values))]
    order = {name: place for place, name in enumerate(METRICS)}

    def key(fit: FitRow) -> tuple[str, int, str]:
        return fit.x, order.get(fit.metric, len(order)), fit.metric

    ordered = sorted(shown, key=lambda fit: (fit.x != "pods", *key(fit)))
    return [list(together) for _, together in groupby(ordered, key=key)]


def scaling_text(run: Run) -> list[str]:
    """A line a fit, for a terminal; the parts of memory are left to the report."""
    lines = []
    for subject in subjects(run):
        lines.append(f"{subject.title} ({subject.name})")
        for row in subject.fits:
            if row.fit.metric not in PARTS:
                head = f"  {row.fit.dataplane}, {row.fit.condition}: {row.metric}"
                sum_ = f"{row.before} - {row.each[1:]}" if row.each.startswith("-") else f"{row.before} + {row.each}"
                lines.append(f"{head}: {sum_} ({row.each_interval}); worst point {row.residual}: {row.verdict}")
        lines += [
            f"  {row.dataplane}: {row.metric} {row.figure}{', ' * bool(row.times)}{row.times}" for row in subject.compared
        ]
    return lines


def _bounds(low: float | None, high: float | None, level: float | None) -> tuple[float, float] | None:
    if not level:
        return None
    return -math.inf if low is None else low, math.inf if high is None else high


def _compared(run: Run, scenario: str) -> list[Compared]:
    rows = [row for row in run.estimates if row.scenario == scenario and not row.component]
    against = {(row.dataplane, row.metric): row for row in rows if row.against is not None}
    return [
        Compared(row.dataplane, metric_text(row.metric).label, _figure(row), _times(against.get((row.dataplane, row.metric))))
        for row in rows
        if row.against is None
    ]


def _figure(row: EstimateRow) -> str:
    within = f" ({interval(row.bounds, row.unit)})" if row.bounds else ""
    return f"{quantity(row.value, row.unit)}{within}"


def _times(row: EstimateRow | None) -> str:
    if row is None:
        return ""
    within = f" ({ratio_interval(row.bounds)})" if row.bounds else ""
    return f"{ratio(row.value)} times {row.against}{within}"
