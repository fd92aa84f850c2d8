"""Endpoints about figures: ratios, sums, absolute figures, fitted slopes."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import isinf, isnan

from harness.judge.evidence import Evidence, Fit, Link, Row, RunEvidence
from harness.judge.targets import MARGIN_SHARE
from harness.judge.verdict import Judged, Verdict, side
from harness.model.claim import Bound, Endpoint, Figure, Growth, Ratio, Slope, Total


def judge_ratio(endpoint: Endpoint, subject: Ratio, evidence: Evidence) -> Judged:
    """A paired ratio of one run, by its family-wise interval where it has one, and the rule of the noise floor."""
    for run in evidence.runs:
        row = None if run.unusable else _ratio(run, subject)
        if row is not None and row.level:
            links = [Link(run.name, "cell", f"{scenario}/{subject.load}") for scenario in _scenarios(subject)]
            floors = [run.floors.get((scenario, subject.load, subject.metric)) for scenario in _scenarios(subject)]
            verdict, reason = _by_noise(row, _bound(endpoint), _highest(floors))
            reason = "; ".join(text for text in (reason, "" if row.family else OWN) if text)
            return Judged(endpoint, verdict, row.estimate, row.low, row.high, row.level, reason, links)
    cells = [(scenario, subject.load) for scenario in _scenarios(subject)]
    return _missing(endpoint, evidence, cells, subject.metric, _pair(subject))


def judge_total(endpoint: Endpoint, subject: Total, evidence: Evidence) -> Judged:
    """A ratio of sums. Its interval reaches from the smallest to the largest ratio that the summands' intervals allow."""
    for run in evidence.runs:
        rows = [] if run.unusable else [list(_rows(run, subject, plane)) for plane in _pair(subject)]
        if not rows or not all(len(each) == len(subject.metrics) and all(row.level for row in each) for each in rows):
            continue
        above, below = (_sum(each) for each in rows)
        if below.low <= 0:
            continue
        level = max(0.0, 1 - sum(1 - row.level for each in rows for row in each))
        low, high = above.low / below.high, above.high / below.low
        links = [Link(run.name, "cell", f"{subject.scenario}/{subject.load}")]
        return Judged(
            endpoint, side(low, high, _bound(endpoint)), above.estimate / below.estimate, low, high, level, links=links
        )  # fmt: skip
    return _missing(endpoint, evidence, [(subject.scenario, subject.load)], subject.metrics[0], _pair(subject))


def judge_figure(endpoint: Endpoint, subject: Figure, evidence: Evidence) -> Judged:
    """A figure in its own unit."""
    place = (subject.scenario, subject.load, subject.metric)
    for run in evidence.runs:
        row = None if run.unusable else run.figures.get((place, subject.component, subject.dataplane))
        if row is not None and row.level:
            links = [Link(run.name, "cell", f"{subject.scenario}/{subject.load}")]
            verdict = side(row.low, row.high, _bound(endpoint))
            return Judged(endpoint, verdict, row.estimate, row.low, row.high, row.level, links=links)
    return _missing(endpoint, evidence, [(subject.scenario, subject.load)], subject.metric, [subject.dataplane])


def judge_slope(endpoint: Endpoint, subject: Slope, evidence: Evidence) -> Judged:
    """What one more of x costs, as a ratio of slopes; of several conditions the least favourable one."""
    found = []
    for run in evidence.runs:
        if run.unusable:
            continue
        mine, theirs = (list(_fits(run, subject, plane)) for plane in (subject.dataplane, subject.against))
        shared = {fit.condition for fit in mine} & {fit.condition for fit in theirs}
        for one, other in product(mine, theirs):
            if one.condition == other.condition or not shared:
                found.append(_slopes(endpoint, run, one, other))
        if found:
            return _worst(found)
    what = f"no run fitted {subject.metric} to {subject.x} on {subject.dataplane} and {subject.against}"
    return Judged(endpoint, Verdict.UNTESTED, reason=what)


