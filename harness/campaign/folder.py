"""A run's folder: made, locked to one plan, and found again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.campaign.journal import CampaignError, Journal, Record
from harness.campaign.plan import Mode, Plan, Unsupported, plan
from harness.manifests.fixed import changed, digests
from harness.model.bench import BenchScenario
from harness.model.scaling import ScalingScenario

JOURNAL = "journal.jsonl"


def digest(scenario: BenchScenario | ScalingScenario) -> str:
    """A short fingerprint of all that a scenario asks, policies and topology included, wherever its files are."""
    written = json.dumps(_placeless(asdict(scenario)), sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def _placeless(value: Any) -> Any:
    """A value without the origins in it: the same files, named from another folder, are the same scenario."""
    if isinstance(value, dict):
        return {key: _placeless(each) for key, each in value.items() if key != "origin"}
    if isinstance(value, list | tuple):
        return [_placeless(each) for each in value]
    return value


def default_folder(results: Path) -> Path:
    """A new run's folder below ``results``, named by the time in UTC."""
    return results / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def new_journal(folder: Path) -> Journal:
    """The journal of a run that begins. Raises CampaignError where the folder holds one already, or cannot be written."""
    if (folder / JOURNAL).exists():
        raise CampaignError(f"{folder} holds a run already: give another --out, or go on with it by --resume")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CampaignError(f"{folder}: {error.strerror}; give a folder that can be written by --out") from error
    return Journal(folder / JOURNAL)


def begun_journal(folder: Path) -> Journal:
    """The journal of a run that was begun. Raises CampaignError where there is none."""
    if not (folder / JOURNAL).exists():
        raise CampaignError(f"{folder} holds no run ({JOURNAL} is missing): start one without --resume")
    return Journal(folder / JOURNAL)


def begin(folder: Path, campaign: Plan, fingerprint: Mapping[str, str], command: Sequence[str]) -> Journal:
    """Open a new run. Raises CampaignError where the folder holds one already."""
    journal = new_journal(folder)
    journal.append(
        "plan", format=1, started=datetime.now(UTC).isoformat(timespec="seconds"), mode=str(campaign.mode),
        blocks=campaign.blocks, seed=campaign.seed, arms=[[arm.name, arm.dataplane] for arm in campaign.arms],
        scenarios={scenario.name: digest(scenario) for scenario in campaign.scenarios},
        unsupported=[[each.scenario, each.dataplane, each.reason] for each in campaign.unsupported],
        only=list(campaign.only), fingerprint=dict(fingerprint), command=list(command), fixed=digests(),
    )  # fmt: skip
    return journal


def resume(
    folder: Path, scenarios: Sequence[BenchScenario], fingerprint: Mapping[str, str], command: Sequence[str]
) -> tuple[Journal, Plan]:
    """Open a run that was interrupted. Raises CampaignError where it is not the same campaign on the same machine."""
    journal = begun_journal(folder)
    record = planned(journal)
    known = {scenario.name: scenario for scenario in scenarios}
    for name, before in record["scenarios"].items():
        if name not in known:
            raise CampaignError(f"{folder} measures scenario {name!r}, which was not given: give the same scenarios again")
        if digest(known[name]) != before:
            raise CampaignError(f"{known[name].origin.file} has changed since {folder} was begun: start a new run")
    differ = sorted(key for key in record["fingerprint"] if record["fingerprint"][key] != fingerprint.get(key))
    if differ:
        raise CampaignError(f"{folder} was begun on another set-up (other {', '.join(differ)}): start a new run")
    others = changed(record["fixed"], digests()) if "fixed" in record else []
    if others:
        raise CampaignError(f"{', '.join(others)} changed since {folder} was begun, and say what decides: start a new run")
    names = list(dict.fromkeys(dataplane for _, dataplane in record["arms"]))
    campaign = plan(
        [known[name] for name in record["scenarios"]], names, Mode(record["mode"]),
        blocks=record["blocks"], seed=record["seed"],
        unsupported=[Unsupported(*each) for each in record.get("unsupported", ())], only=record.get("only", ()),
    )  # fmt: skip
    journal.append("resumed", command=list(command))
    return journal, campaign


def planned(journal: Journal) -> Record:
    """The record that a run begins with."""
    for record in journal.records("plan"):
        return record
    raise CampaignError(f"{journal.path}: the run was killed before its plan was written: remove the folder and start anew")


def newest(results: Path) -> Path:
    """The newest run below ``results``. Raises CampaignError where there is none."""
    runs = sorted(path.parent for path in results.glob(f"*/{JOURNAL}"))
    if not runs:
        raise CampaignError(f"no run below {results}: start one with `meshproof bench`")
    return runs[-1]
