"""One look for every plot: colours that stay with a plane, dark text, SVG that can stand inside a page."""

import base64
import io
import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from textwrap import wrap

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from harness.report.plots.inline import TIP, inlined

INK = "#1a1a1a"
FAINT = "#d9d9d9"
ROW = 0.27  # inches that a row takes
_CHARACTER = 0.079  # inches that a letter of the row names takes, on average
LABEL_WIDTH = 21  # letters that a row's name takes at most
WIDTH = 4.7  # inches; two stand side by side on paper and on a wide screen, one on a telephone

# Dark enough to be read as text on white (contrast of at least 4.5), and apart from one another for every
# common kind of colour blindness; each plane is also named in words wherever its colour stands.
PLANE_COLOURS = {
    "plain": "#4a4a4a",
    "sidecar": "#c04a00",
    "sidecar-mtls": "#8e2a6b",
    "node-proxy": "#8a5a00",
    "node-l4": "#6b6100",
    "ebpf": "#005fa3",
    "ebpf-sockmap": "#007a5a",
    "ebpf-l7": "#4338a8",
}
_OTHER_COLOURS = ("#7a2e2e", "#2e5d7a", "#5d2e7a", "#3d6b1f")
PLANE_MARKERS = {"plain": "o", "sidecar": "s", "sidecar-mtls": "D", "ebpf": "^", "ebpf-sockmap": "v"}

_STYLE = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#8c8c8c",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.bottom": False,  # gridlines say as much, and each tick is one element more to lay out on paper
    "ytick.left": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.8,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "meshproof",
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A finished plot. ``alt`` says in words what it shows, for those who do not see it."""

    key: str
    title: str
    caption: str
    alt: str
    svg: str

    @property
    def data_uri(self) -> str:
        """The plot as an image's source. Laying out paper is faster when the page's styles need not be tried on it."""
        still = re.sub(r' class="tip" data-tip="[^"]*"', "", self.svg)
        still = re.sub(r"<g>(<path [^>]*/>)</g>", r"\1", still)  # which were there for their tips
        return "data:image/svg+xml;base64," + base64.b64encode(still.encode()).decode()


def styled() -> AbstractContextManager[None]:
    """Everything that draws does so inside this context."""
    style: AbstractContextManager[None] = mpl.rc_context(_STYLE)
    return style


def colour(plane: str) -> str:
    """The plane's colour, the same in every plot of every report."""
    return PLANE_COLOURS.get(plane) or _OTHER_COLOURS[sum(plane.encode()) % len(_OTHER_COLOURS)]


def marker(plane: str) -> str:
    """The plane's marker."""
    return PLANE_MARKERS.get(plane, "P")


def canvas(
    height: float, names: Iterable[str], panels: int = 1, *, top: float = 0.06, right: float = 0.08, width: float = WIDTH
) -> tuple[Figure, list[Axes]]:
    """A figure with panels below one another, each ``height`` inches high, with room for ``names`` at the left.

    Margins are reckoned, not measured: matplotlib's own layouts draw everything once more to measure it. ``top`` and
    ``right`` are inches beside each panel, ``width`` those of the whole.
    """
    left = 0.15 + _CHARACTER * max((len(line) for name in names for line in _lines(name)), default=0)
    bottom = 0.5
    tall = panels * (top + height + bottom)
    figure = Figure(figsize=(width, tall))
    places = [tall - (panel + 1) * (top + height) - panel * bottom for panel in range(panels)]
    inner = width - left - right
    return figure, [figure.add_axes((left / width, place / tall, inner / width, height / tall)) for place in places]


def _lines(name: str) -> list[str]:
    """A plane's name as it stands beside a row: settings of a tuned one (``name@a=1,b=2``) go below its name."""
    return wrap(name.replace("@", "@ ").replace(",", ", "), LABEL_WIDTH)


def name_rows(axes: Axes, names: Sequence[str], planes: Sequence[str], at: Sequence[float] | None = None) -> None:
    """Name rows at the left, each in the colour of its plane; the first row stands on top."""
    places = list(range(len(names))) if at is None else list(at)
    axes.set_yticks(places, ["\n".join(_lines(name)) for name in names])
    for label, plane in zip(axes.get_yticklabels(), planes, strict=True):
        label.set_color(colour(plane))
        if (lines := label.get_text().count("\n") + 1) > 1:  # all of them share the height of one row
            label.set(fontsize=max(4.5, 10 / lines), linespacing=0.9)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(places[-1] + 0.55, -0.55)


def tip(mark: Artist, words: str) -> None:
    """What a pointer on the mark, or the arrow keys, bring up on a screen. The page says the same in a table."""
    mark.set_gid(f"{TIP}{words}")


def end_for(axes: Axes, labels: Iterable[tuple[float, str]]) -> float:
    """Where the x axis (from 0) must end so that the bold words beside each value still fit on it."""
    inches = axes.get_position().width * axes.get_figure(root=True).get_figwidth()  # type: ignore[union-attr]
    return max(value / (1 - min(0.6, (0.2 + 1.15 * _CHARACTER * len(words)) / inches)) for value, words in labels)


def finish(key: str, title: str, caption: str, alt: str, figure: Figure) -> Plot:
    """The figure as a Plot."""
    buffer = io.StringIO()
    # savefig would draw twice, once only to find its backend
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Plot(key, title, caption, alt, inlined(buffer.getvalue(), key, title, alt))
