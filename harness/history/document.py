"""What ``meshproof history --json`` prints, and the same as lines for a terminal."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness.history.courses import Course, Point
from harness.history.runs import Known, KnownRun
from harness.report.metrics import metric_text
from harness.report.quantity import interval, quantity, ratio, ratio_interval
from harness.report.row import Number
from harness.report.schema import written_schema


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class RunRow(_Row):
    """A run. ``set_up``: a digest of its fingerprint without commit and seed. Null: its kind of run has none of it.

    ``unexpected``: policy probes that failed, or outcomes of cases other than expected. ``void``: cells that no rerun mended.
    """

    folder: str
    kind: Literal["bench", "conform"]
    started: str
    commit: str
    mode: str
    set_up: str
    unexpected: int
    targets: int | None
    targets_reached: int | None
    voids: int | None
    void: int | None


class PointRow(_Row):
    """A figure of one run; level 0: no interval. A null estimate is infinite."""

    folder: str
    started: str
    commit: str
    estimate: Number
    low: Number
    high: Number
    level: float
    blocks: int


class CourseRow(_Row):
    """A figure over the runs of one set-up; ``against`` null: in its own unit, of different times.

    ``asks``: a digest of what the load asks for, since a load may change and keep its name.
    """

    set_up: str
    scenario: str
    load: str
    asks: str
    metric: str
    dataplane: str
    unit: str
    against: str | None
    points: list[PointRow]


class History(_Row):
    """All of it. ``skipped``: files that could not be read, each with the reason."""

    format: Literal[1] = 1
    runs: list[RunRow]
    courses: list[CourseRow]
    skipped: list[str]


def document(known: Known, courses: Sequence[Course]) -> History:
    """The document of runs and courses."""
    return History(
        runs=[_run(run) for run in known.runs],
        courses=[CourseRow.model_validate(asdict(course)) for course in courses],
        skipped=known.skipped,
    )


def _run(run: KnownRun) -> RunRow:
    reached, targets = run.targets or (None, None)
    void, voids = run.void or (None, None)
    return RunRow.model_validate(
        {
            "folder": run.folder, "kind": run.kind, "started": run.started, "commit": run.commit, "mode": run.mode,
            "set_up": run.set_up, "unexpected": run.unexpected, "targets": targets, "targets_reached": reached,
            "voids": voids, "void": void,
        }
    )  # fmt: skip


HEADS = ("started", "run", "kind", "mode", "commit", "set-up", "targets reached", "void cells", "not expected")


def run_cells(run: KnownRun) -> tuple[str, ...]:
    """A run as the cells of a table, under HEADS."""
    return (
        run.started[:16].replace("T", " "), run.folder, run.kind, run.mode or "-", run.commit[:9], run.set_up,
        _of(run.targets), _of(run.void), str(run.unexpected),
    )  # fmt: skip


def _of(counted: tuple[int, int] | None) -> str:
    return "-" if counted is None or not counted[1] else f"{counted[0]} of {counted[1]}"


def figure(course: Course, point: Point) -> str:
    """A point's figure with its interval, in words."""
    bounds = (point.low, point.high) if point.level else None
    if course.against:
        return f"{ratio(point.estimate)} times {course.against} ({ratio_interval(bounds)})"
    return f"{quantity(point.estimate, course.unit)} ({interval(bounds, course.unit)})"


def title(course: Course) -> str:
    """What a course is of."""
    return f"{metric_text(course.metric).label} of {course.dataplane}, {course.scenario}/{course.load}"


def terminal(known: Known, courses: Sequence[Course]) -> Iterator[str]:
    """The table of runs, then each set-up's courses."""
    yield from _table([HEADS, *(run_cells(run) for run in known.runs)])
    for setup, mine in groupby(sorted(courses, key=lambda course: course.set_up), key=lambda course: course.set_up):
        yield ""
        yield f"on set-up {setup}:"
        for course in mine:
            yield f"  {title(course)}"
            told = [
                (f"    {p.started[:16].replace('T', ' ')}", p.folder, p.commit[:9], figure(course, p)) for p in course.points
            ]
            yield from _table(told)


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def schema_text() -> str:
    """The JSON Schema of what ``history --json`` prints, as committed in docs/schemas/history.schema.json."""
    return written_schema(History)
