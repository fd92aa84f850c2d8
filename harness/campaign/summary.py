"""A finished campaign summed up in its folder: samples, histograms, and ``run.json`` with estimates and judgements."""

import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.campaign.folder import planned
from harness.campaign.journal import CampaignError, Journal, Record
from harness.campaign.known_effects import exempt
from harness.campaign.machines import as_records, machines
from harness.campaign.plan import Mode, Plan
from harness.campaign.run import SURVEY
from harness.campaign.samples import Samples, gather
from harness.dataplanes.port import DataPlane, Feature, NamesPaths, No, Support, Yes
from harness.judge.effects import effects
from harness.judge.estimates import Pair, Place, absolute, across, ratios
from harness.judge.known_effects import known_effects
from harness.judge.noise import NoiseFloor, noise_floors
from harness.judge.targets import Judged, judge
from harness.model.bench import KNOWN_EFFECTS, BenchScenario
from harness.model.result import Estimate
from harness.model.target import Target

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
TITLE = "Sidecar and eBPF data planes compared"


@dataclass(frozen=True, slots=True)
class Ending:
    """What a campaign's exit status follows from."""

    unexpected: int  # policy probes that failed, and planes that could not be surveyed
    void: bool  # some load of some scenario has no block that counts, or a known effect was not recovered


