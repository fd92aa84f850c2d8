"""How often a campaign finds an effect where there is none, as JSON on standard output.

    python tests/benchmarks/false_alarms.py simulated [--from results/reference] [--campaigns 200]
    python tests/benchmarks/false_alarms.py real [--campaigns 20] [--blocks 6]      # root; about a minute each

``simulated`` draws campaigns of five planes that are all alike from the noise that a run's A/A pair recorded: a block's is
taken as a whole, so that cells that were disturbed together stay so. ``real`` measures three attachments of the control as if
the third were another plane. Both ask the judge of every campaign; ``alarms`` counts those with at least one effect.
``half_width`` is the median, over comparisons, of half of the family's interval.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness import meters, traffic
from harness.campaign.folder import begin
from harness.campaign.observer import Observer
from harness.campaign.plan import Arm, Mode, Plan
from harness.campaign.run import Campaign
from harness.campaign.samples import gather
from harness.dataplanes import find
from harness.judge.effects import COMPARED, effects
from harness.judge.estimates import Pair
from harness.judge.noise import noise_floors
from harness.lab.idle import kept_awake
from harness.manifests.bench import load_bench
from harness.model.bench import BenchScenario
from harness.model.result import Estimate

PLANES = ("plain", "one", "two", "three", "four")
LOADS = ("latency-1000", "cost-1000", "maximum")


def judged(figures: pd.DataFrame, planes: Sequence[str]) -> list[Estimate]:
    """What the judge says of every comparison of a campaign."""
    pairs = [Pair(plane, against, True) for place, plane in enumerate(planes) for against in planes[:place]]
    return [
        row for row in effects(figures, pairs, list(noise_floors(figures, "plain", "plain#2"))) if row.different is not None
    ]


def summed_up(campaigns: Iterator[list[Estimate]]) -> dict[str, Any]:
    """Counts over campaigns."""
    found = list(campaigns)
    rows = [row for each in found for row in each]
    widths = [
        (row.family_high - row.family_low) / 2 for row in rows if row.family_high is not None and row.family_low is not None
    ]
    return {
        "campaigns": len(found),
        "alarms": sum(any(row.different for row in each) for each in found),
        "comparisons": len(rows) / len(found),
        "half_width": float(np.median(widths)),
    }


def recorded(run: Path) -> pd.DataFrame:
    """Log ratios of a run's A/A pair: a row a block, a column a cell and metric that is judged; gaps where a block was void."""
    table = pd.read_parquet(run / "samples.parquet")
    twin = next(arm for arm in table["arm"].unique() if arm.endswith("#2"))
    judgeable = np.array(
        [kind in COMPARED.get(metric, ()) for metric, kind in zip(table["metric"], table["kind"], strict=True)]
    )
    table = table[table["void"].isna() & (table["component"] == "") & judgeable]
    keys = ["scenario", "load", "kind", "metric"]
    arms = {
        arm: table[table["arm"] == arm].pivot_table(index="block", columns=keys, values="value") for arm in (twin, twin[:-2])
    }
    return np.log(arms[twin] / arms[twin[:-2]]).replace([np.inf, -np.inf], np.nan)


def simulated(noise: pd.DataFrame, campaigns: int) -> Iterator[list[Estimate]]:
    """Campaigns of planes that are alike, as many blocks as were recorded."""
    random = np.random.default_rng(1)
    recorded = noise.to_numpy()
    for _ in range(campaigns):
        yield judged(_alike(noise, recorded, random), PLANES)


def _alike(noise: pd.DataFrame, recorded: npt.NDArray[np.float64], random: np.random.Generator) -> pd.DataFrame:
    blocks = len(recorded)
    frames = []
    for arm in ("plain", "plain#2", *PLANES[1:]):
        # half of the variance of a ratio is each arm's; an A/A pair the other way round is one too
        drawn = recorded[random.integers(blocks, size=blocks)] * random.choice([-1.0, 1.0], size=(blocks, 1)) / np.sqrt(2)
        frame = pd.DataFrame(np.exp(drawn), index=pd.RangeIndex(1, blocks + 1, name="block"), columns=noise.columns)
        frames.append(frame.unstack().rename("value").reset_index().assign(arm=arm, dataplane=arm.partition("#")[0]))
    table = pd.concat(frames).dropna(subset=["value"])
    return table.assign(component="", unit="1", void=None)


class Quiet(Observer):
    """Shows nothing."""


def real(campaigns: int, blocks: int) -> Iterator[list[Estimate]]:
    """Campaigns of one plane attached three times."""
    scenarios = [scenario for scenario in load_bench([]) if scenario.quick]
    usable = meters.usable()
    arms = (Arm("plain", "plain"), Arm("plain#2", "plain"), Arm("plain#3", "plain"))
    for number in range(campaigns):
        plan = Plan(Mode.DEFAULT, tuple(_shortened(scenarios)), arms, blocks, seed=number)
        with tempfile.TemporaryDirectory() as folder, kept_awake():
            journal = begin(Path(folder), plan, {}, sys.argv)
            Campaign(
                plan, Path(folder), journal, Quiet(), planes={"plain": find("plain")}, loads=traffic.registered(),
                meters=usable, rerun_until=0.0,
            ).run()  # fmt: skip
            figures = gather(journal).figures
            journal.close()
        figures.loc[figures["arm"] == "plain#3", "dataplane"] = "again"
        found = judged(figures, ("plain", "again"))
        said = ", ".join(f"{row.cell} {row.metric} {row.estimate:.3f}" for row in found if row.different)
        print(f"campaign {number + 1}: {said or 'no effect'}", file=sys.stderr)
        yield found


def _shortened(scenarios: Sequence[BenchScenario]) -> Iterator[BenchScenario]:
    for scenario in scenarios:
        yield replace(scenario, loads=tuple(load for load in scenario.loads if load.name in LOADS))


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("how", choices=("simulated", "real"))
    parser.add_argument("--from", dest="run", type=Path, default=Path("results/reference"))
    parser.add_argument("--campaigns", type=int)
    parser.add_argument("--blocks", type=int, default=6)
    asked = parser.parse_args()
    if asked.how == "simulated":
        found = summed_up(simulated(recorded(asked.run), asked.campaigns or 200))
    else:
        found = summed_up(real(asked.campaigns or 20, asked.blocks))
    json.dump({"how": asked.how, **found}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
