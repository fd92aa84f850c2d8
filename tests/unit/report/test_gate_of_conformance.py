"""Conformance's side of the gate: the committed expectations, and what a baseline passed."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.cli.status import Status
from harness.manifests.errors import ManifestError
from harness.report.gate_conformance import judge_conformance
from harness.report.gate_findings import Found, Gate, Kind

Outcome = tuple[str, str]
EXPECTED = "outcomes:\n  - {case: policy/known, dataplane: ebpf, outcome: fail, reason: a gap}\n"


def make_cases(folder: Path, outcomes: dict[str, str], **changes: Any) -> Path:
    """A folder of ``conform``; outcomes of cases on ebpf. All claim to be expected: a gate judges for itself."""
    folder.mkdir()
    document = {
        "format": 1, "started": "2026-01-01T00:00:00+00:00", "seconds": 1.0, "command": "meshproof conform",
        "fingerprint": {"commit": "c", "kernel": "6.12"}, "dataplanes": [{"name": "ebpf", "title": "eBPF"}], "cases": [],
        "results": [
            {"case": case, "area": "policy", "dataplane": "ebpf", "outcome": outcome, "expected": True, "reason": "first\n2nd"}
            for case, outcome in outcomes.items()
        ],
        "control": {"dataplane": "plain", "flows": {}},
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps({**document, **changes}))
    return folder


def judged(tmp_path: Path, run: Path, baseline: Path | None = None) -> Gate:
    file = tmp_path / "expectations.yaml"
    file.write_text(EXPECTED)
    found = Found()
    judge_conformance(run, baseline, file, found)
    return found.gate()


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ({"policy/a": "pass", "policy/known": "fail"}, []),
        ({"policy/a": "unsupported"}, []),
        ({"policy/a": "fail"}, ["policy/a on ebpf: fail, where nothing lists it as other than a pass: first"]),
        ({"policy/a": "error"}, ["policy/a on ebpf: error, where nothing lists it as other than a pass: first"]),
        ({"policy/known": "pass"}, ["a known failure has gone: pass, where"]),
        ({"policy/known": "error"}, ["policy/known on ebpf: error, where"]),
        ({}, ["no case was asked"]),
    ],
)
def test_outcomes_are_judged_by_the_file_and_not_by_what_the_run_says_of_itself(
    tmp_path: Path, outcomes: dict[str, str], said: list[str]
) -> None:
    gate = judged(tmp_path, make_cases(tmp_path / "run", outcomes))
    assert len(gate.findings) == len(said)
    assert all(words in str(finding) for finding, words in zip(gate.findings, said, strict=True))
    assert gate.verdict == ("failed" if said else "passed")
    assert gate.outcomes_judged == len(outcomes)


def test_what_passed_in_the_baseline_may_not_be_declared_away(tmp_path: Path) -> None:
    before = make_cases(tmp_path / "before", {"policy/a": "pass", "policy/b": "unsupported", "policy/c": "pass"})
    gate = judged(tmp_path, make_cases(tmp_path / "now", {"policy/a": "unsupported", "policy/b": "unsupported"}), before)
    assert [(each.kind, each.where) for each in gate.findings] == [(Kind.SUPPORT, "policy/a on ebpf")]
    assert "1 of 3 outcomes of the baseline were not asked for in the run" in gate.notes


def test_changed_expectations_and_set_ups_are_said(tmp_path: Path) -> None:
    before = make_cases(tmp_path / "before", {"policy/known": "pass"}, fingerprint={"commit": "b", "kernel": "6.1"})
    gate = judged(tmp_path, make_cases(tmp_path / "now", {"policy/known": "fail"}), before)
    assert gate.verdict == "passed"
    assert "expected otherwise since the baseline: policy/known on ebpf, pass then, fail now: a gap" in gate.notes
    assert any("another set-up than the baseline's: kernel (6.1 before, 6.12 after)" in note for note in gate.notes)


def test_a_run_that_had_trouble_does_not_pass(tmp_path: Path) -> None:
    gate = judged(tmp_path, make_cases(tmp_path / "run", {"policy/a": "pass"}, troubles=["a link stayed"]))
    assert [str(finding) for finding in gate.findings] == ["missing: run: it had trouble: a link stayed"]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError):
        judge_conformance(make_cases(tmp_path / "run", {}), None, tmp_path / "none.yaml", Found())


def test_the_committed_run_is_as_the_committed_expectations_say() -> None:
    """Of the command: without --expectations the shipped file counts, and a baseline may be left out."""
    root = Path(__file__).parents[3]
    ended = CliRunner().invoke(app, ["gate", str(root / "results" / "conformance"), "--json"], standalone_mode=False)
    assert (ended.return_value or 0) == Status.EXPECTED, ended.output[:500]
    assert Gate.model_validate_json(ended.stdout).outcomes_judged > 5000