def summarise(folder: Path, plan: Plan, journal: Journal, targets: Sequence[Target], planes: Mapping[str, DataPlane]) -> Ending:
    """Write ``samples.parquet``, ``histograms.parquet`` and ``run.json``. Raises CampaignError on a full disk."""
    record = planned(journal)
    found = machines(plan, journal, record["fingerprint"])
    samples = gather(journal, found.pooled)
    samples.figures["pooled"] = samples.figures["worker"].isin(found.pooled)
    known = [] if exempt(plan) else known_effects(samples.figures)
    figures = samples.figures[samples.figures["scenario"] != KNOWN_EFFECTS]
    names = list(dict.fromkeys(arm.dataplane for arm in plan.arms))
    floors = [] if plan.mode is Mode.QUICK else list(noise_floors(figures, names[0], f"{names[0]}#2"))
    pairs = list(_pairs(names, planes))
    compared = (
        [each.estimate for each in ratios(figures, pairs)] if plan.mode is Mode.QUICK else effects(figures, pairs, floors)
    )
    estimates = [*absolute(figures[figures["pooled"]]), *compared]
    judged = [] if plan.mode is Mode.QUICK else _judged(targets, plan, figures, estimates, floors)
    surveys = list(journal.records("survey"))
    run = {
        "format": FORMAT,
        "title": TITLE,
        "started": record["started"],
        "seconds": round(journal.seconds(), 1),
        "mode": str(plan.mode),
        "indicative": plan.mode is Mode.QUICK,
        "command": shown(record["command"]),
        "fingerprint": {**found.fingerprint, "seed": str(plan.seed)},
        "dataplanes": [
            plane_row(name, [arm.name for arm in plan.arms if arm.dataplane == name], planes[name]) for name in names
        ],
        "scenarios": [_scenario(scenario, plan, samples) for scenario in plan.scenarios],
        "estimates": [asdict(row) for row in estimates],
        "noise_floor": [asdict(row) for row in floors],
        "voids": [
            {"cell": f"{void.cell} on {void.arm}", "reason": void.reason, "reran": void.reran, "resolved": void.resolved}
            for void in samples.voids
        ],
        "unsupported": [asdict(each) for each in plan.unsupported],
        "unmeasured": [
            {"metric": each["meter"], "reason": each["reason"]} for each in journal.records("unmeasured")
        ],
        "conformance": [row for survey in surveys for row in _probes(survey, plan)],
        "targets": [_target(each) for each in judged],
        "machines": list(as_records(found)),
        "known_effects": [asdict(row) for row in known],
        "known_effects_exempt": exempt(plan),
        "fixed": record.get("fixed", {}),
    }  # fmt: skip
    try:
        samples.figures.to_parquet(folder / "samples.parquet", index=False)
        samples.histograms.to_parquet(folder / "histograms.parquet", index=False)
        (folder / "run.json").write_text(json.dumps(finite(run), indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise CampaignError(f"{folder}: {error}; make room, then `meshproof bench --resume` writes the summary") from error
    failed = sum(row["outcome"] in ("fail", "error") for survey in surveys for row in survey["matrix"])
    return Ending(
        failed + sum("error" in survey for survey in surveys), is_void(plan, samples) or not all(row.recovered for row in known)
    )


def _pairs(names: Sequence[str], planes: Mapping[str, DataPlane]) -> Iterator[Pair]:
    """Each plane against each that stands before it. Equal: the same policy and the same encryption; None against a control."""
    for place, name in enumerate(names):
        for against in names[:place]:
            one, other = planes[name], planes[against]
            answers = [isinstance(plane.supports(Feature.POLICY_TCP), Yes) for plane in (one, other)]
            encrypted = [isinstance(plane.supports(Feature.ENCRYPTION), Yes) for plane in (one, other)]
            yield Pair(name, against, encrypted[0] == encrypted[1] if all(answers) else None)


def _judged(
    targets: Sequence[Target], plan: Plan, figures: "pd.DataFrame", estimates: Sequence[Estimate], floors: Sequence[NoiseFloor]
) -> list[Judged]:
    """Every target whose loads were to be measured, on planes that can do them."""
    by_cell = {(row.cell, row.metric, row.dataplane, row.against): row for row in estimates if not row.component}
    noise = {(floor.scenario, floor.load, floor.metric): floor for floor in floors}
    took_part = {
        Place(scenario.name, load.name, arm.dataplane)
        for scenario in plan.scenarios for load in plan.loads(scenario) for arm in plan.arms_for(scenario)
    }  # fmt: skip
    judged = []
    for target in targets:
        above = Place(target.scenario, target.load, target.dataplane)
        below = Place(target.against_scenario or target.scenario, target.against_load or target.load, target.against)
        if not {above, below} <= took_part:
            continue
        ratio = None
        if (above.scenario, above.load) == (below.scenario, below.load):
            ratio = by_cell.get((f"{target.scenario}/{target.load}", target.metric, target.dataplane, target.against))
        if ratio is None:  # of two cells, or the planes were given in another order
            ratio = across(figures, above, below, target.metric, target.equal)
        judged.append(judge(target, ratio, _floor([noise.get((p.scenario, p.load, target.metric)) for p in (above, below)])))
    return judged


def _floor(floors: Sequence[NoiseFloor | None]) -> NoiseFloor | None:
    """The highest of the floors of the cells that a ratio is of; None where one is not known."""
    known = [floor for floor in floors if floor is not None and floor.level]
    return max(known, key=lambda floor: floor.floor) if len(known) == len(floors) else None


def plane_row(name: str, arms: Sequence[str], plane: DataPlane) -> dict[str, Any]:
    """A row of ``dataplanes`` of run.json."""
    return {
        "name": name,
        "title": plane.title,
        "arms": list(arms),
        "supports": {str(feature): _support(plane.supports(feature)) for feature in Feature},
        "paths": dict(plane.paths()) if isinstance(plane, NamesPaths) else {},
    }


def _support(answer: Support) -> dict[str, str | None]:
    if isinstance(answer, Yes):
        return {"answer": "yes", "denies": answer.denies and str(answer.denies)}
    if isinstance(answer, No):
        return {"answer": "no", "reason": answer.reason}
    return {"answer": "unknown", "reason": answer.error}


def _scenario(scenario: BenchScenario, plan: Plan, samples: Samples) -> dict[str, Any]:
    loads = [{**asdict(load), "resolved_rate": samples.rates.get((scenario.name, load.name))} for load in plan.loads(scenario)]
    return {
        "name": scenario.name, "title": scenario.title, "why": scenario.why, "topology": scenario.topology.name,
        "client": scenario.client, "server": scenario.server, "same_node": scenario.same_node,
        "policies": sorted({policy.origin.file for policy in scenario.policies}), "loads": loads,
        "service": scenario.front.service if scenario.front else None,
        "backends": list(scenario.front.backends) if scenario.front else [],
    }  # fmt: skip


def _probes(survey: Record, plan: Plan) -> list[dict[str, Any]]:
    """A survey's matrix; a plane that could not be surveyed is one row that says why."""
    if "error" in survey:
        scenario = next(each for each in plan.scenarios if each.name == survey["scenario"])
        return [
            {
                "scenario": scenario.name, "dataplane": survey["dataplane"], "block": SURVEY, "flow": "every flow",
                "from": scenario.client, "to": scenario.server, "port": scenario.port, "family": 4, "expected": "probed",
                "observed": None, "outcome": "error", "evidence": None, "reason": survey["error"],
            }
        ]  # fmt: skip
    return [
        {
            "block": SURVEY, "from": row["source"], "to": row["destination"],
            **{key: row[key] for key in row if key not in ("source", "destination")},
        }
        for row in survey["matrix"]
    ]  # fmt: skip


def _target(judged: Judged) -> dict[str, Any]:
    found = asdict(judged)
    return {**found.pop("target"), **found}


def is_void(plan: Plan, samples: Samples) -> bool:
    """Whether some load has no block that counts; in a quick run, which judges nothing, whether one gave no figure at all."""
    counted = samples.figures if plan.mode is Mode.QUICK else samples.figures[samples.figures["void"].isna()]
    present = set(zip(counted["scenario"], counted["load"], strict=True))
    measured = [scenario for scenario in plan.scenarios if plan.arms_for(scenario)]
    return any((scenario.name, load.name) not in present for scenario in measured for load in plan.loads(scenario))


def shown(command: Sequence[str]) -> str:
    """The command with absolute paths cut to their last part: a run that is handed on says nothing of its machine's folders."""
    return shlex.join([Path(word).name if word.startswith("/") else word for word in command])


def finite(value: Any) -> Any:
    """JSON knows neither NaN nor infinity: both become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return value
