"""What a request costs the kernel: context switches, system calls, traversals of the network stack."""

from harness.report.lookup import Cell, Figures
from harness.report.metrics import metric_text
from harness.report.plots.canvas import Plot, canvas, finish
from harness.report.plots.rows import Row, draw_rows
from harness.report.quantity import digits
from harness.report.samples import Samples

EVENTS = ("context_switches", "syscalls", "stack_traversals")


def events_plot(key: str, figures: Figures, cell: Cell, samples: Samples) -> Plot:
    """Kernel events per request, a panel each; those that no meter could read are left out (and named in the report)."""
    metrics = [metric for metric in EVENTS if cell in figures.cells(cell.scenario, metric)]
    figure, panels = canvas(len(metrics), rows=len(figures.planes))
    said = []
    for axes, metric in zip(panels, metrics, strict=True):
        where = (cell.scenario.name, cell.load.name)
        rows = [
            Row(plane, figures.absolute(cell, plane, metric), samples.blocks(*where, plane, metric)) for plane in figures.planes
        ]
        draw_rows(axes, rows, "1", metric_text(metric).label, better="less is better")
        said += [f"{row.plane} {digits(row.estimate.estimate or 0)} {metric_text(metric).noun}" for row in rows if row.estimate]
    caption = f"Load {cell.load.name}: counted by cgroup over client, server and the data plane's own processes."
    return finish(key, "What a request costs the kernel", caption, "; ".join(said) + ".", figure)
