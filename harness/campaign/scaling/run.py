"""Runs a scaling plan: every spot that the journal does not hold, each in a lab of its own."""

import time
from collections.abc import Mapping
from pathlib import Path

from harness.campaign.folder import begun_journal, digest, new_journal, planned
from harness.campaign.journal import CampaignError, Journal
from harness.campaign.observer import Observer
from harness.campaign.plan import Mode, Unsupported
from harness.campaign.scaling.entries import measure_entries
from harness.campaign.scaling.plan import ScalingPlan, Spot
from harness.campaign.scaling.pods import measure_pods
from harness.campaign.scaling.ports import measure_ports
from harness.campaign.scaling.requests import measure_requests
from harness.dataplanes.port import DataPlane, DataPlaneError, Feature, Yes
from harness.lab.port import LabError
from harness.mesh.errors import MeshError
from harness.meters.port import MeterError
from harness.model.result import Metric
from harness.model.scaling import Measured, Varied
from harness.traffic.port import LoadFailed

KIND = "scaling"
"""In a journal's plan: what tells a scaling run from a campaign of ``bench``."""

FAILURES = (LoadFailed, MeterError, LabError, DataPlaneError, MeshError)


def unsupported(plan: ScalingPlan, planes: Mapping[str, DataPlane]) -> tuple[Unsupported, ...]:
    """The scenarios that ask a plane for what it does not have, with the reason."""
    return tuple(
        Unsupported(scenario.name, name, "it has no Services, and so no clusters of them")
        for scenario in plan.scenarios
        for name in plan.planes_of(scenario)
        if scenario.clusters and not isinstance(planes[name].supports(Feature.L7_ROUTING), Yes)
    )


def begin(folder: Path, plan: ScalingPlan, fingerprint: Mapping[str, str], command: list[str], started: str) -> Journal:
    """Open a new run. Raises CampaignError where the folder holds one already, or cannot be written."""
    journal = new_journal(folder)
    journal.append("plan", of=KIND, format=1, started=started, **_fixed(plan, fingerprint), command=command)
    return journal


def resume(folder: Path, plan: ScalingPlan, fingerprint: Mapping[str, str], command: list[str]) -> Journal:
    """Open a run that was interrupted. Raises CampaignError where ``plan`` is not the same on the same machine."""
    journal = begun_journal(folder)
    record = planned(journal)
    if record.get("of") != KIND:
        raise CampaignError(f"{folder} holds no scaling run: go on with it by the command that began it")
    for name, wanted in _fixed(plan, fingerprint).items():
        if record[name] != wanted:
            raise CampaignError(
                f"{folder} was not begun with this {name.removesuffix('s')}: give what it was begun with, or start a new run"
            )
    journal.append("resumed", command=command)
    return journal


def _fixed(plan: ScalingPlan, fingerprint: Mapping[str, str]) -> dict[str, object]:
    """What must be the same when a run goes on, as JSON gives it back."""
    return {
        "mode": str(plan.mode), "seed": plan.seed, "dataplanes": list(plan.dataplanes),
        "scenarios": {each.name: digest(each) for each in plan.scenarios}, "fingerprint": dict(fingerprint),
    }  # fmt: skip


def run(plan: ScalingPlan, journal: Journal, observer: Observer, planes: Mapping[str, DataPlane]) -> None:
    """Measure what is missing. A spot that failed is void, and says why; it is not measured again."""
    spots = plan.spots()
    done = {(each["block"], each["scenario"], each["load"], each["arm"]) for each in journal.records("cell")}
    observer.planned(len(spots), len(done), 0.0)
    for spot in spots:
        key = (spot.block, spot.scenario.name, spot.load, spot.dataplane)
        if key in done:
            continue
        observer.began(str(spot))
        begun, void = time.monotonic(), None
        metrics: list[Metric] = []
        try:
            metrics = _measured(spot, planes)
        except FAILURES as error:
            void = str(error)
            observer.noted(f"{spot} is void: {void}")
        journal.append(
            "cell", block=key[0], scenario=key[1], load=key[2], load_kind=str(spot.scenario.vary), arm=key[3],
            dataplane=key[3], attempt=1, void=void, seconds=round(time.monotonic() - begun, 3), rate=None,
            metrics=[[each.name, each.component, each.unit, each.value] for each in metrics], attachments={},
        )  # fmt: skip
        observer.finished(str(spot))


def _measured(spot: Spot, planes: Mapping[str, DataPlane]) -> list[Metric]:
    match spot.scenario.vary:
        case Varied.PODS:
            return measure_pods(spot, planes[spot.dataplane])
        case Varied.POLICY_ENTRIES if Measured.REQUESTS in spot.scenario.measure:
            return measure_ports(spot, planes[spot.dataplane])
        case Varied.POLICY_ENTRIES:
            return measure_entries(spot)
        case Varied.DATAPLANE:
            return measure_requests(spot, planes[spot.dataplane])


def is_quick(plan: ScalingPlan) -> bool:
    """Whether its figures are indicative only."""
    return plan.mode is Mode.QUICK
