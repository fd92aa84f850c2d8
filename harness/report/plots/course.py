"""The course of a figure over runs: a small panel a data plane, so that no line lies on another."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.report.plots.canvas import Plot, canvas, colour, finish
from harness.report.quantity import quantity, ratio, scale_for

_PANEL = 0.95  # inches


@dataclass(frozen=True, slots=True)
class Stop:
    """A figure of one run; ``low`` and ``high`` are NaN where it has no interval."""

    started: str
    estimate: float
    low: float
    high: float


def course_plot(key: str, name: str, unit: str, against: str | None, lines: Sequence[tuple[str, Sequence[Stop]]]) -> Plot:
    """Each plane's figure, run after run in the order of time; the runs of all planes share the axis."""
    moments = sorted({stop.started for _, stops in lines for stop in stops})
    places = {moment: place for place, moment in enumerate(moments)}
    shown = [_finite(stops) for _, stops in lines]
    largest = max((stop.estimate for stops in shown for stop in stops), default=1.0)
    figure, panels = canvas(_PANEL, ["000 ms"], len(lines), top=0.24, right=0.15)
    for axes, (plane, _), stops in zip(panels, lines, shown, strict=True):
        _panel(axes, plane, [(places[stop.started], stop) for stop in stops], against)
        scale = scale_for(unit, largest)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _, scale=scale: f"{value / scale.factor:.4g}{scale.suffix}"))
        axes.set_xlim(-0.5, len(moments) - 0.5)
        marked = sorted({0, len(moments) - 1} | ({len(moments) // 2} if len(moments) > 8 else set()))
        axes.set_xticks(marked, [moments[place][:10] for place in marked])
        labels = axes.get_xticklabels()
        labels[0].set_horizontalalignment("left")
        if len(labels) > 1:
            labels[-1].set_horizontalalignment("right")
    said = "; ".join(_told(plane, stops, unit, against) for (plane, _), stops in zip(lines, shown, strict=True))
    times = f"Times {against}, within each run." if against else "Of different times: the machine's mood is in it."
    caption = f"{times} Runs in the order of time, evenly spaced. Bar: interval; hollow: too few blocks for one."
    return finish(key, name, caption, said, figure)


def _finite(stops: Sequence[Stop]) -> list[Stop]:
    return [stop for stop in stops if math.isfinite(stop.estimate)]


def _panel(axes: Axes, plane: str, stops: Sequence[tuple[int, Stop]], against: str | None) -> None:
    ink = colour(plane)
    axes.set_title(plane, color=ink, fontsize=8.5, pad=3)
    axes.plot([place for place, _ in stops], [stop.estimate for _, stop in stops], color=ink, linewidth=0.9, alpha=0.6)
    sure = [(place, stop) for place, stop in stops if math.isfinite(stop.low)]
    axes.vlines(
        [place for place, _ in sure],
        [stop.low for _, stop in sure],
        [stop.high if math.isfinite(stop.high) else stop.estimate for _, stop in sure],
        color=ink, linewidth=1.1, alpha=0.55,
    )  # fmt: skip
    size = 4 if len(stops) < 60 else 2
    unsure = [(place, stop) for place, stop in stops if not math.isfinite(stop.low)]
    axes.plot([place for place, _ in sure], [stop.estimate for _, stop in sure], "o", color=ink, markersize=size)
    axes.plot(
        [place for place, _ in unsure], [stop.estimate for _, stop in unsure], "o", color=ink, markersize=size, fillstyle="none"
    )
    if against and axes.get_ylim()[0] < 1 < axes.get_ylim()[1]:
        axes.axhline(1.0, color="#555555", linewidth=0.9)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelsize=8)
    axes.grid(axis="y")


def _told(plane: str, stops: Sequence[Stop], unit: str, against: str | None) -> str:
    if not stops:
        return f"{plane}: no answer in any run"

    def said(value: float) -> str:
        return f"{ratio(value)} times" if against else quantity(value, unit)

    values = [stop.estimate for stop in stops]
    return f"{plane}: {len(values)} runs, {said(min(values))} to {said(max(values))}, {said(values[-1])} in the newest"
