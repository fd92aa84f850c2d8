"""Points, the line through them with its band, and beside it how far each point lies from the line."""

import re
from collections.abc import Sequence
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.report.metrics import metric_text
from harness.report.plots.canvas import FAINT, WIDTH, Plot, colour, finish, styled
from harness.report.quantity import Scale, quantity, scale_for
from harness.report.scaling import residual, verdict
from harness.report.scaling_rows import FitRow

_MARKERS = ("o", "s", "^", "D", "v")
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))
_HEIGHT = 2.1  # inches of a panel
_ROW = 0.19  # inches of a name
_BOTTOM, _LEFT, _RIGHT, _BETWEEN = 0.5, 0.62, 0.1, 0.55
_RESIDUALS = 0.28  # of the width


def line_plot(fits: Sequence[FitRow]) -> Plot:
    """All of one metric over one thing that grows; each named in words above, by its colour and its mark."""
    with styled():
        return _drawn(fits)


def _drawn(fits: Sequence[FitRow]) -> Plot:
    first = fits[0]
    metric = metric_text(first.metric)
    scale = scale_for(first.unit, max(value for fit in fits for values in fit.values for value in values))
    names = _ROW * len(fits) + 0.1
    tall = names + _HEIGHT + _BOTTOM
    figure = Figure(figsize=(WIDTH, tall))
    inner = WIDTH - _LEFT - _RIGHT - _BETWEEN
    wide = inner * (1 - _RESIDUALS)
    left = figure.add_axes((_LEFT / WIDTH, _BOTTOM / tall, wide / WIDTH, _HEIGHT / tall))
    right = figure.add_axes(((_LEFT + wide + _BETWEEN) / WIDTH, _BOTTOM / tall, inner * _RESIDUALS / WIDTH, _HEIGHT / tall))
    for place, fit in enumerate(fits):
        mark, dash = _MARKERS[place % len(_MARKERS)], _DASHES[place % len(_DASHES)]
        _line(left, fit, scale, mark, dash)
        _residuals(right, fit, mark)
        high = 1 - (place + 0.5) * _ROW / tall
        figure.text(_LEFT / WIDTH, high, f"{fit.dataplane}, {fit.condition}: {verdict(fit)}", color=colour(fit.dataplane),
                    va="center", weight="bold")  # fmt: skip
        figure.add_artist(
            Line2D([0.45 / WIDTH], [high], marker=mark, color=colour(fit.dataplane), markersize=5, linestyle="none")
        )
    for axes in (left, right):
        axes.set_xlabel(first.x)
        axes.xaxis.set_major_locator(MaxNLocator(4 if axes is left else 2))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.grid(axis="y")
        axes.set_xlim(left=0)
    left.set_ylabel(scale.suffix.strip() or "")
    left.set_ylim(bottom=min(0, left.get_ylim()[0]))
    right.set_title("off the line, %")
    right.axhline(0, color="#555555", linewidth=0.9)
    key = re.sub(r"[^A-Za-z0-9_-]", "-", f"plot-scaling-{first.metric}-{first.x}")
    said = "; ".join(
        f"{fit.dataplane}, {fit.condition}: {quantity(fit.intercept, fit.unit)} and {quantity(fit.slope, fit.unit)} for each, "
        f"worst point {residual(fit)}" for fit in fits
    )  # fmt: skip
    caption = "Marks: repeats. Line: least squares, with its 95 % band. Right: the median of each point, in % of itself."
    return finish(key, f"{metric.label}, by {first.x}", caption, said, figure)


def _line(axes: Axes, fit: FitRow, scale: Scale, mark: str, dash: object) -> None:
    ink = colour(fit.dataplane)
    if fit.intercept is not None and fit.slope is not None:
        xs = [x for x, _, _ in fit.band]
        lows, highs = ([each[bound] / scale.factor for each in fit.band] for bound in (1, 2))
        axes.fill_between(xs, lows, highs, color=ink if fit.line else FAINT, alpha=0.18 if fit.line else 0.6, linewidth=0)
        line = [(fit.intercept + fit.slope * x) / scale.factor for x in xs]
        axes.plot(xs, line, color=ink, linewidth=1.3 if fit.line else 0.6, linestyle=dash)
    points = [(x, value / scale.factor) for x, values in zip(fit.x_values, fit.values, strict=True) for value in values]
    axes.plot([x for x, _ in points], [y for _, y in points], mark, color=ink, markersize=3.5, alpha=0.7)


def _residuals(axes: Axes, fit: FitRow, mark: str) -> None:
    if fit.intercept is None or fit.slope is None:
        return
    middles = [(x, median(values)) for x, values in zip(fit.x_values, fit.values, strict=True) if values]
    away = [(x, 100 * (y - fit.intercept - fit.slope * x) / y) for x, y in middles if y]
    axes.plot([x for x, _ in away], [y for _, y in away], mark, color=colour(fit.dataplane), markersize=4)
