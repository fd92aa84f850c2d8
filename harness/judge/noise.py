"""The noise floor: how far apart two attachments of one data plane come out."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from harness.judge.estimates import paired_ratios
from harness.judge.interval import median_interval


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """No ratio closer to 1 than ``floor`` (0.03: 3 %) can be told from 1 in this cell. NaN with too few blocks."""

    scenario: str
    load: str
    metric: str
    floor: float
    level: float


def noise_floors(figures: pd.DataFrame, arm: str, twin: str) -> Iterator[NoiseFloor]:
    """From the A/A pair: the farther end, from 1, of the interval of the median of ``twin``/``arm`` over blocks.

    With six blocks that is the most extreme of the six ratios.
    """
    counted = figures[figures["void"].isna() & (figures["component"] == "") & figures["arm"].isin([arm, twin])]
    for key, rows in counted.groupby(["scenario", "load", "metric"], sort=False):
        scenario, load, metric = map(str, key)
        table = rows.pivot(index="block", columns="arm", values="value")
        if arm not in table or twin not in table:
            continue
        found = median_interval(list(paired_ratios(table[twin], table[arm])))
        floor = max(found.high - 1, 1 - found.low) if found.level else float("nan")
        yield NoiseFloor(scenario, load, metric, floor, found.level)
