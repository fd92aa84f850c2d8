"""A finished run of conformance cases as one document: ``results.json`` of its folder (harness/report/conformance_run.py)."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.campaign.conformance.features import needs
from harness.campaign.conformance.maturity import maturity_rows
from harness.campaign.conformance.run import Outcomes
from harness.dataplanes.port import DataPlane
from harness.model.canary import CanarySeen
from harness.model.case import Case, CaseResult, ExpectedOutcome
from harness.model.maturity import MaturityFeature

FORMAT = 1


def summarise(
    cases: Sequence[Case],
    planes: Sequence[DataPlane],
    control: DataPlane,
    outcomes: Outcomes,
    results: Sequence[CaseResult],
    listed: Sequence[ExpectedOutcome],
    *,
    started: str,
    seconds: float,
    command: Sequence[str],
    fingerprint: Mapping[str, str],
    earlier: Path | None = None,
    features: Sequence[MaturityFeature] = (),
) -> str:
    """The document. ``started`` is ISO 8601; ``earlier`` is the results.json of a run whose expectations are compared with.

    ``features`` are the rows of the maturity matrix.
    """
    reference = json.loads(earlier.read_text()) if earlier is not None and earlier.is_file() else None
    document = {
        "format": FORMAT,
        "started": started,
        "seconds": round(seconds, 1),
        "command": shlex.join(["meshproof", *command]),
        "fingerprint": dict(fingerprint),
        "dataplanes": [{"name": plane.name, "title": plane.title} for plane in planes],
        "cases": [
            {
                "case": case.id, "area": case.area, "title": case.title, "folder": str(Path(case.origin.file).parent),
                "features": [str(feature) for feature in needs(case)],
                "technique": None if case.technique is None else str(case.technique),
            }
            for case in cases
        ],
        "results": [_row(result) for result in results],
        "convergence": {name: [round(each, 6) for each in taken] for name, taken in outcomes.convergence.items()},
        "canaries": {name: [_canary(each) for each in seen] for name, seen in outcomes.canaries.items()},
        "control": {
            "dataplane": control.name, "flows": {str(verdict): count for verdict, count in outcomes.control.items()},
        },
        "expectations": [_entry(entry) for entry in listed],
        "expectation_changes": list(_changes(cases, planes, listed, reference)),
        "compared_with": _commit(reference) if reference else None,
        "troubles": outcomes.troubles,
        "maturity": maturity_rows(features, cases, planes, results),
    }  # fmt: skip
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {_lines(value)}" for name, value in document.items()) + "\n}\n"


def _lines(value: object) -> str:
    """A list has a line an element, so that runs of thousands of rows stay small and can be compared line by line."""
    if not isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return "[\n" + ",\n".join(json.dumps(each, ensure_ascii=False) for each in value) + "\n]"


def _row(result: CaseResult) -> dict[str, Any]:
    return {**asdict(result), "seconds": round(result.seconds, 3)}


def _canary(seen: CanarySeen) -> dict[str, Any]:
    figures = {name: round(value, 6) if isinstance(value, float) else value for name, value in asdict(seen).items()}
    return {**figures, "flow": str(seen.flow)}


def _entry(entry: ExpectedOutcome) -> dict[str, str]:
    return {"case": entry.case, "dataplane": entry.dataplane, "outcome": str(entry.outcome), "reason": entry.reason}


def _changes(
    cases: Sequence[Case], planes: Sequence[DataPlane], listed: Sequence[ExpectedOutcome], reference: dict[str, Any] | None
) -> Iterator[dict[str, Any]]:
    """Each case and data plane of both runs of which something else is expected now; ``since`` is the earlier run's commit.

    Where an entry is missing, a pass was or is expected.
    """
    if reference is None:
        return
    before = {(each["case"], each["dataplane"]): each for each in reference["expectations"]}
    now = {(each.case, each.dataplane): _entry(each) for each in listed}
    both = {case.id for case in cases} & {each["case"] for each in reference["cases"]}
    names = {plane.name for plane in planes} & {each["name"] for each in reference["dataplanes"]}
    for key in sorted(before.keys() | now.keys()):
        was, is_ = before.get(key), now.get(key)
        if key[0] in both and key[1] in names and was != is_:
            yield {"case": key[0], "dataplane": key[1], "before": _told(was), "after": _told(is_), "since": _commit(reference)}


def _commit(reference: Mapping[str, Any]) -> str:
    return str(reference["fingerprint"].get("commit", "unknown"))


def _told(entry: Mapping[str, str] | None) -> str:
    return "pass" if entry is None else f"{entry['outcome']}: {entry['reason']}"
