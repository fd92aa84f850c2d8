"""Latency: percentile curves from histograms, and p50 and p99 with their intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from harness.report.lookup import Cell, Figures
from harness.report.metrics import metric_text
from harness.report.plots.canvas import ROW, Plot, canvas, colour, finish
from harness.report.plots.rows import Row, draw_rows
from harness.report.quantity import quantity, scale_for
from harness.report.samples import Counted, Samples, merge, percentiles

_TICKS = (0.5, 0.9, 0.99, 0.999, 0.9999)
# Dashes let a curve be seen that lies on another.
_DASHES: dict[str, tuple[int, tuple[float, ...]]] = {"ebpf": (0, (5.0, 2.0)), "ebpf-sockmap": (0, (1.5, 1.5))}
_BEYOND = 10  # a percentile is drawn only where at least so many requests were slower


def curve_plot(key: str, cell: Cell, histograms: Mapping[str, Sequence[Counted]], offered: str) -> Plot:
    """Latency by percentile; ``histograms`` holds each plane's blocks. Faint: single blocks, strong: all."""
    figure, (axes,) = canvas(2.9, ["100 ms"])
    ends: list[tuple[str, float, float]] = []
    for plane, blocks in histograms.items():
        for block in blocks if len(blocks) > 1 else ():
            axes.plot(*_curve(block), color=colour(plane), linewidth=0.7, alpha=0.22)
        place, latency = _curve(merge(list(blocks)))
        axes.plot(place, latency, color=colour(plane), linewidth=1.9, linestyle=_DASHES.get(plane, "-"))
        ends.append((plane, float(place[-1]), float(latency[-1])))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _axis_time(value)))
    right = max(end[1] for end in ends)
    marks = [tick for tick in _TICKS if _nines(tick) <= right + 0.01]
    axes.set_xticks([_nines(tick) for tick in marks], [f"{tick * 100:g} %" for tick in marks])
    axes.set_xlim(0, right * 1.42)
    axes.set_xlabel("percentile of requests (each step to the right is ten times rarer)", fontsize=8.5)
    axes.grid(True)
    _label_ends(axes, ends)
    said = ", ".join(
        f"{plane} {quantity(float(percentiles(merge(list(b)), np.array([0.5]))[0]), 's')}" for plane, b in histograms.items()
    )
    caption = (
        f"Latency from the intended send time, {offered}, log scale. Strong line: all blocks together; faint: single blocks. "
        f"Curves end where fewer than {_BEYOND} requests were slower."
    )
    return finish(key, f"Latency by percentile, {cell.load.name}", caption, f"Medians read off the curves: {said}.", figure)


def _axis_time(seconds: float) -> str:
    scale = scale_for("s", seconds)
    return f"{seconds / scale.factor:g} {scale.unit}"


def _nines(fraction: float) -> float:
    return float(-np.log10(1.0 - fraction))


def _curve(counted: Counted) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    total = int(counted[1].sum())
    last = max(_nines(1 - min(_BEYOND / total, 0.5)), _nines(0.5))
    place: npt.NDArray[np.float64] = np.linspace(_nines(0.05), last, 80)
    return place, percentiles(counted, 1.0 - 10.0**-place)


def _label_ends(axes: Axes, ends: list[tuple[str, float, float]]) -> None:
    """Name each curve at its right end, pushed apart so that names never lie on one another."""
    low, high = (np.log10(bound) for bound in axes.get_ylim())
    gap = 0.062
    wanted = sorted(((np.log10(y) - low) / (high - low), plane, x, y) for plane, x, y in ends)
    heights = [item[0] for item in wanted]
    for index in range(1, len(heights)):
        heights[index] = max(heights[index], heights[index - 1] + gap)
    over = max(0.0, heights[-1] - 0.98)
    for index in range(len(heights) - 1, -1, -1):
        ceiling = heights[index] - over if index == len(heights) - 1 else heights[index + 1] - gap
        heights[index] = min(heights[index], ceiling)
    right = max(x for _, _, x, _ in wanted)
    for height, (_, plane, x, y) in zip(heights, wanted, strict=True):
        text_at = (right * 1.06, 10 ** (low + height * (high - low)))
        line = {"arrowstyle": "-", "color": colour(plane), "linewidth": 0.7, "shrinkA": 1, "shrinkB": 1, "relpos": (0, 0.5)}
        axes.annotate(plane, (x, y), text_at, va="center", color=colour(plane), weight="bold", arrowprops=line)


def dots_plot(key: str, figures: Figures, cell: Cell, samples: Samples, offered: str) -> Plot:
    """p50 and p99 of every plane with intervals."""
    metrics = [name for name in ("latency_p50", "latency_p99") if cell in figures.cells(cell.scenario, name)]
    figure, panels = canvas(ROW * len(figures.planes), figures.planes, len(metrics), top=0.28)
    said = []
    for axes, metric in zip(panels, metrics, strict=True):
        rows = [
            Row(plane, figures.absolute(cell, plane, metric), samples.blocks(cell.scenario.name, cell.load.name, plane, metric))
            for plane in figures.planes
        ]
        draw_rows(axes, rows, "s", metric_text(metric).label, better="less is better")
        said += [f"{row.plane} {metric_text(metric).noun} {quantity(row.estimate.value, 's')}" for row in rows if row.estimate]
    caption = f"Medians over blocks, {offered}. Thick bar: interval; thin ticks: single blocks."
    return finish(key, f"p50 and p99, {cell.load.name}", caption, "; ".join(said) + ".", figure)
