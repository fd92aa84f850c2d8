"""What users of each plane wait at shares of its own capacity."""

from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from harness.report.capacity import share_cells
from harness.report.lookup import Cell, Figures
from harness.report.metrics import metric_text
from harness.report.plots.canvas import Plot, canvas, colour, finish, marker
from harness.report.quantity import quantity, scale_for

_METRIC = "latency_p99"


def shares_plot(key: str, figures: Figures, cell: Cell) -> Plot | None:
    """p99 over the share of the capacity that is offered, a line a plane; None where no share was measured."""
    curves: dict[str, list[tuple[float, float, str]]] = {}
    for place in share_cells(cell):
        for plane in figures.planes:
            row = figures.absolute(place, plane, _METRIC)
            if row is not None and row.value and place.load.share is not None:
                curves.setdefault(plane, []).append((place.load.share.share * 100, row.value, row.unit))
    if not curves:
        return None
    figure, (axes,) = canvas(2.4, ["100 ms"])
    for plane, points in curves.items():
        axes.plot([x for x, _, _ in points], [y for _, y, _ in points], color=colour(plane), marker=marker(plane), label=plane)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _time(value)))
    shares = sorted({x for points in curves.values() for x, _, _ in points})
    axes.set_xticks(shares, [f"{share:g} %" for share in shares])
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the plane's own capacity that is offered", fontsize=8.5)
    axes.grid(True)
    axes.legend(frameon=False, fontsize=8)
    said = "; ".join(
        f"{plane} " + ", ".join(f"{quantity(y, unit)} at {x:g} %" for x, y, unit in points) for plane, points in curves.items()
    )
    caption = f"{metric_text(_METRIC).label} of single loads, log scale; medians over blocks. A plane's capacity is its own."
    return finish(key, f"Latency at shares of the capacity, {cell.load.name}", caption, said + ".", figure)


def _time(seconds: float) -> str:
    scale = scale_for("s", seconds)
    return f"{seconds / scale.factor:g} {scale.unit}"
