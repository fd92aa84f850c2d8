"""Two finished runs compared: what moved between them, of figures that are not paired.

A run's ratio to its control is taken within each block, seconds apart, and then compared: what the machine's mood did to
both planes is out of it. A figure in its own unit is of its own time, so it stands beside, as a family of its own. Where
the control has nothing to divide by (memory of a mesh), the figure itself is judged. On different set-ups nothing but
ratios is compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness.judge.change import Change, Word, intervals, own_floor
from harness.report.block_values import Blocks, Figure, read_blocks
from harness.report.metrics import metric_text
from harness.report.row import Number
from harness.report.run import LoadRow, Run, RunError, read_run
from harness.report.schema import written_schema
from harness.report.setups import Difference, differences, refusal

NEAR = 0.1  # offered rates that follow from a measured maximum may differ by so much, as a share


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)


class RunName(_Row):
    """Which run: the last part of its folder's path, and what it says of itself."""

    folder: str
    started: str
    commit: str
    mode: str


class ChangeRow(_Row):
    """One figure in both runs. ``against`` is the control where it is a ratio; null: the figure itself, of different times.

    ``before`` and ``after`` are medians over blocks, ``change`` the ratio after/before of geometric means with its interval;
    level 0: no interval. A null estimate is infinite where ``blocks`` is not 0. ``judged``: it belongs to what a gate judges.
    """

    scenario: str
    load: str
    metric: str
    unit: str
    dataplane: str
    against: str | None
    before: Number
    after: Number
    change: Number
    low: Number
    high: Number
    level: float
    blocks: int
    floor: Number
    floor_of: Literal["A/A pair", "own blocks"] | None
    word: Word
    judged: bool


class LeftOut(_Row):
    """A load, or a plane in it, that is not compared, and why."""

    where: str
    reason: str


class Comparison(_Row):
    """What ``meshproof compare --json`` prints. ``indicative``: one of the runs is a quick one, so no figure is judged."""

    format: Literal[1] = 1
    before: RunName
    after: RunName
    control: str
    indicative: bool
    differs: list[Difference]
    rows: list[ChangeRow]
    left_out: list[LeftOut] = []

    def judged(self, *words: Word) -> list[ChangeRow]:
        """Rows that a gate judges, and of which one of ``words`` is said; without words, all of them."""
        return [row for row in self.rows if row.judged and (not words or row.word in words)]


@dataclass(frozen=True, slots=True)
class Sides:
    """Two runs that were read, ``before`` first."""

    before: Run
    after: Run
    before_blocks: Blocks
    after_blocks: Blocks
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class _Pair:
    figure: Figure
    against: str | None
    before: tuple[float, ...]
    after: tuple[float, ...]
    floor: float
    floor_of: Literal["A/A pair", "own blocks"] | None
    judged: bool


def compare(before: Path, after: Path, *, anyway: bool = False) -> Sides:
    """Read and compare two folders of ``bench``. Raises RunError; also for different set-ups, unless ``anyway``."""
    old, new = read_run(before), read_run(after)
    differs = differences(old.fingerprint, new.fingerprint)
    if differs and not anyway:
        raise RunError(refusal(str(before), str(after), differs))
    control = old.dataplanes[0].name
    if new.dataplanes[0].name != control:
        raise RunError(
            f"{after}: its first data plane, the control, is {new.dataplanes[0].name}, but {control} in {before}: "
            "ratios to different controls say nothing of one another"
        )
    blocks = read_blocks(before, old), read_blocks(after, new)
    left_out, pairs = _left_out(old, new), list(_pairs(old, new, *blocks))
    if differs:
        pairs = [pair for pair in pairs if pair.against is not None]
    comparison = Comparison(
        before=_name(before, old), after=_name(after, new), control=control, indicative=old.indicative or new.indicative,
        differs=differs, rows=[*_rows([pair for pair in pairs if pair.judged]), *_rows([p for p in pairs if not p.judged])],
        left_out=left_out,
    )  # fmt: skip
    return Sides(old, new, *blocks, comparison)


def _name(folder: Path, run: Run) -> RunName:
    commit = run.fingerprint.get("commit", "unknown")
    return RunName(folder=folder.resolve().name, started=run.started, commit=commit, mode=run.mode)


