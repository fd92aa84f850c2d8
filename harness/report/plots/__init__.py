"""Plots as SVG, one module each. This package imports matplotlib; whoever only reads figures does not need it."""

from collections.abc import Iterator

from harness.report.lookup import Cell, Figures
from harness.report.plots.canvas import Plot, styled
from harness.report.plots.events import EVENTS, events_plot
from harness.report.plots.latency import curve_plot, dots_plot
from harness.report.plots.programs import programs_plot
from harness.report.plots.rates import rate_plot
from harness.report.plots.ratios import ratios_plot
from harness.report.plots.stack import stack_plot
from harness.report.run import ScenarioRow
from harness.report.samples import Samples
from harness.report.sentences import offered

__all__ = ["Plot", "scenario_plots"]


def scenario_plots(figures: Figures, samples: Samples, scenario: ScenarioRow) -> list[Plot]:
    """Every plot that the run has figures for, in reading order. A metric without figures has no plot."""
    with styled():
        return [
            *_ratios(figures, scenario),
            *_latency(figures, samples, scenario),
            *_cost(figures, samples, scenario),
            *_rates(figures, samples, scenario),
        ]


def _key(scenario: ScenarioRow, *parts: str) -> str:
    return "-".join(["plot", scenario.name, *parts])


def _ratios(figures: Figures, scenario: ScenarioRow) -> Iterator[Plot]:
    for against in dict.fromkeys(rival for _, rival in figures.pairs(scenario)):
        plot = ratios_plot(_key(scenario, "times", against), figures, scenario, against)
        if plot is not None:
            yield plot


def _latency(figures: Figures, samples: Samples, scenario: ScenarioRow) -> Iterator[Plot]:
    for load in scenario.loads:
        cell = Cell(scenario, load)
        histograms = samples.curves(scenario.name, load.name, figures.planes)
        if histograms:
            yield curve_plot(_key(scenario, load.name, "curve"), cell, histograms, offered(load))
        if cell in figures.cells(scenario, "latency_p50"):
            yield dots_plot(_key(scenario, load.name, "dots"), figures, cell, samples, offered(load))


def _cost(figures: Figures, samples: Samples, scenario: ScenarioRow) -> Iterator[Plot]:
    for cell in figures.cells(scenario, "cpu_per_request"):
        caption = f"CPU time as billed by cgroup accounting, {offered(cell.load)}."
        key = _key(scenario, cell.load.name, "cpu")
        yield stack_plot(key, figures, cell, "cpu_per_request", "CPU per request by component", caption)
    events = [cell for metric in EVENTS for cell in figures.cells(scenario, metric)]
    for load in dict.fromkeys(cell.load.name for cell in events):
        cell = next(cell for cell in events if cell.load.name == load)
        yield events_plot(_key(scenario, load, "events"), figures, cell, samples)
    for cell in figures.cells(scenario, "bpf_run_time")[:1]:
        yield programs_plot(_key(scenario, "programs"), figures, cell)


def _rates(figures: Figures, samples: Samples, scenario: ScenarioRow) -> Iterator[Plot]:
    for metric in ("throughput", "bulk"):
        for cell in figures.cells(scenario, metric):
            yield rate_plot(_key(scenario, cell.load.name, metric), figures, cell, samples, metric)
    for cell in figures.cells(scenario, "pss")[:1]:
        caption = "Proportional set size of the data plane's own processes: shared pages are shared out."
        yield stack_plot(_key(scenario, "pss"), figures, cell, "pss", "Memory of the data plane", caption)
