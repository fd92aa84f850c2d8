"""Plots as SVG, one module each. This package imports matplotlib; whoever only reads figures does not need it."""

from collections.abc import Iterator

from harness.report.anchors import plot_key
from harness.report.lookup import Cell, Figures
from harness.report.plots.canvas import Plot, styled
from harness.report.plots.capacity import shares_plot
from harness.report.plots.latency import curve_plot, dots_plot
from harness.report.plots.pictures import pictures
from harness.report.plots.programs import programs_plot
from harness.report.plots.rates import rate_plot
from harness.report.plots.ratios import ratios_plot
from harness.report.plots.stack import stack_plot
from harness.report.run import ScenarioRow
from harness.report.samples import Samples
from harness.report.sentences import offered

_BILLED = "CPU time as billed by cgroup accounting."
_STACKS = (
    ("cpu_per_request", "CPU per request by component", _BILLED),
    ("cpu_ledger_per_request", "Cost ledger by component", "Timed from boundary to boundary, tracing's own time among it."),
    ("cpu_per_gigabyte", "CPU per gigabyte by component", _BILLED),
    ("pss", "Memory of the data plane's processes", "Proportional set size: shared pages are shared out."),
    ("bpf_memory", "Memory of the data plane's BPF programs and maps", "As the kernel counts it."),
)
_BY_LOAD = ("cpu_per_request", "cpu_ledger_per_request")

__all__ = ["Plot", "figure_plots", "first_plots", "ratio_plots"]


def figure_plots(figures: Figures, samples: Samples, scenario: ScenarioRow) -> list[Plot]:
    """Every plot of a scenario that the run has figures for, in reading order; plots that belong together are neighbours."""
    with styled():
        return [*_latency(figures, samples, scenario), *_cost(figures, samples, scenario), *_rates(figures, samples, scenario)]


def ratio_plots(figures: Figures, scenario: ScenarioRow) -> list[Plot]:
    """A plot of paired ratios for each plane that others were compared with."""
    with styled():
        rivals = dict.fromkeys(rival for _, rival in figures.pairs(scenario))
        plots = [ratios_plot(_key(scenario, "times", rival), figures, scenario, rival) for rival in rivals]
        return [plot for plot in plots if plot is not None]


def first_plots(figures: Figures, samples: Samples) -> list[Plot]:
    """The pictures of the first page: at most three."""
    with styled():
        return [draw() for draw in pictures(figures, samples)]


def _key(scenario: ScenarioRow, *parts: str) -> str:
    return plot_key(scenario.name, *parts)


def _latency(figures: Figures, samples: Samples, scenario: ScenarioRow) -> Iterator[Plot]:
    for load in scenario.loads:
        cell = Cell(scenario, load)
        histograms = samples.curves(scenario.name, load.name, figures.planes)
        if histograms:
            yield curve_plot(_key(scenario, load.name, "curve"), cell, histograms, offered(load))
        if cell in figures.cells(scenario, "latency_p50"):
            yield dots_plot(_key(scenario, load.name, "dots"), figures, cell, samples, offered(load))


def _cost(figures: Figures, samples: Samples, scenario: ScenarioRow) -> Iterator[Plot]:
    for metric, title, caption in _STACKS:
        cells = [cell for cell in figures.cells(scenario, metric) if _any(figures, cell, metric)]
        for cell in cells[:1] if metric in ("pss", "bpf_memory") else cells:
            name = f"{title}, {cell.load.name}" if metric in _BY_LOAD else title
            yield stack_plot(_key(scenario, cell.load.name, metric), figures, cell, metric, name, caption)
    for metric in ("context_switches", "syscalls", "stack_traversals"):
        for cell in figures.cells(scenario, metric):
            yield rate_plot(_key(scenario, cell.load.name, metric), figures, cell, samples, metric)
    for cell in figures.cells(scenario, "bpf_run_time")[:1]:
        yield programs_plot(_key(scenario, "programs"), figures, cell)


def _any(figures: Figures, cell: Cell, metric: str) -> bool:
    """Whether any plane has more than nothing of it."""
    rows = [figures.absolute(cell, plane, metric) for plane in figures.planes]
    parts = [row for plane in figures.planes for row in figures.components(cell, plane, metric).values()]
    return any(row is not None and row.estimate for row in (*rows, *parts))


def _rates(figures: Figures, samples: Samples, scenario: ScenarioRow) -> Iterator[Plot]:
    for cell in figures.cells(scenario, "capacity"):
        yield rate_plot(_key(scenario, cell.load.name, "capacity"), figures, cell, samples, "capacity")
        if (plot := shares_plot(_key(scenario, cell.load.name, "shares"), figures, cell)) is not None:
            yield plot
    for metric in ("throughput", "bulk"):
        for cell in figures.cells(scenario, metric):
            yield rate_plot(_key(scenario, cell.load.name, metric), figures, cell, samples, metric)
