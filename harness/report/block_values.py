"""The blocks' values of a run's figures, in their own units and as ratios to the run's first plane, the control."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harness.judge.estimates import by_block, paired_ratios
from harness.report.lookup import KINDS
from harness.report.run import Run, RunError

_COLUMNS = ["block", "scenario", "load", "kind", "arm", "dataplane", "metric", "component", "unit", "value", "void"]


@dataclass(frozen=True, slots=True, order=True)
class Figure:
    """What a figure is of: a metric of a load of a scenario on a data plane, and its unit."""

    scenario: str
    load: str
    metric: str
    dataplane: str
    unit: str


@dataclass(frozen=True, slots=True)
class Values:
    """A figure's values, one a block that counts. ``ratios`` is empty of the control itself, and where the control has none."""

    own: tuple[float, ...]
    ratios: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Blocks:
    """A run's figures by block. ``present``: which planes gave any figure in which load of which scenario."""

    values: Mapping[Figure, Values]
    present: frozenset[tuple[str, str, str]]


def read_blocks(folder: Path, run: Run) -> Blocks:
    """Read ``samples.parquet`` beside ``run``; figures that mean something in their load, of whole cells. Raises RunError.

    In a quick run, which judges no figure, also a void block's are present: that says that something was measured.
    """
    file = folder / "samples.parquet"
    try:
        samples = pd.read_parquet(file, columns=_COLUMNS)
    except FileNotFoundError:
        raise RunError(f"{file}: not there; the run's folder is not complete") from None
    except (OSError, ValueError) as fault:
        raise RunError(f"{file}: cannot be read: {fault}") from fault
    # what the campaign injected itself stands there too, and is no figure of a data plane
    samples = samples[samples["scenario"].isin([scenario.name for scenario in run.scenarios])]
    seen = samples if run.indicative else samples[samples["void"].isna()]
    present = frozenset(
        (str(scenario), str(load), str(plane))
        for scenario, load, plane in zip(seen["scenario"], seen["load"], seen["dataplane"], strict=True)
    )
    told = pd.Series(
        [kind in KINDS.get(metric, ()) for metric, kind in zip(samples["metric"], samples["kind"], strict=True)],
        index=samples.index,
    )
    return Blocks(_values(samples[told & (samples["component"] == "")], run.dataplanes[0].name), present)


def _values(samples: pd.DataFrame, control: str) -> dict[Figure, Values]:
    found = {}
    for key, rows in by_block(samples).groupby(["scenario", "load", "metric", "unit"], sort=False):
        scenario, load, metric, unit = map(str, key)
        table = rows.pivot(index="block", columns="dataplane", values="value")
        for plane in map(str, table.columns):
            ratios: tuple[float, ...] = ()
            if plane != control and control in table:
                ratios = tuple(paired_ratios(table[plane], table[control]))
            found[Figure(scenario, load, metric, plane, unit)] = Values(tuple(table[plane].dropna()), ratios)
    return found
