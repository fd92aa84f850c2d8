"""Templates laid out as one page that loads nothing from anywhere, for the screen and for paper."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness import __version__
from harness.report.anchors import claim_anchor, scenario_anchor
from harness.report.claim_rows import LinkRow
from harness.report.plots.canvas import colour
from harness.report.quantity import duration

_TEMPLATES = Path(__file__).with_name("templates")


def rendered(
    name: str, values: Mapping[str, object], *, paper: bool, linked: Callable[[LinkRow], str | None] | None = None
) -> str:
    """The page; on ``paper`` without what only a screen can do: scripts, and tables of hundreds of rows.

    ``linked`` gives the id on this page that a link to evidence leads to.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"colour": colour, "duration": duration, "breakable": _breakable, "css": _css, "moment": _moment}
    environment.filters |= {
        "claim_anchor": claim_anchor,
        "scenario_anchor": scenario_anchor,
        "linked": linked or (lambda _: None),
    }
    inside = {"version": __version__, "css": _asset("style.css"), "script": _asset("table.js") + _asset("hover.js")}
    return environment.get_template(name).render(values, **inside, paper=paper)


def _breakable(text: str) -> Markup:
    """A place to break a line after each punctuation mark inside a long name, so that tables fit on paper."""
    return Markup(re.sub(r"(?<=[_/\[:.])(?=\w)", "<wbr>", str(escape(text))))  # noqa: S704 -- escaped just before


def _css(word: str) -> str:
    """A verdict as the name of a style class: ``not reached`` as ``not-reached``."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", word)


def _moment(text: str) -> str:
    """A time of ISO 8601 as ``2026-01-05 09:30 UTC``; what is none is shown as it is."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return text


def _asset(name: str) -> Markup:
    return Markup((_TEMPLATES / name).read_text())  # noqa: S704 -- a file of this package
