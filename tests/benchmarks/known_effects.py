"""How often a campaign recovers what it injects itself. Root; 25 campaigns of 8 blocks take about 25 minutes.

    python tests/benchmarks/known_effects.py [--campaigns 25] [--blocks 8] [--json]

Each campaign is one of `meshproof bench` that has nothing but the rows of known effects: the same labs, loads, meters, journal
and judgement. Printed are, for each effect and for all, how many were recovered, the median of the intervals' half-widths (of
the ratio found/expected, in %), the estimates' mean, and the void cells.
"""

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from harness import meters, traffic
from harness.campaign.folder import begin
from harness.campaign.plan import Mode, plan
from harness.campaign.run import Campaign
from harness.campaign.samples import gather
from harness.dataplanes import find
from harness.judge.interval import MINIMUM_BLOCKS
from harness.judge.known_effects import KnownEffect, known_effects
from harness.lab.idle import kept_awake
from harness.manifests.bench import load_bench

SCENARIO = Path(__file__).resolve().parents[2] / "scenarios/bench/http-cross-node.yaml"


class Quiet:
    """An observer that tells only of voids, on standard error."""

    def planned(self, cells: int, done: int, seconds: float) -> None: ...

    def added(self, cells: int) -> None: ...

    def began(self, what: str) -> None: ...

    def finished(self, what: str) -> None: ...

    def noted(self, what: str) -> None:
        print(f"  {what}", file=sys.stderr, flush=True)


def campaign(blocks: int, seed: int) -> tuple[Sequence[KnownEffect], int]:
    """One campaign's effects, and how many of its cells were void."""
    (scenario,) = load_bench([SCENARIO])
    asked = plan([replace(scenario, loads=(), expectations=())], ["plain"], Mode.DEFAULT, blocks=blocks, seed=seed)
    with tempfile.TemporaryDirectory(prefix="meshproof-") as folder:
        journal = begin(Path(folder), asked, {}, sys.argv)
        usable = meters.usable()
        Campaign(
            asked, Path(folder), journal, Quiet(), planes={"plain": find("plain")}, loads=traffic.registered(), meters=usable,
            rerun_until=math.inf,
        ).run()  # fmt: skip
        samples = gather(journal)
        journal.close()
    return known_effects(samples.figures), len(samples.voids)


def told(name: str, rows: Sequence[KnownEffect]) -> dict[str, object]:
    """What many campaigns say of one effect, or of all."""
    widths = [(row.high - row.low) / 2 for row in rows if row.level]
    return {
        "effect": name, "recovered": sum(row.recovered for row in rows), "of": len(rows),
        "half_width": statistics.median(widths) if widths else None,
        "mean_estimate": statistics.fmean(row.estimate for row in rows),
    }  # fmt: skip


def main() -> None:
    """Run the campaigns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=25)
    parser.add_argument("--blocks", type=int, default=8, help=f"of each campaign, at least {MINIMUM_BLOCKS}")
    parser.add_argument("--seed", type=int, default=1, help="of the first campaign's order")
    parser.add_argument("--json", action="store_true", help="print every campaign's rows as JSON instead of the table")
    options = parser.parse_args()
    if options.blocks < MINIMUM_BLOCKS or options.campaigns < 1:
        parser.error(f"want at least 1 campaign of at least {MINIMUM_BLOCKS} blocks")
    runs, voids, began = [], 0, time.monotonic()
    with kept_awake():
        for number in range(options.campaigns):
            rows, void = campaign(options.blocks, options.seed + number)
            runs.append(rows)
            voids += void
            print(f"campaign {number + 1}: " + ", ".join(
                f"{row.id} {row.estimate:.4f} ({row.low:.4f} to {row.high:.4f})" + ("" if row.recovered else " NOT RECOVERED")
                for row in rows
            ), file=sys.stderr, flush=True)  # fmt: skip
    every = [row for rows in runs for row in rows]
    ids = dict.fromkeys(row.id for row in every)
    lines = [*(told(each, [row for row in every if row.id == each]) for each in ids), told("all", every)]
    seconds = time.monotonic() - began
    if options.json:
        campaigns = [[asdict(row) for row in rows] for rows in runs]
        json.dump({"table": lines, "voids": voids, "seconds": seconds, "campaigns": campaigns}, sys.stdout, indent=1)
        print()
        return
    print(f"{'effect':12}  {'recovered':>9}  {'of':>4}  {'half-width':>10}  {'mean':>7}")
    for line in lines:
        width = "none" if line["half_width"] is None else f"{100 * line['half_width']:.2f} %"  # type: ignore[operator]
        print(f"{line['effect']:12}  {line['recovered']:>9}  {line['of']:>4}  {width:>10}  {line['mean_estimate']:>7.4f}")
    print(f"{voids} void cells, {seconds:.0f} s")


if __name__ == "__main__":
    main()
