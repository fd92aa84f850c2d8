"""Paired ratios to one plane in one scenario, on a log axis around 1, grouped by metric."""

import math

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from harness.report.lookup import Cell, Figures
from harness.report.metrics import HEADLINE, metric_text
from harness.report.plots.canvas import FAINT, INK, Plot, canvas, colour, finish, name_rows, tip
from harness.report.plots.rows import told
from harness.report.quantity import ratio, ratio_interval
from harness.report.run import EstimateRow, ScenarioRow

_TICKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
_FINE_TICKS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0)


def ratios_plot(key: str, figures: Figures, scenario: ScenarioRow, against: str) -> Plot | None:
    """Every plane's headline ratios to ``against``; the grey band is the noise floor. None where there is no ratio."""
    groups = _groups(figures, scenario, against)
    if not groups:
        return None
    count = sum(len(rows) + 1 for _, _, rows in groups)
    figure, (axes,) = canvas(0.205 * count, figures.planes, right=0.5)
    axes.set_xscale("log")
    bounds, ticks, place = [1.0], [], 0
    for metric, cell, rows in groups:
        axes.text(
            0.0,
            place,
            f" {metric_text(metric).label}",
            transform=axes.get_yaxis_transform(),
            va="center",
            color=INK,
            weight="bold",
        )
        noise = figures.noise(cell, metric)
        if noise is not None and noise.floor:
            span = [place + 0.5, place + len(rows) + 0.5]
            axes.fill_betweenx(span, max(1 - noise.floor, 0.01), 1 + noise.floor, color=FAINT, linewidth=0)
        for row in rows:
            place += 1
            ink = colour(row.dataplane)
            middle = row.estimate or 1.0
            low, high = (bound if 0 < bound < math.inf else middle for bound in row.bounds or (middle, middle))
            axes.plot([low, high], [place, place], color=ink, linewidth=3.5, solid_capstyle="butt")
            (mark,) = axes.plot([middle], [place], "o", color=ink, markersize=4)
            tip(
                mark,
                f"{row.dataplane}: {metric_text(metric).noun} {ratio(row.estimate)} times "
                f"({ratio_interval(row.bounds)}), {told(row)}",
            )
            words = ratio(row.estimate)
            axes.text(1.01, place, words, transform=axes.get_yaxis_transform(), va="center", color=ink, weight="bold")
            bounds += [low, high]
            ticks.append((place, row.dataplane))
        place += 1
    axes.set_xlim(min([0.8, *bounds]) * 0.9, max([1.25, *bounds]) * 1.1)
    axes.axvline(1.0, color="#555555", linewidth=0.9)
    names = [plane for _, plane in ticks]
    name_rows(axes, names, names, [at for at, _ in ticks])
    axes.xaxis.set_major_locator(FixedLocator(_FINE_TICKS if max(bounds) < 2.2 and min(bounds) > 0.45 else _TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(axis="x")
    axes.set_xlabel(f"times {against}, log scale")
    said = "; ".join(
        f"{row.dataplane} {metric_text(metric).noun} {ratio(row.estimate)} times" for metric, _, rows in groups for row in rows
    )
    caption = f"Medians of the ratios within each block; {against} is 1. Bar: interval. Grey band: noise floor."
    return finish(key, f"{scenario.title}: times {against}", caption, said, figure)


def _groups(figures: Figures, scenario: ScenarioRow, against: str) -> list[tuple[str, Cell, list[EstimateRow]]]:
    groups = []
    for metric in HEADLINE:
        cell = figures.main_cell(scenario, metric)
        if cell is None:
            continue
        found = [figures.ratio(cell, plane, against, metric) for plane in figures.planes]
        rows = [row for row in found if row is not None and row.estimate and row.estimate > 0]
        if rows:
            groups.append((metric, cell, rows))
    return groups
