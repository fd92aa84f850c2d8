"""The history as one HTML page that loads nothing from anywhere."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from harness.history.courses import Course
from harness.history.document import HEADS, figure, run_cells
from harness.history.runs import Known, KnownRun
from harness.report.metrics import HEADLINE, metric_text
from harness.report.plots import Plot
from harness.report.plots.canvas import styled
from harness.report.plots.course import Stop, course_plot
from harness.report.setups import ALLOWED
from harness.report.template import rendered


@dataclass(frozen=True, slots=True)
class SetUp:
    """A set-up: its digest, how many runs, and the values by which set-ups differ."""

    digest: str
    runs: int
    first: str
    newest: str
    marks: list[tuple[str, str]]
    plots: list[tuple[Plot, Markup]]


@dataclass(frozen=True, slots=True)
class CourseLine:
    """A course in a row: its first figure and its newest."""

    set_up: str
    where: str
    metric: str
    plane: str
    runs: int
    first: str
    newest: str
    moved: float


def history_page(known: Known, courses: Sequence[Course]) -> str:
    """The page; a course of one run is no course, so it has no plot.

    Of each metric of a scenario one load is drawn, as in headlines; all are in the table.
    """
    main = _main_loads(known.runs, courses)
    drawn = [each for each in courses if len(each.points) > 1 and main[each.scenario, each.metric] == each.load]
    values = {
        "heads": HEADS,
        "runs": [(run, run_cells(run)) for run in reversed(known.runs)],
        "set_ups": _set_ups(known.runs, drawn),
        "courses": [_line(course) for course in courses],
        "skipped": known.skipped,
        "allowed": " and ".join(ALLOWED),
    }
    return rendered("history.html.j2", values, paper=False)


def _main_loads(runs: Sequence[KnownRun], courses: Sequence[Course]) -> dict[tuple[str, str], str]:
    """For each scenario and metric the first load, in the scenario's order, that has a course."""
    order = {where: place for run in runs for place, where in enumerate(run.loads)}
    ranked = sorted(courses, key=lambda course: order.get((course.scenario, course.load), 0), reverse=True)
    return {(course.scenario, course.metric): course.load for course in ranked}


def _set_ups(runs: Sequence[KnownRun], courses: Sequence[Course]) -> list[SetUp]:
    by_digest = {digest: [run for run in runs if run.set_up == digest] for digest in dict.fromkeys(r.set_up for r in runs)}
    prints = [mine[0].fingerprint for mine in by_digest.values()]
    keys = [key for key in dict.fromkeys(key for each in prints for key in each) if key not in ALLOWED]
    telling = [key for key in keys if len({each.get(key) for each in prints}) > 1]
    found = []
    for digest, mine in reversed(by_digest.items()):
        marks = [(key, mine[0].fingerprint.get(key, "not recorded")) for key in telling]
        plots = [_drawn(plot) for plot in _plots(digest, mine, [course for course in courses if course.set_up == digest])]
        found.append(SetUp(digest, len(mine), mine[0].started, mine[-1].started, marks, plots))
    return found


def _plots(digest: str, runs: Sequence[KnownRun], courses: Sequence[Course]) -> list[Plot]:
    titles = {name: title for run in runs for name, title in run.titles.items()}

    def of(course: Course) -> tuple[str, int, str, str, str, str, str]:
        place = HEADLINE.index(course.metric) if course.metric in HEADLINE else len(HEADLINE)
        return course.scenario, place, course.metric, course.load, course.asks, course.unit, course.against or ""

    plots = []
    with styled():
        for number, (what, mine) in enumerate(groupby(sorted(courses, key=of), key=of)):
            scenario, _, metric, load, _, unit, against = what
            name = f"{titles.get(scenario, scenario)}: {metric_text(metric).label}, {load}"
            lines = [(c.dataplane, [Stop(p.started, p.estimate, p.low, p.high) for p in c.points]) for c in mine]
            key = re.sub(r"[^A-Za-z0-9_-]", "-", f"plot-{digest}-{number}")
            plots.append(course_plot(key, name, unit, against or None, lines))
    return plots


def _drawn(plot: Plot) -> tuple[Plot, Markup]:
    return plot, Markup(plot.svg)  # noqa: S704 -- drawn by us; matplotlib escapes the names in it


def _line(course: Course) -> CourseLine:
    first, newest = course.points[0], course.points[-1]
    moved = newest.estimate / first.estimate if first.estimate else float("nan")
    return CourseLine(
        course.set_up, f"{course.scenario}/{course.load}", metric_text(course.metric).label, course.dataplane,
        len(course.points), figure(course, first), figure(course, newest), moved,
    )  # fmt: skip
