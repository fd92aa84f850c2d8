"""A run of ``bench`` judged against a baseline: figures, targets, policy probes, and whether it is whole."""

from collections.abc import Iterator
from pathlib import Path

from harness.judge.change import Word, distance
from harness.report.block_values import Figure
from harness.report.comparison import ChangeRow, Sides, compare
from harness.report.comparison_text import line
from harness.report.gate_findings import Found, Kind
from harness.report.metrics import metric_text
from harness.report.quantity import ratio
from harness.report.run import Run


def judge_bench(run: Path, baseline: Path, found: Found, *, anyway: bool = False, tolerance: float = 0.0) -> None:
    """Judge ``run``; what is found goes into ``found``. Raises RunError; also for different set-ups, unless ``anyway``.

    ``tolerance``: a share (0.05: 5 %); a smaller change is no finding, however sure it is.
    """
    sides = compare(baseline, run, anyway=anyway)
    found.comparisons.append(sides.comparison)
    for text in voids(sides):
        found.red(Kind.VOID, run.name, text)
    _policy(sides, found)
    _whole(sides, found)
    _figures(sides, found, tolerance)
    if sides.comparison.differs:
        found.notes.append(
            "different set-ups, so only ratios within each run were compared: " + "; ".join(map(str, sides.comparison.differs))
        )
    found.notes += [f"not compared: {row.where}: {row.reason}" for row in sides.comparison.left_out]


def voids(sides: Sides) -> Iterator[str]:
    """Why the run is void: a load without any block that counts, or a known effect that was not recovered."""
    run, present = sides.after, {(scenario, load) for scenario, load, _ in sides.after_blocks.present}
    for scenario in run.scenarios:
        lacking = {row.dataplane for row in run.unsupported if row.scenario == scenario.name}
        if lacking >= {plane.name for plane in run.dataplanes}:
            continue
        for load in scenario.loads:
            if (scenario.name, load.name) not in present:
                yield f"{scenario.name}/{load.name} has no block that counts"
    for effect in run.known_effects:
        if not effect.recovered:
            yield f"known effect {effect.id} was not recovered"


def _policy(sides: Sides, found: Found) -> None:
    """Probes of the scenarios' matrices: each that failed is red, as in the run itself."""
    bad = {(row.scenario, row.dataplane, row.flow): row for row in sides.after.conformance if row.outcome in ("fail", "error")}
    before = {(row.scenario, row.dataplane, row.flow): row.outcome for row in sides.before.conformance}
    for key, row in bad.items():
        known = " (it failed in the baseline too)" if before.get(key) in ("fail", "error") else ""
        text = row.reason or f"expected {row.expected}, observed {row.observed or 'nothing'}"
        found.red(Kind.POLICY, f"{row.scenario} on {row.dataplane}, {row.flow}", f"{row.outcome}: {text}{known}")
    judged = [row for row in sides.after.conformance if row.outcome != "unsupported"]
    found.notes.append(f"{len(judged) - len(bad)} of {len(judged)} policy probes were as expected")
    mended = {key for key, outcome in before.items() if outcome in ("fail", "error")} & {
        (row.scenario, row.dataplane, row.flow) for row in judged if row.outcome == "pass"
    }
    found.notes += [f"policy mended since the baseline: {scenario} on {plane}, {flow}" for scenario, plane, flow in mended]


def _whole(sides: Sides, found: Found) -> None:
    """Every plane has a figure in every load; on one set-up also each figure that the baseline has."""
    run, present = sides.after, sides.after_blocks.present
    lacking = {(row.scenario, row.dataplane) for row in run.unsupported}
    cells = {(scenario, load) for scenario, load, _ in present}
    for scenario in run.scenarios:
        for load in scenario.loads:
            for plane in run.dataplanes:
                where = (scenario.name, load.name)
                if where in cells and (*where, plane.name) not in present and (scenario.name, plane.name) not in lacking:
                    found.red(Kind.MISSING, f"{scenario.name}/{load.name} on {plane.name}", "the run has no figure of it")
    if sides.comparison.indicative or sides.comparison.differs:
        return
    unlike = {row.where for row in sides.comparison.left_out}
    planned = {(scenario.name, load.name) for scenario in run.scenarios for load in scenario.loads}
    planes = {plane.name for plane in run.dataplanes}
    for figure in sides.before_blocks.values:
        cell = (figure.scenario, figure.load)
        if figure in sides.after_blocks.values or cell not in planned & cells or figure.dataplane not in planes:
            continue
        if f"{figure.scenario}/{figure.load}" in unlike or (*cell, figure.dataplane) not in present:
            continue
        found.red(Kind.MISSING, _where(figure), f"the baseline has it, the run has not{_why(run, figure.metric)}")


def _why(run: Run, metric: str) -> str:
    reasons = [row.reason for row in run.unmeasured if row.metric == metric]
    return f": {reasons[0]}" if reasons else ""


def _where(row: ChangeRow | Figure) -> str:
    return f"{row.scenario}/{row.load} on {row.dataplane}, {metric_text(row.metric).label}"


def _figures(sides: Sides, found: Found, tolerance: float) -> None:
    comparison = sides.comparison
    if comparison.indicative:
        quick = [name for name, run in (("the run", sides.after), ("the baseline", sides.before)) if run.indicative]
        found.notes.append(
            f"no figure was judged: {' and '.join(quick)} {'is' if len(quick) == 1 else 'are'} quick, with too few blocks for "
            "intervals; only policy and completeness were"
        )
        return
    judged = comparison.judged()
    found.figures += len([row for row in judged if row.level])
    unjudged = len(judged) - len([row for row in judged if row.level])
    if unjudged:
        found.notes.append(f"{unjudged} figures have no interval in one of the runs, and were not judged")
    if not any(row.level for row in judged):
        found.red(Kind.MISSING, comparison.after.folder, "no figure could be compared with the baseline: nothing was judged")
    for row in comparison.judged(Word.WORSE):
        told = line(row)
        text = f"{told.change}, {told.figures}; noise floor {told.floor}"
        if row.change is not None and distance(row.change) <= tolerance:
            found.notes.append(f"worse, but within the tolerance: {_where(row)}: {text}")
        else:
            found.red(Kind.REGRESSION, _where(row), text)
    found.notes += [f"better: {_where(row)}: {line(row).change}; {line(row).figures}" for row in comparison.judged(Word.BETTER)]
    _targets(sides, found)


def _targets(sides: Sides, found: Found) -> None:
    now = {row.id: row for row in sides.after.targets}
    for was in sides.before.targets:
        if was.outcome != "reached":
            continue
        row = now.get(was.id)
        if row is None:
            found.notes.append(f"target {was.id} was reached in the baseline and is not judged in the run")
        elif (row.bound, row.direction) != (was.bound, was.direction):
            found.notes.append(f"target {was.id} has another bound now: {row.direction} {row.bound}, {was.bound} before")
        elif row.outcome == "not reached":
            found.red(Kind.TARGET, was.id, f"reached in the baseline, missed now: {row.text} Found {ratio(row.estimate)}")
        elif row.outcome != "reached":
            found.notes.append(f"target {was.id} was reached in the baseline and is {row.outcome} now")