def judge_growth(endpoint: Endpoint, subject: Growth, evidence: Evidence) -> Judged:
    """How much a fitted figure grows over all that was measured; of several conditions the least favourable one."""
    for run in evidence.runs:
        found = [] if run.unusable else [_growth(endpoint, run, fit) for fit in _fits(run, subject, subject.dataplane)]
        if found:
            return _worst(found)
    return Judged(
        endpoint, Verdict.UNTESTED, reason=f"no run fitted {subject.metric} to {subject.x} on {subject.dataplane}"
    )  # fmt: skip


def _bound(endpoint: Endpoint) -> Bound:
    if endpoint.bound is None:
        raise ValueError(f"{endpoint.origin}: an endpoint about figures has a bound")
    return endpoint.bound


def _scenarios(subject: Ratio) -> list[str]:
    other = subject.against_scenario
    return [subject.scenario] if other in (None, subject.scenario) else [subject.scenario, str(other)]


def _pair(subject: Ratio | Total) -> list[str]:
    return [subject.dataplane, subject.against]


def _ratio(run: RunEvidence, subject: Ratio) -> Row | None:
    place = (subject.scenario, subject.load, subject.metric)
    if subject.against_scenario not in (None, subject.scenario):
        crossing = run.crossings.get((place, subject.dataplane, subject.against, str(subject.against_scenario)))
        return crossing or _unpaired(run, subject, str(subject.against_scenario))
    row = run.ratios.get((place, subject.dataplane, subject.against))
    if row is not None:
        return row
    reverse = run.ratios.get((place, subject.against, subject.dataplane))  # as the planes of that run were given
    return None if reverse is None else reverse.inverted()


def _unpaired(run: RunEvidence, subject: Ratio, other: str) -> Row | None:
    """The ratio of two scenarios' figures where the run did not pair them: as wide as both intervals allow."""
    above = run.figures.get(((subject.scenario, subject.load, subject.metric), "", subject.dataplane))
    below = run.figures.get(((other, subject.load, subject.metric), "", subject.against))
    if above is None or below is None or not (above.level and below.level and below.low > 0):
        return None
    level = max(0.0, above.level + below.level - 1)
    return Row(above.estimate / below.estimate, above.low / below.high, above.high / below.low, level)


def _highest(floors: Sequence[float | None]) -> float | None:
    known = [floor for floor in floors if floor is not None]
    return max(known) if len(known) == len(floors) else None


def _by_noise(row: Row, bound: Bound, floor: float | None) -> tuple[Verdict, str]:
    """As targets are judged. A bound of 1 has no margin: there an effect has to be one, other than 1 and above the floor."""
    verdict = side(row.low, row.high, bound)
    if verdict is Verdict.INCONCLUSIVE:
        return verdict, "the interval spans the bound"
    if floor is None:
        return Verdict.INCONCLUSIVE, "the noise floor of this cell is not known"
    if bound.value == 1:
        different = row.different
        if different is None:
            different = not row.low <= 1 <= row.high and abs(row.estimate - 1) > floor
        return (verdict, "") if different else (Verdict.INCONCLUSIVE, f"not told from 1: the noise floor is {floor:.1%}")
    if floor > MARGIN_SHARE * abs(bound.value - 1):
        return Verdict.INCONCLUSIVE, f"the noise floor ({floor:.1%}) is over a third of the bound's distance from 1"
    return verdict, ""


def _rows(run: RunEvidence, subject: Total, dataplane: str) -> Iterator[Row]:
    for metric in subject.metrics:
        row = run.figures.get(((subject.scenario, subject.load, metric), "", dataplane))
        if row is not None:
            yield row


def _sum(rows: Sequence[Row]) -> Row:
    return Row(sum(row.estimate for row in rows), sum(row.low for row in rows), sum(row.high for row in rows), 1.0)