def _pairs(old: Run, new: Run, before: Blocks, after: Blocks) -> Iterator[_Pair]:
    """What both have, in the order of the first run's samples: ratios and what has none, then figures of their own time."""
    unlike = {row.where for row in _left_out(old, new)}
    control = old.dataplanes[0].name
    for figure, was in before.values.items():
        now = after.values.get(figure)
        if now is None or f"{figure.scenario}/{figure.load}" in unlike or not any((*was.own, *now.own)):
            continue  # among them figures that are 0 in both runs: memory of BPF of a plane that has no programs
        paired = bool(was.ratios and now.ratios)
        shared = _shared_floor(old, new, figure)
        floor = shared if not isnan(shared) else max(own_floor(was.own), own_floor(now.own))
        source: Literal["A/A pair", "own blocks"] | None = "A/A pair" if not isnan(shared) else None
        if paired:
            yield _Pair(figure, control, was.ratios, now.ratios, shared, source, judged=True)
        if source is None and not isnan(floor):
            source = "own blocks"
        # The control is no subject of a gate: what moves it is the machine, or what measures
        yield _Pair(figure, None, was.own, now.own, floor, source, judged=not paired and figure.dataplane != control)


def _shared_floor(old: Run, new: Run, figure: Figure) -> float:
    """The larger of both runs' noise floors; NaN where one of them has none."""
    wanted = (figure.scenario, figure.load, figure.metric)
    found = [
        next((row.floor for row in run.noise_floor if (row.scenario, row.load, row.metric) == wanted), None)
        for run in (old, new)
    ]
    return max((floor for floor in found if floor is not None), default=nan) if None not in found else nan


def _rows(pairs: list[_Pair]) -> list[ChangeRow]:
    """One family of comparisons."""
    rows = []
    for pair, interval in zip(pairs, intervals([(pair.before, pair.after) for pair in pairs]), strict=True):
        change = Change(interval, pair.floor)
        figure = pair.figure
        rows.append(
            ChangeRow(
                scenario=figure.scenario, load=figure.load, metric=figure.metric, dataplane=figure.dataplane,
                unit=figure.unit if pair.against is None else "ratio", against=pair.against,
                before=_median(pair.before), after=_median(pair.after), change=interval.estimate,
                low=interval.low, high=interval.high, level=interval.level, blocks=interval.blocks,
                floor=pair.floor, floor_of=pair.floor_of, judged=pair.judged,
                word=change.word(lower_is_better=metric_text(figure.metric).lower_is_better),
            )
        )  # fmt: skip
    return rows


def _median(values: tuple[float, ...]) -> float | None:
    return median(values) if values else None


def _left_out(old: Run, new: Run) -> list[LeftOut]:
    """Loads that only one run has, or that are not the same in both, each with its reason."""
    found = []
    loads = [{f"{s.name}/{load.name}": load for s in run.scenarios for load in s.loads} for run in (old, new)]
    for where in dict.fromkeys([*loads[0], *loads[1]]):
        was, now = loads[0].get(where), loads[1].get(where)
        reason = f"only in the {'second' if was is None else 'first'} run" if was is None or now is None else _unlike(was, now)
        if reason:
            found.append(LeftOut(where=where, reason=reason))
    planes = [[plane.name for plane in run.dataplanes] for run in (old, new)]
    for mine, other, which in ((*planes, "first"), (*planes[::-1], "second")):
        found += [LeftOut(where=plane, reason=f"only in the {which} run") for plane in mine if plane not in other]
    return found


def _unlike(was: LoadRow, now: LoadRow) -> str:
    """How two loads of one name differ; fields that an older run did not have yet are not compared."""
    both = (was.model_fields_set & now.model_fields_set) - {"resolved_rate"}
    differ = sorted(field for field in both if getattr(was, field) != getattr(now, field))
    if differ:
        told = ", ".join(f"{field} {getattr(was, field)} and {getattr(now, field)}" for field in differ)
        return f"not the same load: {told}"
    rates = was.resolved_rate, now.resolved_rate
    if rates[0] and rates[1] and not 1 - NEAR <= rates[0] / rates[1] <= 1 / (1 - NEAR):
        return f"not the same load: {rates[0]:,.0f} and {rates[1]:,.0f} requests a second were offered"
    return ""


def schema_text() -> str:
    """The JSON Schema of what ``compare --json`` prints, as committed in docs/schemas/comparison.schema.json."""
    return written_schema(Comparison)
