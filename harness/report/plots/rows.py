"""A panel with one row a plane: the estimate, its interval, each block behind it, and the figure in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from harness.report.plots.canvas import colour, marker
from harness.report.quantity import quantity, scale_for
from harness.report.run import EstimateRow

_SPELT = {"/s": "per second"}


@dataclass(frozen=True, slots=True)
class Row:
    """A plane's figure in a panel; ``blocks`` are its values block by block."""

    plane: str
    estimate: EstimateRow | None
    blocks: Sequence[float] = ()


def draw_rows(axes: Axes, rows: Sequence[Row], unit: str, title: str, *, better: str) -> None:
    """Draw the rows on ``axes``, from zero, so that lengths compare; ``better`` says which way is better."""
    tops = [max(_most(row.estimate), *row.blocks, 0.0) for row in rows]
    scale = scale_for(unit, max([*tops, 0.0]))
    largest = max([*tops, 0.0]) / scale.factor or 1.0
    for place, row in enumerate(rows):
        ink = colour(row.plane)
        if row.estimate is None or row.estimate.estimate is None:
            axes.text(0.01 * largest, place, "not measured", va="center", style="italic", color="#555555")
            continue
        value = row.estimate.estimate / scale.factor
        axes.plot([0, value], [place, place], color=ink, linewidth=1.0, alpha=0.35, solid_capstyle="butt")
        blocks = [block / scale.factor for block in row.blocks]
        ticks = [(block, place + end) for block in blocks for end in (-0.17, 0.17, float("nan"))]
        axes.plot([x for x, _ in ticks], [y for _, y in ticks], color=ink, linewidth=1.0, alpha=0.5)
        if row.estimate.low is not None and row.estimate.high is not None:
            ends = [row.estimate.low / scale.factor, row.estimate.high / scale.factor]
            axes.plot(ends, [place, place], color=ink, linewidth=3.0, solid_capstyle="butt")
        axes.plot([value], [place], marker(row.plane), color=ink, markersize=6)
        right = max([value, *blocks, (row.estimate.high or 0.0) / scale.factor])
        words = quantity(row.estimate.estimate, unit)
        axes.annotate(
            words,
            (right, place),
            (8, 0),
            textcoords="offset points",
            va="center",
            color=ink,
            weight="bold",
            annotation_clip=False,
        )
    axes.set_yticks(range(len(rows)), [row.plane for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(colour(row.plane))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlim(0, largest * 1.3)
    axes.grid(axis="x")
    axes.set_title(title)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel(", ".join(part for part in (_SPELT.get(scale.unit, scale.unit), better) if part))


def _most(row: EstimateRow | None) -> float:
    return 0.0 if row is None else max(row.estimate or 0.0, row.high or 0.0)
