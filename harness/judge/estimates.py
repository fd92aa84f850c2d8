"""Estimates over blocks: each figure in its own unit, and paired ratios between data planes.

``figures`` is a table of samples with the columns block, scenario, load, arm, dataplane, metric, component, unit, value
and void (text, or missing for a block that counts).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.judge.interval import median_interval
from harness.model.result import Estimate

CELL = ["scenario", "load", "metric", "component", "unit"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two data planes that are compared; ``equal`` is None where one is the control, which does nothing."""

    dataplane: str
    against: str
    equal: bool | None


def by_block(figures: pd.DataFrame) -> pd.DataFrame:
    """One row a block and plane: the mean of the plane's arms (the A/A pair has two). Void blocks are left out."""
    counted = figures[figures["void"].isna()]
    keys = [*CELL, "dataplane", "block", *(["worker"] if "worker" in counted else [])]  # a block is of one worker
    return counted.groupby(keys, sort=False, observed=True)["value"].mean().reset_index()


def void_blocks(figures: pd.DataFrame) -> dict[tuple[str, str], int]:
    """How many blocks of each (scenario, load) do not count."""
    void = figures[figures["void"].notna()]
    return {
        (str(scenario), str(load)): int(rows["block"].nunique())
        for (scenario, load), rows in void.groupby(["scenario", "load"])
    }  # fmt: skip


def absolute(figures: pd.DataFrame) -> Iterator[Estimate]:
    """Every metric of every cell in its own unit."""
    voids = void_blocks(figures)
    for key, rows in by_block(figures).groupby([*CELL, "dataplane"], sort=False):
        scenario, load, metric, component, unit, dataplane = map(str, key)
        found = median_interval(list(rows["value"]))
        yield Estimate(
            f"{scenario}/{load}", scenario, dataplane, metric, unit, found.estimate, found.low, found.high, found.level,
            None, found.blocks, voids.get((scenario, load), 0), component,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compared:
    """A paired ratio, and the ratio of each block behind it."""

    estimate: Estimate
    blocks: Sequence[float]


def ratios(figures: pd.DataFrame, pairs: Sequence[Pair]) -> Iterator[Compared]:
    """The median over blocks of dataplane/against, for whole-cell metrics of each pair."""
    voids = void_blocks(figures)
    whole = by_block(figures[figures["component"] == ""])
    for key, rows in whole.groupby(["scenario", "load", "metric"], sort=False):
        scenario, load, metric = map(str, key)
        table = rows.pivot(index="block", columns="dataplane", values="value")
        for pair in pairs:
            if pair.dataplane not in table or pair.against not in table:
                continue
            paired = paired_ratios(table[pair.dataplane], table[pair.against])
            if len(paired) == 0:
                continue
            found = median_interval(list(paired))
            row = Estimate(
                f"{scenario}/{load}", scenario, pair.dataplane, metric, "ratio", found.estimate, found.low, found.high,
                found.level, pair.against, found.blocks, voids.get((scenario, load), 0), "", pair.equal,
            )  # fmt: skip
            yield Compared(row, list(paired))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a figure is from: one data plane's in one load of one scenario."""

    scenario: str
    load: str
    dataplane: str


def across(figures: pd.DataFrame, above: Place, below: Place, metric: str, equal: bool | None) -> Estimate | None:
    """The median over blocks of ``above``'s metric over ``below``'s, which are of different loads or scenarios.

    None where no block has both. A block that is void in either does not count, nor one whose halves are of two machines.
    """
    whole = by_block(figures[(figures["component"] == "") & (figures["metric"] == metric)])

    def values(place: Place) -> "pd.Series[float]":
        rows = whole[(whole["scenario"] == place.scenario) & (whole["load"] == place.load)]
        rows = rows[rows["dataplane"] == place.dataplane]
        return rows.set_index(["block", "worker"] if "worker" in rows else "block")["value"]

    one, other = values(above).align(values(below))
    paired = paired_ratios(one, other)
    if len(paired) == 0:
        return None
    found = median_interval(list(paired))
    voids = void_blocks(figures)
    void = sum(voids.get((place.scenario, place.load), 0) for place in (above, below))
    return Estimate(
        f"{above.scenario}/{above.load}", above.scenario, above.dataplane, metric, "ratio", found.estimate, found.low,
        found.high, found.level, below.dataplane, found.blocks, void, "", equal,
    )  # fmt: skip


def paired_ratios(above: "pd.Series[float]", below: "pd.Series[float]") -> "pd.Series[float]":
    """Ratios of the blocks that have both values, unless both are infinite or the denominator is 0.

    A value is infinite where requests were never answered; a finite one against it is 0 times as much, and counts.
    """
    usable = above.notna() & below.notna() & (below != 0) & (np.isfinite(above) | np.isfinite(below))
    return above[usable] / below[usable]
