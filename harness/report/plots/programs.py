"""Run time of the data planes' BPF programs."""

from harness.report.lookup import Cell, Figures
from harness.report.metrics import metric_text
from harness.report.plots.canvas import ROW, Plot, canvas, colour, end_for, finish, name_rows, tip
from harness.report.quantity import quantity, scale_for


def programs_plot(key: str, figures: Figures, cell: Cell) -> Plot:
    """Time per run of each BPF program of each plane."""
    bars = [
        (plane, name, row.estimate or 0.0)
        for plane in figures.planes
        for name, row in figures.components(cell, plane, "bpf_run_time").items()
    ]
    scale = scale_for("s", max(value for *_, value in bars))
    longest = max(value for *_, value in bars) / scale.factor or 1.0
    figure, (axes,) = canvas(ROW * 1.1 * len(bars), [name for pair in bars for name in pair[:2]])
    for place, (plane, name, value) in enumerate(bars):
        (bar,) = axes.barh(place, value / scale.factor, height=0.6, color=colour(plane))
        tip(bar, f"{name} of {plane}: {quantity(value, 's')} a run")
        axes.text(
            value / scale.factor + 0.02 * longest, place, quantity(value, "s"), va="center", color=colour(plane), weight="bold"
        )
    name_rows(axes, [f"{name}\n{plane}" for plane, name, _ in bars], [plane for plane, *_ in bars])
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlim(0, end_for(axes, [(value / scale.factor, quantity(value, "s")) for *_, value in bars]) or 1.0)
    axes.grid(axis="x")
    axes.set_xlabel(f"{scale.unit} a run, less is better")
    said = ", ".join(f"{name} of {plane} {quantity(value, 's')}" for plane, name, value in bars)
    caption = f"Load {cell.load.name}. The kernel's own statistics (run time over run count), its clock reads included."
    return finish(key, metric_text("bpf_run_time").label, caption, said, figure)
