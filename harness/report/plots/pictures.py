"""The three pictures of a report's first page: latency at both loads, what a request costs, and memory or capacity."""

import math
from collections.abc import Callable, Iterator

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from harness.report.lookup import Cell, Figures
from harness.report.plots.canvas import ROW, Plot, canvas, colour, finish, marker, name_rows, tip
from harness.report.plots.rates import rate_plot
from harness.report.plots.stack import stack_plot
from harness.report.quantity import interval, quantity
from harness.report.run import EstimateRow, ScenarioRow
from harness.report.samples import Samples
from harness.report.sentences import offered
from harness.report.tables import empty_loads

NARROW = 3.6  # inches: three side by side on a wide screen and on paper
_COST = ("cpu_ledger_per_request", "cpu_per_request", "context_switches")
_SIZE = ("capacity", "pss", "throughput")

Drawing = Callable[[], Plot]


def pictures(figures: Figures, samples: Samples) -> Iterator[Drawing]:
    """At most three drawings, each of the first scenario that has most of what they show."""
    scenario = _told(figures)
    if scenario is None:
        return
    loads = figures.cells(scenario, "latency_p50")[:2]
    if loads:
        yield lambda: latency_picture("picture-latency", figures, loads)
    cost = next((cell for metric in _COST if (cell := _found(figures, scenario, metric))), None)
    if cost is not None:
        yield lambda: _cost(figures, samples, *cost)
    size = next((cell for metric in _SIZE if (cell := _found(figures, scenario, metric))), None)
    if size is not None:
        yield lambda: _size(figures, samples, *size)


def latency_picture(key: str, figures: Figures, cells: list[Cell]) -> Plot:
    """p50 and p99 of every plane, a panel a load, on one log axis."""
    rows = [
        (cell, plane, figures.absolute(cell, plane, "latency_p50"), figures.absolute(cell, plane, "latency_p99"))
        for cell in cells
        for plane in figures.planes
    ]
    ends = [bound for *_, half, rare in rows for row in (half, rare) if row for bound in _ends(row)]
    figure, panels = canvas(ROW * len(figures.planes), figures.planes, len(cells), top=0.28, right=0.1, width=NARROW)
    said = []
    for axes, cell in zip(panels, cells, strict=True):
        axes.set_xscale("log")
        axes.set_title(cell.load.name)
        axes.set_xlim(*((min(ends) * 0.8, max(ends) * 5) if ends else (1e-5, 1)))  # room for the words
        for place, (_, plane, half, rare) in enumerate(row for row in rows if row[0] is cell):
            said.append(_latency_row(axes, place, plane, half, rare) + f" in {cell.load.name}")
        name_rows(axes, figures.planes, figures.planes)
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: quantity(value, "s").replace(".00", "").replace(".0", ""))
        )
        axes.grid(axis="x")
    panels[-1].set_xlabel("log scale, less is better")
    told = "; ".join(f"{cell.load.name}: {offered(cell.load)}" for cell in cells)
    told += "".join(f"; {load}: {why}" for load, why in empty_loads(figures.run, cells[0].scenario) if _latency(cells[0], load))
    caption = f"{cells[0].scenario.title}. Filled: p50 with its interval; open: p99. Medians over blocks. {told}."
    return finish(key, "Latency p50 and p99", caption, "; ".join(said) + ".", figure)


def _latency_row(axes: Axes, place: int, plane: str, half: EstimateRow | None, rare: EstimateRow | None) -> str:
    """Draw a plane's row; returns what it shows in words."""
    ink, right = colour(plane), axes.get_xlim()[0]
    known = [(name, row) for name, row in (("p50", half), ("p99", rare)) if row is not None]
    shown = [row.value for _, row in known if row.value is not None and math.isfinite(row.value)]
    axes.plot(shown, [place] * len(shown), color=ink, linewidth=1.0, alpha=0.5)
    for name, row in known:
        value, ends = row.value, _ends(row)
        if value is None or math.isinf(value):
            continue
        if name == "p50":
            axes.plot([ends[0], ends[-1]], [place, place], color=ink, linewidth=3.0, solid_capstyle="butt")
        fill = ink if name == "p50" else "white"
        (mark,) = axes.plot([value], [place], marker(plane), color=ink, markerfacecolor=fill, markersize=5.5)
        tip(mark, f"{plane}: {name} {quantity(value, 's')} ({interval(row.bounds, 's')})")
        right = max(right, value)
    words = " / ".join(quantity(row.value, "s") for _, row in known) or "not measured"
    axes.annotate(words, (right, place), (7, 0), textcoords="offset points", va="center", color=ink, weight="bold", fontsize=8)
    return f"{plane} {' and '.join(f'{name} {quantity(row.value, chr(115))}' for name, row in known) or 'not measured'}"


def _cost(figures: Figures, samples: Samples, cell: Cell, metric: str) -> Plot:
    if metric == "context_switches":
        return rate_plot("picture-cost", figures, cell, samples, metric, width=NARROW)
    ledger = metric == "cpu_ledger_per_request"
    caption = "Every part measured, none by subtraction." if ledger else "CPU time as billed by cgroup accounting."
    return stack_plot("picture-cost", figures, cell, metric, "CPU per request by component", caption, width=NARROW)


def _size(figures: Figures, samples: Samples, cell: Cell, metric: str) -> Plot:
    if metric != "pss":
        return rate_plot("picture-size", figures, cell, samples, metric, width=NARROW)
    caption = "Proportional set size: shared pages are shared out."
    title = "Memory of the data plane's processes"
    return stack_plot("picture-size", figures, cell, metric, title, caption, width=NARROW)


def _latency(cell: Cell, load: str) -> bool:
    found = cell.scenario.load(load)
    return found is not None and found.kind == "latency"


def _told(figures: Figures) -> ScenarioRow | None:
    """The scenario that has most of the three pictures; of several the first."""

    def shown(scenario: ScenarioRow) -> int:
        latency = min(2, len(figures.cells(scenario, "latency_p50")))
        return latency + sum(any(_found(figures, scenario, metric) for metric in each) for each in (_COST, _SIZE))

    scenarios = figures.run.scenarios
    best = max(scenarios, key=shown, default=None)
    return best if best is not None and shown(best) else None


def _found(figures: Figures, scenario: ScenarioRow, metric: str) -> tuple[Cell, str] | None:
    """The first load in which any plane has more than nothing of the metric."""
    for cell in figures.cells(scenario, metric):
        rows = [figures.absolute(cell, plane, metric) for plane in figures.planes]
        parts = [row for plane in figures.planes for row in figures.components(cell, plane, metric).values()]
        if any(row is not None and row.estimate for row in (*rows, *parts)):
            return cell, metric
    return None


def _ends(row: EstimateRow) -> list[float]:
    """The estimate and its interval, as far as they are finite, rising; never 0, which a log axis has not."""
    values = [row.value, *(row.bounds or ())]
    return sorted(value for value in values if value is not None and math.isfinite(value) and value > 0) or [1e-5]
