"""Paired ratios of one pair of planes in one scenario, on a log axis around 1."""

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from harness.report.lookup import Figures
from harness.report.metrics import HEADLINE, metric_text
from harness.report.plots.canvas import FAINT, Plot, canvas, colour, finish
from harness.report.quantity import ratio
from harness.report.run import ScenarioRow

_TICKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


def ratios_plot(key: str, figures: Figures, scenario: ScenarioRow, against: str) -> Plot | None:
    """Every plane's headline ratios to ``against``; the grey band is the noise floor. None where there is no ratio."""
    rows = []
    for metric in HEADLINE:
        for cell in figures.cells(scenario, metric)[:1]:
            for plane in figures.planes:
                found = figures.ratio(cell, plane, against, metric)
                if found is not None and found.estimate:
                    rows.append((metric, plane, found, figures.noise(cell, metric)))
    if not rows:
        return None
    figure, (axes,) = canvas(height=0.8 + 0.235 * len(rows))
    axes.set_xscale("log")
    for place, (_, plane, row, noise) in enumerate(rows):
        if noise is not None and noise.floor:
            axes.fill_betweenx([place - 0.5, place + 0.5], 1 / (1 + noise.floor), 1 + noise.floor, color=FAINT, linewidth=0)
        if row.low and row.high:
            axes.plot([row.low, row.high], [place, place], color=colour(plane), linewidth=3, solid_capstyle="butt")
        axes.plot([row.estimate], [place], "o", color=colour(plane), markersize=4.5)
        axes.text(
            1.01,
            place,
            ratio(row.estimate),
            transform=axes.get_yaxis_transform(),
            va="center",
            color=colour(plane),
            weight="bold",
        )
    values = [bound for _, _, row, _ in rows for bound in (row.estimate, row.low, row.high) if bound]
    axes.set_xlim(min([0.8, *values]) * 0.9, max([1.25, *values]) * 1.1)
    axes.axvline(1.0, color="#555555", linewidth=0.9)
    labels = [f"{metric_text(metric).label}  {plane}" for metric, plane, *_ in rows]
    axes.set_yticks(range(len(rows)), labels, fontsize=8)
    for label, (_, plane, *_rest) in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(colour(plane))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_locator(FixedLocator(_TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(axis="x")
    axes.set_xlabel(f"times {against}, log scale")
    said = "; ".join(f"{plane} {metric_text(metric).noun} {ratio(row.estimate)} times" for metric, plane, row, _ in rows)
    caption = f"Medians of the ratios within each block, {against} = 1. Bar: interval. Grey: below the noise floor."
    return finish(key, f"Times {against}", caption, said, figure)
