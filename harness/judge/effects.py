"""Which ratios of a campaign are effects."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from harness.judge.estimates import Pair, ratios
from harness.judge.family import simultaneous
from harness.judge.interval import LEVEL, Interval
from harness.judge.noise import NoiseFloor
from harness.model.bench import LoadKind
from harness.model.result import Estimate

COMPARED: Mapping[str, frozenset[LoadKind]] = {
    "latency_p50": frozenset({LoadKind.LATENCY}),
    "latency_p99": frozenset({LoadKind.LATENCY}),
    "cpu_per_request": frozenset({LoadKind.COST, LoadKind.MAXIMUM, LoadKind.CLOSED, LoadKind.BLOCKING}),
    "throughput": frozenset({LoadKind.MAXIMUM, LoadKind.CLOSED, LoadKind.BLOCKING, LoadKind.CONNECTIONS}),
    "capacity": frozenset({LoadKind.CAPACITY}),
    "bulk": frozenset({LoadKind.BULK}),
}
"""The metrics that are judged, and the kinds of load in which each means something: one comparison each and pair.

All others are printed without a verdict. The fewer there are, the narrower is each interval of the family.
"""


def effects(figures: pd.DataFrame, pairs: Sequence[Pair], floors: Sequence[NoiseFloor]) -> list[Estimate]:
    """Every paired ratio; those of the family with its intervals and a verdict, where the blocks suffice for one."""
    noise = {(floor.scenario, floor.load, floor.metric): floor for floor in floors}
    loads = figures[["scenario", "load", "kind"]].drop_duplicates()
    kinds = {f"{scenario}/{load}": kind for scenario, load, kind in loads.itertuples(index=False)}
    found = list(ratios(figures, pairs))
    family = [each for each in found if kinds[each.estimate.cell] in COMPARED.get(each.estimate.metric, ())]
    intervals = simultaneous([each.blocks for each in family])
    judged = {id(each): _judged(each.estimate, interval, noise) for each, interval in zip(family, intervals, strict=True)}
    return [judged.get(id(each)) or replace(each.estimate, family_level=0.0) for each in found]


def _judged(row: Estimate, interval: Interval, noise: Mapping[tuple[str, str, str], NoiseFloor]) -> Estimate:
    load = row.cell.removeprefix(f"{row.scenario}/")
    if not interval.level:
        return replace(row, family_level=0.0)
    return replace(
        row, family_low=interval.low, family_high=interval.high, family_level=LEVEL,
        different=different(row, interval, noise.get((row.scenario, load, row.metric))),
    )  # fmt: skip


def different(row: Estimate, interval: Interval, floor: NoiseFloor | None) -> bool:
    """Whether a ratio is an effect: the family's interval leaves out 1, and it is farther from 1 than the noise floor.

    Both are asked: without a noise floor nothing is an effect.
    """
    if floor is None or not floor.level:
        return False
    return not interval.low <= 1 <= interval.high and abs(row.estimate - 1) > floor.floor
