"""A run of ``conform`` judged by the committed expectations and, where there is one, against a baseline."""

from pathlib import Path

from harness.judge.conformance import gate, surprise
from harness.manifests.expectations import load_expectations
from harness.manifests.place import SCENARIOS, shown
from harness.model.case import CaseOutcome, ExpectedOutcome
from harness.report.conformance_run import ConformanceRun, read_conformance
from harness.report.gate_findings import Found, Kind
from harness.report.setups import differences


def judge_conformance(run: Path, baseline: Path | None, expectations: Path, found: Found) -> None:
    """Judge ``run`` by ``expectations`` as the file is now, whatever the run was told. Raises RunError, ManifestError.

    What policies a data plane enforces is no figure, so set-ups may differ; a note says how.
    """
    now = read_conformance(run)
    listed = load_expectations(expectations)
    results = gate(now.outcomes(), listed)
    for result in results:
        found.outcomes += 1
        if not result.expected:
            told = surprise(result, listed)
            if result.outcome is CaseOutcome.PASS:
                told = f"a known failure has gone: {told}; remove the entry if it is mended"
            elif result.reason:
                told += f": {result.reason.splitlines()[0]}"
            found.red(Kind.OUTCOME, f"{result.case} on {result.dataplane}", told)
    if not results:
        found.red(Kind.MISSING, run.name, "no case was asked")
    for trouble in now.troubles:
        found.red(Kind.MISSING, run.name, f"it had trouble: {trouble}")
    if baseline is not None:
        _since(now, read_conformance(baseline), listed, found)


def _since(now: ConformanceRun, before: ConformanceRun, listed: list[ExpectedOutcome], found: Found) -> None:
    was = {(row.case, row.dataplane): row.outcome for row in before.results}
    known = {(entry.case, entry.dataplane) for entry in listed}
    for row in now.results:
        passed = was.get((row.case, row.dataplane)) is CaseOutcome.PASS
        if passed and row.outcome is CaseOutcome.UNSUPPORTED and (row.case, row.dataplane) not in known:
            found.red(
                Kind.SUPPORT,
                f"{row.case} on {row.dataplane}",
                f"passed in the baseline, declared unsupported now: {row.reason}",
            )
    asked = {(row.case, row.dataplane) for row in now.results}
    left = len(was.keys() - asked)
    if left:
        found.notes.append(f"{left} of {len(was)} outcomes of the baseline were not asked for in the run")
    then = {(entry.case, entry.dataplane): entry.outcome for entry in before.expectations}
    for entry in listed:
        key = (entry.case, entry.dataplane)
        if key in asked and key in was and then.get(key) is not entry.outcome:
            wanted = then.get(key, CaseOutcome.PASS)
            found.notes.append(
                f"expected otherwise since the baseline: {entry.case} on {entry.dataplane}, {wanted} then, "
                f"{entry.outcome} now: {entry.reason}"
            )
    differ = differences(before.fingerprint, now.fingerprint)
    if differ:
        found.notes.append("conformance on another set-up than the baseline's: " + "; ".join(map(str, differ)))


def shipped_expectations() -> Path:
    """The file that is committed beside the shipped cases."""
    return shown(SCENARIOS / "conformance") / "expectations.yaml"
