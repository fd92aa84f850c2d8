"""One metric of one load as a panel: throughput, bulk transfer, kernel events per request."""

from harness.report.lookup import Cell, Figures
from harness.report.metrics import metric_text
from harness.report.plots.canvas import ROW, WIDTH, Plot, canvas, finish
from harness.report.plots.rows import Row, draw_rows
from harness.report.quantity import quantity
from harness.report.samples import Samples

_TITLES = {
    ("throughput", "maximum"): "Most requests a second",
    ("throughput", "closed"): "Most requests a second, our own generator",
    ("throughput", "blocking"): "Most requests a second, blocking clients",
    ("throughput", "connections"): "Most requests a second, a new connection each",
    ("capacity", "capacity"): "Requests a second within the objective",
    ("bulk", "bulk"): "One TCP stream, as fast as it goes",
}
_NOTES = {
    "capacity": "The highest rate at which the objective held, to the width of the search. ",
    "context_switches": "Of client, server and the data plane's own processes. ",
    "syscalls": "Of client, server and the data plane's own processes. ",
    "stack_traversals": "Packets handed to a network device or taken from one, in pods and nodes. ",
}


def rate_plot(key: str, figures: Figures, cell: Cell, samples: Samples, metric: str, *, width: float = WIDTH) -> Plot:
    """The metric on every plane with intervals."""
    where = (cell.scenario.name, cell.load.name)
    rows = [
        Row(plane, figures.absolute(cell, plane, metric), samples.blocks(*where, plane, metric)) for plane in figures.planes
    ]
    unit = next((row.estimate.unit for row in rows if row.estimate is not None), "1")
    title = _TITLES.get((metric, cell.load.kind), metric_text(metric).label)
    figure, (axes,) = canvas(ROW * len(rows), figures.planes, width=width)
    draw_rows(axes, rows, unit, "", better="less is better" if metric_text(metric).lower_is_better else "more is better")
    said = ", ".join(f"{row.plane} {quantity(row.estimate.value, unit)}" for row in rows if row.estimate)
    caption = f"Load {cell.load.name}. {_NOTES.get(metric, '')}Medians; thick bar: interval; ticks: single blocks."
    return finish(key, title, caption, said, figure)
