"""One metric of one load as a panel: throughput, new connections, bulk transfer."""

from harness.report.lookup import Cell, Figures
from harness.report.metrics import metric_text
from harness.report.plots.canvas import Plot, canvas, finish
from harness.report.plots.rows import Row, draw_rows
from harness.report.quantity import quantity
from harness.report.samples import Samples

_TITLES = {
    ("throughput", "maximum"): "Most requests a second",
    ("throughput", "connections"): "Most requests a second, a new connection each",
    ("bulk", "bulk"): "One TCP stream, as fast as it goes",
}


def rate_plot(key: str, figures: Figures, cell: Cell, samples: Samples, metric: str) -> Plot:
    """The metric on every plane with intervals."""
    where = (cell.scenario.name, cell.load.name)
    rows = [
        Row(plane, figures.absolute(cell, plane, metric), samples.blocks(*where, plane, metric)) for plane in figures.planes
    ]
    unit = next(row.estimate.unit for row in rows if row.estimate is not None)
    title = _TITLES.get((metric, cell.load.kind), metric_text(metric).label)
    figure, (axes,) = canvas(rows=len(rows))
    draw_rows(axes, rows, unit, "", better="less is better" if metric_text(metric).lower_is_better else "more is better")
    said = ", ".join(f"{row.plane} {quantity(row.estimate.estimate, unit)}" for row in rows if row.estimate)
    return finish(
        key, title, f"Load {cell.load.name}. Medians over blocks; thick bar: interval; thin ticks: single blocks.", said, figure
    )
