"""A metric by component, stacked: CPU per request, memory."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from harness.report.lookup import Cell, Figures
from harness.report.plots.canvas import INK, ROW, WIDTH, Plot, canvas, colour, end_for, finish, name_rows, tip
from harness.report.quantity import digits, interval, quantity, scale_for

# Light enough for dark figures on them, and apart in lightness for those who see no hue.
_COMPONENTS = {
    "client": "#d0d0d0",
    "server": "#a8a8a8",
    "client-proxy": "#f6b78a",
    "server-proxy": "#dd8452",
    "other-proxy": "#fbdcc4",
    "proxy": "#dd8452",
    "client-network": "#dcebd3",
    "node-network": "#b9d8a8",
    "server-network": "#93bd7d",
    "other-network": "#e9f3e4",
    "agent": "#8fc1e3",
    "maps": "#8fc1e3",
    "programs": "#4f9ccf",
    "interrupts": "#f3e08d",
    "foreign-network": "#f9f0c6",
    "tracing": "#d9c2e9",
}
_OTHERS = ("#b9d8a8", "#d9c2e9", "#f3e08d")


def stack_plot(key: str, figures: Figures, cell: Cell, metric: str, title: str, caption: str, *, width: float = WIDTH) -> Plot:
    """Bars a plane, parts by component in one order, each part with its figure where it fits, the whole at the end."""
    parts = {plane: figures.components(cell, plane, metric) for plane in figures.planes}
    order = _order([name for components in parts.values() for name, row in components.items() if row.estimate])
    totals = {plane: _total(figures, cell, plane, metric) for plane in figures.planes}
    largest = max([total for total in totals.values() if total is not None], default=0.0)
    unit = next(row.unit for row in figures.run.estimates if row.metric == metric and row.against is None)
    scale = scale_for(unit, largest)
    span = largest / scale.factor or 1.0
    more = max(math.ceil(len(order) / _names_a_row(width)) - 2, 0)
    figure, (axes,) = canvas(
        ROW * (len(parts) + 0.4), figures.planes, top=(0.3 if width == WIDTH else 0.55) + 0.16 * more, width=width
    )
    for place, (plane, components) in enumerate(parts.items()):
        widths = {name: (components[name].estimate or 0.0) / scale.factor for name in order if name in components}
        told = {name: f"{quantity(row.value, unit)} ({interval(row.bounds, unit)})" for name, row in components.items()}
        end = max(_bar(axes, place, plane, widths, told, order, span, width), (totals[plane] or 0.0) / scale.factor)
        words = quantity(totals[plane], unit)
        axes.text(end + 0.02 * span, place, words, va="center", color=colour(plane), weight="bold")
    _name_components(figure, order)
    name_rows(axes, figures.planes, figures.planes)
    labels = [((total or 0.0) / scale.factor, quantity(total, unit)) for total in totals.values()]
    axes.set_xlim(0, end_for(axes, [(span, ""), *labels]))
    axes.grid(axis="x")
    axes.set_xlabel(f"{scale.unit}, less is better")
    said = "; ".join(
        f"{plane} {quantity(totals[plane], unit)}"
        + (" of which " + ", ".join(f"{name} {quantity(row.estimate, unit)}" for name, row in rows.items()) if rows else "")
        for plane, rows in parts.items()
    )
    return finish(key, title, f"Load {cell.load.name}. {caption}", said, figure)


def _bar(
    axes: Axes,
    place: int,
    plane: str,
    widths: dict[str, float],
    told: dict[str, str],
    shades: dict[str, str],
    span: float,
    wide: float,
) -> float:
    """Draw a plane's parts one after the other; returns where they end. ``told`` is what a pointer on each brings up."""
    left = 0.0
    room = 0.021 * (WIDTH / wide) ** 2  # the part of ``span`` that a digit takes
    for name, width in widths.items():
        (bar,) = axes.barh(place, width, left=left, height=0.62, color=shades[name], edgecolor="white", linewidth=0.6)
        tip(bar, f"{plane}, {name}: {told[name]}")
        words = digits(width)
        if width > room * len(words) * span:
            axes.text(left + width / 2, place, words, ha="center", va="center", fontsize=8, color=INK)
        left += width
    return left


def _order(names: list[str]) -> dict[str, str]:
    """Components that occur, in the order in which they are stacked, with their colours."""
    known = [name for name in _COMPONENTS if name in names]
    others = sorted(set(names) - set(_COMPONENTS))
    return {name: _COMPONENTS[name] for name in known} | {name: _OTHERS[i % len(_OTHERS)] for i, name in enumerate(others)}


def _total(figures: Figures, cell: Cell, plane: str, metric: str) -> float | None:
    """The whole as it was estimated, or the sum of the parts where only they were."""
    whole = figures.absolute(cell, plane, metric)
    if whole is not None:
        return whole.estimate
    parts = figures.components(cell, plane, metric)
    return sum(row.estimate or 0.0 for row in parts.values()) if parts else None


def _names_a_row(width: float) -> int:
    """How many components' names stand side by side above the bars of a figure of so many inches."""
    return 5 if width == WIDTH else 3


def _name_components(figure: Figure, order: dict[str, str]) -> None:
    """The components' names on their colours, above the bars, in the order of the bars."""
    figure.legend(
        handles=[Patch(facecolor=shade, label=name) for name, shade in order.items()],
        loc="upper left",
        bbox_to_anchor=(0.01, 1.0),
        ncols=_names_a_row(figure.get_figwidth()),
        frameon=False,
        fontsize=8,
        handlelength=1.0,
        handleheight=1.0,
        columnspacing=0.8,
        handletextpad=0.4,
        borderpad=0,
        borderaxespad=0.2,
    )
