"""Judges the claims and the decision of a finished run, and writes both into its ``run.json``."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.judge.claims import asks_decision, judge_claim, judge_claims
from harness.judge.decision import Decided, decide
from harness.judge.evidence import Evidence
from harness.manifests.claims import load_claims
from harness.manifests.fixed import case_names, changed, digests
from harness.manifests.maturity import load_maturity
from harness.manifests.place import SCENARIOS
from harness.manifests.workloads import load_workloads
from harness.model.claim import Column, Ledger
from harness.model.maturity import MaturityFeature
from harness.model.workload import WorkloadClass
from harness.report.claim_rows import ClaimRow, DecisionRow
from harness.report.conformance_run import FILE
from harness.report.decided import class_rows
from harness.report.evidence import Folder, of_run, read_folder, refuse_itself
from harness.report.judged import claim_row
from harness.report.kernel_rows import FILE as MATRIX
from harness.report.kernels import read_matrix
from harness.report.run import RunError, read_run

RULE = "docs/decision.md"


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides: the ledger, the classes of workload, and what cases and features there are."""

    ledger: Ledger
    workloads: tuple[WorkloadClass, ...]
    cases: Sequence[str]
    features: Sequence[MaturityFeature]


def load_rules() -> Rules:
    """The shipped rules. Raises ManifestError."""
    ledger = load_claims()
    return Rules(ledger, load_workloads([claim.id for claim in ledger.claims]), case_names(), load_maturity())


def verdicts(rules: Rules, evidence: Evidence) -> tuple[list[ClaimRow], DecisionRow]:
    """Claims in the ledger's order, two rows each, and the decision."""
    judged = {(each.claim.id, each.column): each for each in judge_claims(rules.ledger.claims, evidence)}
    decided: list[Decided] = list(decide(rules.workloads, judged, evidence))
    for claim in rules.ledger.claims:
        if asks_decision(claim):
            for column in Column:
                answers = [str(each.answer) for each in decided if each.column is column]
                judged[claim.id, column] = judge_claim(claim, column, evidence, answers)
    rows = [claim_row(judged[claim.id, column], rules.ledger.subjects) for claim in rules.ledger.claims for column in Column]
    digest = hashlib.sha256((SCENARIOS.parent / RULE).read_bytes()).hexdigest()
    return rows, DecisionRow(rule=RULE, digest=digest, classes=class_rows(decided))


def judge_run(folder: Path, others: Sequence[Path], *, rejudge: bool = False) -> str | None:
    """Judge a finished run of `bench` with the evidence of ``others`` and write its ``run.json`` anew.

    Where the files that decide are not those that were hashed when the run began, nothing is changed unless ``rejudge``, and
    what is returned says so, for people. Raises RunError and ManifestError.
    """
    if (folder / FILE).is_file():
        raise RunError(
            f"{folder}: conformance cases, which are evidence; claims are judged in a run of `bench`: give its folder"
        )
    refuse_itself(folder, others)
    run = read_run(folder)
    now = digests()
    differ = changed(run.fixed, now)
    if differ and not rejudge:
        since = "have changed since the run began" if run.fixed else "were not hashed when the run began"
        return (
            f"{folder}: {', '.join(differ)} {since}: its recorded verdicts stand, and evidence is left out; "
            "--rejudge judges by the files as they are, and the report says so"
        )
    rules = load_rules()
    matrices = [other for other in others if (other / MATRIX).is_file()]
    folders = [read_folder(other, run.fingerprint) for other in others if other not in matrices]
    _refuse_twice(folders)
    runs = (of_run(run, folder.resolve().name), *(each.found for each in folders))
    claims, decision = verdicts(rules, Evidence(runs, rules.cases, rules.features, rules.ledger.lacks))
    file = folder / "run.json"
    document = json.loads(file.read_text())
    document["claims"] = [row.model_dump(mode="json") for row in claims]
    document["decision"] = decision.model_dump(mode="json")
    document["evidence"] = [each.row.model_dump(mode="json") for each in folders]
    document["judged_by"] = now
    document["kernels"] = read_matrix(matrices[-1]).model_dump(mode="json") if matrices else None
    part = file.with_name(".run.json.part")
    try:
        part.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        part.replace(file)
    except OSError as error:
        raise RunError(f"{file}: the verdicts cannot be written: {error}; make room and try again") from error
    finally:
        part.unlink(missing_ok=True)
    return None


def check(others: Sequence[Path]) -> None:
    """Read rules and evidence without judging, so that faults are told before a campaign begins. Raises as judge_run."""
    load_rules()
    for other in others:
        if (other / MATRIX).is_file():
            read_matrix(other)
    _refuse_twice([read_folder(other, {}) for other in others if not (other / MATRIX).is_file()])


def _refuse_twice(folders: Sequence[Folder]) -> None:
    names = [each.row.folder for each in folders]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise RunError(f"{name}: two folders of evidence are called so, and links could mean either; rename one")
