"""The course of a figure over runs: on one set-up and for one load, never a line across machines."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path

import duckdb
import numpy as np

from harness.history.runs import KnownRun
from harness.judge.interval import median_interval
from harness.report.lookup import KINDS
from harness.report.run import RunError

_COLUMNS = {
    "filename": "VARCHAR", "block": "BIGINT", "scenario": "VARCHAR", "load": "VARCHAR", "kind": "VARCHAR",
    "dataplane": "VARCHAR", "metric": "VARCHAR", "component": "VARCHAR", "unit": "VARCHAR", "value": "DOUBLE",
    "void": "VARCHAR",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """Which figures: None asks for all. ``against``: the plane that ratios are to, None for each run's control.

    ``absolute``: figures in their own unit, no ratios. Without a load, only loads in which a metric means something.
    """

    metrics: tuple[str, ...]
    scenario: str | None = None
    load: str | None = None
    dataplane: str | None = None
    against: str | None = None
    absolute: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A figure of one run: the median over ``blocks`` and its interval; level 0: too few blocks for one."""

    folder: str
    started: str
    commit: str
    estimate: float
    low: float
    high: float
    level: float
    blocks: int


@dataclass(frozen=True, slots=True)
class Course:
    """A figure over the runs of one set-up, in the order in which they were started; ``asks``: a digest of the load."""

    set_up: str
    scenario: str
    load: str
    asks: str
    metric: str
    dataplane: str
    unit: str
    against: str | None
    points: tuple[Point, ...]


def courses(
    connection: duckdb.DuckDBPyConnection, runs: Sequence[KnownRun], asked: Question, skipped: list[str]
) -> list[Course]:
    """The courses that ``asked`` is about. A file of samples that cannot be read is left out; a line goes into ``skipped``."""
    by_file = {str(run.path / "samples.parquet"): run for run in runs if run.kind == "bench"}
    found: dict[tuple[str, ...], list[tuple[KnownRun, str, list[float]]]] = defaultdict(list)
    for file, scenario, load, metric, unit, plane, own, ratios in _rows(connection, by_file, asked, skipped):
        run = by_file[file]
        against = asked.against or run.planes[0]
        if asked.absolute:
            values, said = own, (unit, "")
        elif ratios and plane != against:
            values, said = ratios, ("ratio", against)
        else:
            continue
        key = (run.set_up, scenario, load, run.loads.get((scenario, load), ""), metric, plane, *said)
        found[key].append((run, unit, values))
    made = []
    for (setup, scenario, load, asks, metric, plane, unit, against), rows in found.items():
        points = sorted((_point(run, values) for run, _, values in rows), key=lambda point: (point.started, point.folder))
        made.append(Course(setup, scenario, load, asks, metric, plane, unit, against or None, tuple(points)))
    return made


def _rows(
    connection: duckdb.DuckDBPyConnection, by_file: dict[str, KnownRun], asked: Question, skipped: list[str]
) -> Iterator[tuple[str, str, str, str, str, str, list[float], list[float]]]:
    """File, scenario, load, metric, unit, plane, and by block the plane's own values and their ratios."""
    files = [file for file in by_file if Path(file).is_file()]
    skipped += [f"{file}: not there; its run has no course" for file in by_file if file not in files]
    while files:
        try:
            rows = connection.execute(_QUERY.format(_where(asked)), _parameters(files, by_file, asked)).fetchall()
        except duckdb.OutOfMemoryException as fault:
            raise RunError("the question is too large: ask for one --metric, --scenario or --dataplane") from fault
        except duckdb.Error as fault:
            sound = [file for file in files if _sound(connection, file)]
            if len(sound) == len(files):
                raise RunError(f"the runs' samples cannot be read together: {str(fault).splitlines()[0]}") from fault
            skipped += [f"{file}: not a Parquet file of samples" for file in files if file not in sound]
            files = sound
        else:
            yield from rows
            return


