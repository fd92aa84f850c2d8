"""A panel with one row a plane: the estimate, its interval, each block behind it, and the figure in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.report.plots.canvas import colour, end_for, marker, name_rows, tip
from harness.report.quantity import Scale, interval, quantity, scale_for
from harness.report.run import EstimateRow

TICKS = 60
"""Blocks that are drawn singly in a row at most."""

_SPELT = {"/s": "per second"}


@dataclass(frozen=True, slots=True)
class Row:
    """A plane's figure in a panel; ``blocks`` are its values block by block."""

    plane: str
    estimate: EstimateRow | None
    blocks: Sequence[float] = ()


def draw_rows(axes: Axes, rows: Sequence[Row], unit: str, title: str, *, better: str) -> None:
    """Draw the rows on ``axes``, from zero, so that lengths compare; ``better`` says which way is better."""
    tops = [max([0.0, *(value for value in _values(row) if math.isfinite(value))]) for row in rows]
    scale = scale_for(unit, max([*tops, 0.0]))
    largest = max([*tops, 0.0]) / scale.factor or 1.0
    ends = [(largest, "")]
    for place, row in enumerate(rows):
        value = None if row.estimate is None else row.estimate.value
        if row.estimate is None or value is None or math.isinf(value):
            axes.text(0.01 * largest, place, quantity(value, unit), va="center", style="italic", color="#555555")
        else:
            ends.append((_draw(axes, place, row, row.estimate, scale), quantity(value, unit)))
    planes = [row.plane for row in rows]
    name_rows(axes, planes, planes)
    axes.set_xlim(0, end_for(axes, ends))
    axes.grid(axis="x")
    axes.set_title(title)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel(", ".join(part for part in (_SPELT.get(scale.unit, scale.unit), better) if part))


def _draw(axes: Axes, place: int, row: Row, estimate: EstimateRow, scale: Scale) -> float:
    """Draw a row; returns how far to the right its marks go."""
    ink = colour(row.plane)
    value = (estimate.value or 0.0) / scale.factor
    axes.plot([0, value], [place, place], color=ink, linewidth=1.0, alpha=0.35, solid_capstyle="butt")
    blocks = [block / scale.factor for block in row.blocks if math.isfinite(block)]
    ticks = [(block, place + end) for block in _spread(blocks) for end in (-0.17, 0.17, math.nan)]
    axes.plot([x for x, _ in ticks], [y for _, y in ticks], color=ink, linewidth=1.0, alpha=0.5)
    ends = [bound / scale.factor for bound in estimate.bounds or () if math.isfinite(bound)]
    axes.plot(ends, [place] * len(ends), color=ink, linewidth=3.0, solid_capstyle="butt")
    (mark,) = axes.plot([value], [place], marker(row.plane), color=ink, markersize=6, clip_on=False)
    tip(
        mark,
        f"{row.plane}: {quantity(estimate.value, estimate.unit)} ({interval(estimate.bounds, estimate.unit)}), "
        f"{told(estimate)}",
    )
    words, right = quantity(estimate.value, estimate.unit), max([value, *blocks, *ends])
    axes.annotate(words, (right, place), (8, 0), textcoords="offset points", va="center", color=ink, weight="bold")
    return right


def _spread(blocks: Sequence[float]) -> Sequence[float]:
    """All blocks, or of very many as many as can be told apart, evenly out of the sorted ones."""
    if len(blocks) <= TICKS:
        return blocks
    rising = sorted(blocks)
    return [rising[round(index * (len(rising) - 1) / (TICKS - 1))] for index in range(TICKS)]


def told(estimate: EstimateRow) -> str:
    """On how many blocks a figure rests, and how sure its interval is."""
    blocks = f"{estimate.blocks} {'block' if estimate.blocks == 1 else 'blocks'}"
    return f"{blocks}, {estimate.level * 100:.0f} % sure" if estimate.level else blocks


def _values(row: Row) -> list[float]:
    if row.estimate is None or row.estimate.value is None:
        return list(row.blocks)
    return [row.estimate.value, *(row.estimate.bounds or ()), *row.blocks]