def _fits(run: RunEvidence, subject: Slope | Growth, dataplane: str) -> Iterator[Fit]:
    for fit in run.fits:
        if (fit.dataplane, fit.metric, fit.x) == (dataplane, subject.metric, subject.x):
            yield fit


def _slopes(endpoint: Endpoint, run: RunEvidence, one: Fit, other: Fit) -> Judged:
    links = [Link(run.name, "fit", one.id), Link(run.name, "fit", other.id)]
    estimate, low, high = one.slope
    under, least, most = other.slope
    crooked = next((fit for fit in (one, other) if not fit.line), None)
    if crooked is not None:
        return Judged(endpoint, Verdict.INCONCLUSIVE, reason=_CROOKED.format(crooked.id), links=links)
    if not least > 0:
        why = f"what {other.dataplane} is compared by does not grow for certain ({other.condition or 'all conditions'})"
        return Judged(endpoint, Verdict.INCONCLUSIVE, reason=why, links=links)
    ends = [value / by for value in (low, high) for by in (least, most)]
    level = max(0.0, one.level + other.level - 1)
    return Judged(
        endpoint, side(min(ends), max(ends), _bound(endpoint)), estimate / under, min(ends), max(ends), level,
        one.condition or other.condition, links,
    )  # fmt: skip


def _growth(endpoint: Endpoint, run: RunEvidence, fit: Fit) -> Judged:
    links = [Link(run.name, "fit", fit.id)]

    if not fit.line:
        return Judged(endpoint, Verdict.INCONCLUSIVE, reason=_CROOKED.format(fit.id), links=links)

    def grown(intercept: float, slope: float) -> float:
        begin = intercept + slope * fit.smallest
        return (intercept + slope * fit.largest) / begin if begin > 0 else float("nan")

    corners = [grown(*each) for each in product(fit.intercept[1:], fit.slope[1:])]
    estimate = grown(fit.intercept[0], fit.slope[0])
    if any(isnan(each) or isinf(each) for each in (*corners, estimate)):
        why = "the fitted figure is not above 0 at the smallest"
        return Judged(endpoint, Verdict.INCONCLUSIVE, reason=why, links=links)
    return Judged(
        endpoint, side(min(corners), max(corners), _bound(endpoint)), estimate, min(corners), max(corners), fit.level,
        fit.condition, links,
    )  # fmt: skip


OWN = "by its own interval, not a family's"
"""Said of a ratio that the run does not judge together with its others: with many of them, some are wrong by chance."""
_CROOKED = "the points of {} do not lie on a line"
_ORDER = (Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.SUPPORTED)


def _worst(found: Sequence[Judged]) -> Judged:
    return min(found, key=lambda each: _ORDER.index(each.verdict))


def _missing(
    endpoint: Endpoint, evidence: Evidence, cells: Sequence[tuple[str, str]], metric: str, planes: Sequence[str]
) -> Judged:
    """Without a usable figure: inconclusive where a run tried, refuted where the subject cannot, else untested."""
    where = " and ".join(f"{scenario}/{load}" for scenario, load in cells)
    tried = None
    for run in evidence.runs:
        links = [Link(run.name, "cell", where)]
        for scenario, load in cells:
            lacking = run.unsupported.get((scenario, planes[0]))
            if lacking is not None and (scenario, load) in run.loads:
                return Judged(endpoint, Verdict.REFUTED, reason=f"{planes[0]} is unsupported there: {lacking}", links=links)
        reads = any(place[2] == metric for place, _, _ in run.figures)  # an older run knows nothing of newer metrics
        if tried is None and reads and all(run.measured(*cell, plane) for cell in cells for plane in planes):
            verdict = Verdict.UNTESTED if run.unusable else Verdict.INCONCLUSIVE
            why = run.unusable or f"{where} was measured, but no block of it counts, or too few for an interval"
            tried = Judged(endpoint, verdict, reason=f"{run.name}: {why}", links=links)
    return tried or Judged(endpoint, Verdict.UNTESTED, reason=f"no run measured {metric} of {' and '.join(planes)} in {where}")
