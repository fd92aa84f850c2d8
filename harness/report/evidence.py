"""Folders of finished runs as evidence for claims and the decision."""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.judge.evidence import Fit, Outcome, Row, RunEvidence
from harness.report.claim_rows import EvidenceRow
from harness.report.conformance_run import FILE, ConformanceRun, read_conformance
from harness.report.run import EstimateRow, Run, RunError, read_run
from harness.report.scaling_rows import FitRow


@dataclass(frozen=True, slots=True)
class Folder:
    """A finished run as evidence, and the row of run.json that names it."""

    found: RunEvidence
    row: EvidenceRow


def read_folder(folder: Path, fingerprint: Mapping[str, str]) -> Folder:
    """A folder of `bench`, `conform --out` or `scale`; ``fingerprint`` is that of the run that is judged. Raises RunError."""
    name = folder.resolve().name
    if (folder / FILE).is_file():
        conformance = read_conformance(folder)
        found = of_conformance(conformance, name)
        return Folder(found, _row(found, folder / FILE, conformance.started, conformance.fingerprint, fingerprint))
    run = read_run(folder)
    found = of_run(run, name)
    return Folder(found, _row(found, folder / "run.json", run.started, run.fingerprint, fingerprint))


def _row(found: RunEvidence, file: Path, started: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> EvidenceRow:
    differs = sorted(key for key in (theirs.keys() | ours.keys()) - {"seed"} if theirs.get(key) != ours.get(key))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    kinds = {"bench": "bench", "conform": "conform", "scale": "scale"}
    return EvidenceRow.model_validate(
        {"folder": found.name, "kind": kinds[found.kind], "started": started, "digest": digest}
        | {"fingerprint_differs": differs, "unusable": found.unusable}
    )


def of_run(run: Run, name: str) -> RunEvidence:
    """What a run of `bench` or `scale` found."""
    whole = [row for row in run.estimates if row.against is None]
    pairs = [row for row in run.estimates if row.against is not None and not row.component]
    return RunEvidence(
        name=name,
        kind="scale" if run.fits else "bench",
        unusable=_unusable(run),
        loads=frozenset((scenario.name, load.name) for scenario in run.scenarios for load in scenario.loads),
        planes=frozenset(plane.name for plane in run.dataplanes),
        figures={(_place(row), row.component, row.dataplane): _interval(row) for row in whole},
        ratios={(_place(row), row.dataplane, str(row.against)): _interval(row) for row in pairs},
        crossings=_crossings(run),
        floors={
            (row.scenario, row.load, row.metric): row.floor for row in run.noise_floor if row.floor is not None and row.level
        },
        unsupported={(row.scenario, row.dataplane): row.reason for row in run.unsupported},
        supports=_supports(run),
        fits=[fit for row in run.fits if (fit := _fit(row)) is not None],
    )


def of_conformance(run: ConformanceRun, name: str) -> RunEvidence:
    """What a run of `conform` found."""
    cases = {}
    for row in run.results:
        cases[row.case, row.dataplane] = Outcome(row.outcome, _first(row.reason))
    return RunEvidence(name, "conform", planes=frozenset(plane.name for plane in run.dataplanes), cases=cases)


def _first(reason: str) -> str:
    """What was wrong first, without what readers of verdicts have no use for: the lab's files, evidence, and lines."""
    line = reason.partition("\n")[0].partition("; evidence:")[0].partition(" (asked for at ")[0]
    return re.sub(r"^\S+\.yaml:\d+: ", "", re.sub(r";? captures while the lab is up: [^)]*", "", line))


def _unusable(run: Run) -> str | None:
    if run.indicative:
        return "a quick run is indicative only: it has no intervals"
    lost = [row.id for row in run.known_effects if row.recovered is False]
    return f"its campaign is void: known effects were not recovered ({', '.join(lost)})" if lost else None


def _place(row: EstimateRow) -> tuple[str, str, str]:
    return row.scenario, row.load, row.metric


def _interval(row: EstimateRow) -> Row:
    """The family-wise interval where the run gives one, else that of the figure alone."""
    if row.family_level and row.family_low is not None and row.family_high is not None:
        return Row(_value(row.value), row.family_low, row.family_high, row.family_level, family=True, different=row.different)
    low, high = row.bounds or (math.nan, math.nan)
    return Row(_value(row.value), low, high, (row.level or 0.0) if row.bounds else 0.0, different=row.different)


def _value(value: float | None) -> float:
    return math.nan if value is None else value


def _crossings(run: Run) -> dict[tuple[tuple[str, str, str], str, str, str], Row]:
    """Ratios of two scenarios are judged as targets alone; a run holds no others of them."""
    found = {}
    for row in run.targets:
        if row.against_scenario is None or row.against_load not in (None, row.load) or row.bounds is None:
            continue
        place = (row.scenario, row.load, row.metric)
        low, high = row.bounds
        key = (place, row.dataplane, row.against, row.against_scenario)
        found[key] = Row(_value(row.estimate), low, high, row.level or 0.0)
    return found


def _supports(run: Run) -> dict[tuple[str, str], str | None]:
    return {
        (plane.name, feature): None if answer.answer == "yes" else answer.reason or "it does not say why"
        for plane in run.dataplanes
        for feature, answer in plane.supports.items()
        if answer.answer != "unknown"
    }


def _fit(row: FitRow) -> Fit | None:
    """A fit with all of its intervals; None of one that lacks some, which decides nothing."""
    intercept, slope = (
        _three(row.intercept, row.intercept_low, row.intercept_high),
        _three(row.slope, row.slope_low, row.slope_high),
    )
    if intercept is None or slope is None or not row.level or not row.x_values:
        return None
    ends = (min(row.x_values), max(row.x_values))
    return Fit(
        row.id, row.dataplane, row.metric, row.x, row.condition, *ends, intercept, slope, row.level, row.line
    )  # fmt: skip


def _three(*values: float | None) -> tuple[float, float, float] | None:
    known = [value for value in values if value is not None]
    return (known[0], known[1], known[2]) if len(known) == 3 else None


def refuse_itself(folder: Path, others: Iterable[Path]) -> None:
    """Raises RunError where a run is given as evidence for itself: it is that already."""
    for other in others:
        if other.resolve() == folder.resolve():
            raise RunError(f"{other}: the run itself, which is evidence already; leave --evidence out")