def _sound(connection: duckdb.DuckDBPyConnection, file: str) -> bool:
    try:
        connection.execute("SELECT scenario, load, metric, value, block, dataplane FROM read_parquet(?) LIMIT 0", [file])
    except duckdb.Error:
        return False
    return True


# The empty table first: it names columns that the runs at hand may all be too old to have
_QUERY = f"""
WITH controls AS (SELECT unnest($files) AS filename, unnest($controls) AS control),
samples AS (
  SELECT {", ".join(f"NULL::{kind} AS {name}" for name, kind in _COLUMNS.items())} WHERE false
  UNION ALL BY NAME
  SELECT * FROM read_parquet($files, union_by_name = true, filename = true)
),
figures AS (
  SELECT filename, scenario, load, metric, unit, dataplane, block, avg(value) AS value
  FROM samples JOIN controls USING (filename)
  WHERE void IS NULL AND coalesce(component, '') = '' AND NOT isnan(value) AND {{}}
  GROUP BY ALL
)
SELECT figures.filename, figures.scenario, figures.load, figures.metric, figures.unit, figures.dataplane,
  list(figures.value ORDER BY figures.block),
  coalesce(list(figures.value / other.value ORDER BY figures.block)
    FILTER (other.value != 0 AND (isfinite(figures.value) OR isfinite(other.value))), [])
FROM figures JOIN controls USING (filename)
LEFT JOIN figures AS other ON other.filename = figures.filename AND other.scenario = figures.scenario
  AND other.load = figures.load AND other.metric = figures.metric AND other.block = figures.block
  AND other.dataplane = controls.control
WHERE $dataplane IS NULL OR figures.dataplane = $dataplane
GROUP BY ALL
ORDER BY figures.scenario, figures.load, figures.metric, figures.dataplane
"""  # noqa: S608 -- made of names that stand in this file


def _where(asked: Question) -> str:
    """Each metric only in loads of a kind in which it means something, unless a load was named."""
    parts = ["list_contains($metrics, metric)"]
    if asked.load is not None:
        parts.append("load = $load")
    else:
        known = [(metric, kind) for metric in asked.metrics for kind in KINDS.get(metric, ())]
        told = ", ".join(f"('{metric}', '{kind}')" for metric, kind in known)
        free = [metric for metric in asked.metrics if metric not in KINDS]
        if not free:
            parts.append(f"(metric, kind) IN ({told})")
    if asked.scenario is not None:
        parts.append("scenario = $scenario")
    if asked.dataplane is not None:  # and what it is compared with
        parts.append("(dataplane = $dataplane OR dataplane = controls.control)")
    return " AND ".join(parts)


def _parameters(files: Sequence[str], by_file: dict[str, KnownRun], asked: Question) -> dict[str, object]:
    found: dict[str, object] = {
        "files": list(files), "controls": [asked.against or by_file[file].planes[0] for file in files],
        "metrics": list(asked.metrics), "dataplane": asked.dataplane,
    }  # fmt: skip
    if asked.load is not None:
        found["load"] = asked.load
    if asked.scenario is not None:
        found["scenario"] = asked.scenario
    return found


def _point(run: KnownRun, values: Sequence[float]) -> Point:
    ordered = np.sort(np.asarray(values, dtype=float))
    low, high, level = _ranks(len(ordered))
    middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    estimate = float(middle.mean()) if all(map(isfinite, middle)) else float("inf")
    bounds = (float(ordered[low]), float(ordered[high])) if level else (float("nan"), float("nan"))
    return Point(run.folder, run.started, run.commit, estimate, *bounds, level, len(ordered))


@cache
def _ranks(count: int) -> tuple[int, int, float]:
    """Which blocks bound the interval of a median over ``count``: it depends on nothing else."""
    found = median_interval(range(count))
    return (int(found.low), int(found.high), found.level) if found.level else (0, 0, 0.0)
