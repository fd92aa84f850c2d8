"""The answer in plain words, computed from the estimates.

A ratio is printed as an effect only where its whole interval lies on one side of 1 *and* the estimate is further from 1
than the noise floor; everything else is "not distinguishable". A run without intervals (``--quick``) only says what it saw.
"""

from dataclasses import dataclass

from harness.report.lookup import Figures
from harness.report.metrics import metric_text
from harness.report.quantity import digits, quantity, ratio, ratio_interval
from harness.report.run import EstimateRow, LoadRow, NoiseRow, Run, ScenarioRow

_TOLD = ("latency_p50", "cpu_per_request", "throughput", "bulk")


_UNOFFERED = {
    "maximum": "as many requests as it can",
    "closed": "as many requests as it can, from our own generator",
    "blocking": "as many requests as it can, from blocking sockets",
    "connections": "a new connection for each request",
    "bulk": "one stream as fast as it goes",
}


@dataclass(frozen=True, slots=True)
class PairAnswer:
    """What a run says of one pair of planes in one scenario; ``findings`` are phrases about ``plane``."""

    plane: str
    against: str
    equality: str
    findings: list[str]


def offered(load: LoadRow) -> str:
    """What was offered, in words."""
    if load.kind in _UNOFFERED:
        return _UNOFFERED[load.kind]
    if load.search is not None:
        return f"the highest rate at which {load.search.percent:g} % are answered within {quantity(load.search.within, 's')}"
    if load.share is not None:
        return f"{load.share.share * 100:g} % of each plane's own capacity offered"
    if load.offered is None:
        return "half of the slowest plane's maximum" if load.half_of_slowest else "at a rate that the run does not state"
    rate = f"{digits(load.offered)} requests a second offered"
    return f"{rate} (half of the slowest plane's maximum)" if load.half_of_slowest else rate


def equality(equal: bool | None) -> str:
    """Whether a pair does the same work; "control" where one of the two does nothing at all."""
    return {True: "equal", False: "unequal", None: "control"}[equal]


def distinguishable(row: EstimateRow, noise: NoiseRow | None) -> bool:
    """Whether a paired ratio may be printed as an effect: the judge's verdict, where the run holds one.

    Older runs hold none: in them an effect is one whose own interval leaves out 1, beyond the noise floor.
    """
    if row.family_level is not None:
        return bool(row.different)
    bounds, value = row.bounds, row.value
    if bounds is None or value is None or noise is None or noise.floor is None:
        return False
    return not bounds[0] <= 1 <= bounds[1] and abs(value - 1) > noise.floor


def finding(row: EstimateRow, noise: NoiseRow | None, *, indicative: bool) -> str:
    """One phrase about a paired ratio: "1.12 times the CPU per request (1.08 to 1.15)"."""
    noun = metric_text(row.metric).noun
    if indicative or row.bounds is None:
        return f"about {ratio(row.value)} times the {noun}"
    within = ratio_interval(row.bounds)
    if distinguishable(row, noise):
        return f"{ratio(row.value)} times the {noun} ({within})"
    return f"{noun} not distinguishable ({ratio(row.value)} times, {within})"


def answers(figures: Figures, scenario: ScenarioRow) -> list[PairAnswer]:
    """For each pair that was compared in the scenario, what came out; the pairs' table has the rest."""
    found = []
    for plane, against in _told_pairs(figures, scenario):
        phrases = []
        for metric in _TOLD:
            cell = figures.main_cell(scenario, metric)
            row = figures.ratio(cell, plane, against, metric) if cell is not None else None
            if cell is not None and row is not None:
                phrases.append(finding(row, figures.noise(cell, metric), indicative=figures.run.indicative))
        if phrases:
            found.append(PairAnswer(plane, against, equality(figures.equal(scenario, plane, against)), phrases))
    return found


def _told_pairs(figures: Figures, scenario: ScenarioRow) -> list[tuple[str, str]]:
    """The pairs worth a sentence: each plane against the first one, and those that a target names; without targets, all."""
    named = {(row.dataplane, row.against) for row in figures.run.targets}
    pairs = figures.pairs(scenario)
    return [pair for pair in pairs if not named or pair in named or pair[1] == figures.planes[0]]


def policy_sentence(run: Run) -> str:
    """Whether every plane enforced the scenarios' policies as the hand-written matrices expect."""
    if not run.conformance:
        return "No reachability was checked in this run."
    parts = []
    for plane in [plane.name for plane in run.dataplanes]:
        rows = [row for row in run.conformance if row.dataplane == plane]
        wrong = [row for row in rows if row.outcome in ("fail", "error")]
        judged = [row for row in rows if row.outcome != "unsupported"]
        if wrong:
            parts.append(f"{plane} was wrong in {len(wrong)} of {len(judged)} probes")
        elif len(judged) < len(rows):
            parts.append(
                f"{plane} was right in {len(judged)} probes, and {len(rows) - len(judged)} ask for what it does not do"
            )
        elif rows:
            parts.append(f"{plane} was right in all {len(rows)} probes")
    return "Policy: " + "; ".join(parts) + "."


def targets_sentence(run: Run) -> str:
    """How many targets were reached; a quick run judges none."""
    if run.indicative:
        return "This is a quick run: its figures are indicative, and no target is judged on them."
    if not run.targets:
        return "No targets were set for this run."
    counts = {
        name: sum(row.outcome == name for row in run.targets) for name in dict.fromkeys(row.outcome for row in run.targets)
    }
    said = ", ".join(f"{count} {'was' if count == 1 else 'were'} {name}" for name, count in counts.items())
    return f"Of {len(run.targets)} {'target' if len(run.targets) == 1 else 'targets'}, {said}."


def void_sentence(run: Run) -> str:
    """What had to be thrown away."""
    if not run.voids:
        return "No cell was void."
    left = sum(not row.resolved for row in run.voids)
    cells = "1 cell was void" if len(run.voids) == 1 else f"{len(run.voids)} cells were void"
    if not left:
        return f"{cells}, and good when run again."
    return f"{cells}; {left} {'was' if left == 1 else 'were'} not mended by a rerun."
