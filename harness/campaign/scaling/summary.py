"""A finished scaling run summed up in its folder: samples and ``run.json`` with estimates, ratios and lines."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from harness.campaign.folder import planned
from harness.campaign.journal import CampaignError, Journal, Record
from harness.campaign.parts import HERE
from harness.campaign.samples import COLUMNS
from harness.campaign.scaling.fits import fits
from harness.campaign.scaling.plan import ScalingPlan
from harness.campaign.scaling.run import is_quick
from harness.campaign.summary import FORMAT, finite, plane_row, shown
from harness.dataplanes.port import DataPlane
from harness.judge.estimates import Pair, absolute, ratios
from harness.model.result import Estimate
from harness.model.scaling import ScalingScenario, Varied

TITLE = "How cost grows with pods and policies"
HISTOGRAMS = ("block", "scenario", "load", "arm", "dataplane", "histogram")


def summarise(folder: Path, plan: ScalingPlan, journal: Journal, planes: Mapping[str, DataPlane]) -> bool:
    """Write ``samples.parquet``, ``histograms.parquet`` (empty) and ``run.json``; whether some point has no figure at all.

    Raises CampaignError on a full disk.
    """
    cells = list(journal.records("cell"))
    figures = gathered(cells, plan)
    record = planned(journal)
    run = {
        "format": FORMAT, "title": TITLE, "started": record["started"], "seconds": round(journal.seconds(), 1),
        "mode": str(plan.mode), "indicative": is_quick(plan), "command": shown(record["command"]),
        "fingerprint": {**record["fingerprint"], "seed": str(plan.seed)},
        "dataplanes": [plane_row(name, [name], plane) for name, plane in planes.items()],
        "scenarios": [],
        "scaling": [_scenario(each, plan) for each in plan.scenarios],
        "estimates": [asdict(row) for row in (*absolute(figures), *_ratios(plan, figures))],
        "fits": list(fits(plan, figures)),
        "voids": [
            {"cell": f"block {each['block']} {each['scenario']}/{each['load']} on {each['arm']}", "reason": each["void"],
             "reran": False, "resolved": False}
            for each in cells if each["void"]
        ],
        "unsupported": [asdict(each) for each in plan.unsupported],
    }  # fmt: skip
    try:
        figures.to_parquet(folder / "samples.parquet", index=False)
        pd.DataFrame([], columns=list(HISTOGRAMS)).to_parquet(folder / "histograms.parquet", index=False)
        (folder / "run.json").write_text(json.dumps(finite(run), indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise CampaignError(f"{folder}: {error}; make room, then `meshproof scale --resume` writes the summary") from error
    good = {(each["scenario"], each["load"], each["arm"]) for each in cells if not each["void"]}
    return any((spot.scenario.name, spot.load, spot.dataplane) not in good for spot in plan.spots())


def gathered(cells: list[Record], plan: ScalingPlan) -> pd.DataFrame:
    """Every figure of every cell that counts. Where data planes are compared, only whole blocks are paired."""
    compared = {each.name for each in plan.scenarios if each.vary is Varied.DATAPLANE}
    spoilt = {(each["block"], each["scenario"]): each["void"] for each in cells if each["void"]}
    rows = [
        (
            cell["block"], order, cell["attempt"], cell["scenario"], cell["load"], cell["load_kind"], cell["arm"],
            cell["dataplane"], name, component, unit, value,
            spoilt.get((cell["block"], cell["scenario"])) if cell["scenario"] in compared else None, HERE,
        )
        for order, cell in enumerate(cells)
        for name, component, unit, value in cell["metrics"]
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _ratios(plan: ScalingPlan, figures: pd.DataFrame) -> list[Estimate]:
    """Of scenarios that compare data planes: each against the first, without a verdict: there is no A/A pair."""
    found: list[Estimate] = []
    for scenario in plan.scenarios:
        if scenario.vary is Varied.DATAPLANE:
            first, *rest = plan.planes_of(scenario) or ["none"]
            mine = figures[figures["scenario"] == scenario.name]
            pairs = [Pair(name, first, True) for name in rest]
            found += [replace(each.estimate, family_level=0.0) for each in ratios(mine, pairs)]
    return found


def _scenario(scenario: ScalingScenario, plan: ScalingPlan) -> dict[str, Any]:
    return {
        "name": scenario.name, "title": scenario.title, "why": scenario.why, "vary": str(scenario.vary),
        "points": list(plan.points_of(scenario)), "dataplanes": list(plan.planes_of(scenario)),
        "measure": [str(each) for each in scenario.measure], "blocks": plan.blocks_of(scenario),
    }  # fmt: skip
