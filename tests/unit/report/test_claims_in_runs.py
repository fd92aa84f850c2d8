"""A finished run is judged by what it and other runs found, and by the files that were fixed before it began."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.manifests.fixed import digests
from harness.manifests.place import SCENARIOS
from harness.report import judging
from harness.report.claims import claim_lines, claims_text, warnings
from harness.report.decision import decision_text
from harness.report.evidence import of_run, read_folder
from harness.report.html import Page
from harness.report.run import RunError, read_run
from harness.report.samples import Samples

RESULTS = SCENARIOS.parent / "results"


def document(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def change(folder: Path, **fields: Any) -> None:
    (folder / "run.json").write_text(json.dumps(document(folder) | fields))


@pytest.fixture
def fixed_run(default_folder: Path, tmp_path: Path) -> Path:
    """A default run that was begun by the files as they are."""
    folder = tmp_path / "mine"
    shutil.copytree(default_folder, folder)
    change(folder, fixed=digests())
    return folder


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of conformance cases, small enough to be read at once: one area on two data planes."""
    folder = tmp_path_factory.mktemp("evidence") / "cases"
    shutil.copytree(RESULTS / "conformance", folder)
    kept = json.loads((folder / "results.json").read_text())
    kept["results"] = [row for row in kept["results"] if row["area"] == "bypass"]
    (folder / "results.json").write_text(json.dumps(kept))
    return folder


def test_a_run_is_judged_with_evidence_and_says_what_it_rests_upon(fixed_run: Path, cases: Path) -> None:
    assert judging.judge_run(fixed_run, [cases]) is None
    run = read_run(fixed_run)
    assert run.judged_by == run.fixed == digests()
    (other,) = run.evidence
    assert (other.folder, other.kind) == ("cases", "conform")
    assert "kernel" in other.fingerprint_differs
    rows = {(row.id, row.column): row for row in run.claims}
    assert len(rows) == len(run.claims) == 2 * 37
    bypass = rows["SEC-3", "as_shipped"]
    assert (bypass.verdict, bypass.links[0].run) == ("supported", "cases")
    assert "not Cilium" in bypass.subject
    assert rows["SEC-1", "possible"].verdict == "untested"
    assert run.decision is not None
    assert {answer.answer for row in run.decision.classes for answer in row.columns.values()} <= {"keep", "unknown"}


def test_a_run_of_other_files_keeps_its_verdicts_unless_it_is_judged_anew(fixed_run: Path, cases: Path) -> None:
    change(fixed_run, fixed=digests() | {"scenarios/claims.yaml": "0" * 64}, claims=[])
    before = (fixed_run / "run.json").read_text()
    said = judging.judge_run(fixed_run, [cases])
    assert said is not None
    assert "scenarios/claims.yaml have changed since the run began" in said
    assert (fixed_run / "run.json").read_text() == before
    assert judging.judge_run(fixed_run, [cases], rejudge=True) is None
    run = read_run(fixed_run)
    assert run.claims
    assert warnings(run)[0] == (
        "Judged after the fact: scenarios/claims.yaml, by which these verdicts were made, are not those fixed before the run."
    )


def test_a_run_of_before_there_were_such_files_is_judged_only_if_told(default_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(default_folder, folder)
    said = judging.judge_run(folder, [])
    assert said is not None
    assert "were not hashed when the run began" in said
    assert judging.judge_run(folder, [], rejudge=True) is None
    assert "were not fixed before the run" in warnings(read_run(folder))[0]


def test_figures_of_quick_and_void_campaigns_decide_nothing(quick_folder: Path, fixed_run: Path) -> None:
    assert "quick run" in str(read_folder(quick_folder, {}).row.unusable)
    effect = {
        "id": "delay-1ms", "text": "", "scenario": "known-effects", "load": "delays", "metric": "latency_p50", "unit": "s",
        "truth": 0.001, "estimate": 1.1, "low": 1.05, "high": 1.2, "level": 0.99, "blocks": 8, "recovered": False,
    }  # fmt: skip
    change(fixed_run, known_effects=[effect])
    assert "known effects were not recovered (delay-1ms)" in str(of_run(read_run(fixed_run), "x").unusable)


def test_family_wise_intervals_are_used_where_there_are_some(fixed_run: Path) -> None:
    rows = document(fixed_run)["estimates"]
    row = next(row for row in rows if row["against"] and row["metric"] == "latency_p50")
    row |= {"family_low": 0.1, "family_high": 9.0, "family_level": 0.95, "different": False}
    change(fixed_run, estimates=rows)
    key = ((row["scenario"], row["cell"].split("/")[1], "latency_p50"), row["dataplane"], row["against"])
    found = of_run(read_run(fixed_run), "x").ratios[key]
    assert (found.low, found.high, found.family, found.different) == (0.1, 9.0, True, False)


def test_what_is_no_evidence_is_refused(fixed_run: Path, cases: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the run itself"):
        judging.judge_run(fixed_run, [fixed_run])
    with pytest.raises(RunError, match=r"run\.json: not there"):
        judging.judge_run(fixed_run, [tmp_path / "nowhere"])
    with pytest.raises(RunError, match="conformance cases, which are evidence"):
        judging.judge_run(cases, [])
    twin = tmp_path / "twin" / cases.name
    shutil.copytree(cases, twin)
    with pytest.raises(RunError, match="two folders of evidence are called so"):
        judging.judge_run(fixed_run, [cases, twin])


def test_verdicts_and_answers_stand_in_the_page_and_at_the_end_of_a_run(fixed_run: Path, cases: Path) -> None:
    judging.judge_run(fixed_run, [cases])
    run = read_run(fixed_run)
    page = Page(run, Samples(fixed_run)).render(paper=True)
    for text in ('id="claim-PERF-1"', "cases: <code>bypass/", "docs/decision.md", "Many tenants, zero trust"):
        assert text in page
    assert claims_text(run).splitlines()[0] == "Claims"
    assert "  SEC-3 " in claims_text(run)
    assert "  MESH-1 " not in claims_text(run)  # no run says anything of several clusters
    assert re.search(r"\n  \d+ of 37 claims are untested here or not comparable", claims_text(run))
    assert "Encrypted between nodes" in decision_text(run)
    assert re.search(r"\n  [A-Z][a-z ]+ and \d+ others: ", decision_text(run))
    bypass = next(line for line in claim_lines(run) if line.id == "SEC-3")
    assert [(link.run, link.where) for link in bypass.sides["as_shipped"].endpoints[0].links] == [("cases", "bypass/*")]


def test_a_run_without_verdicts_is_shown_without_them(default_folder: Path) -> None:
    run = read_run(default_folder)
    assert claims_text(run) == decision_text(run) == ""
    page = Page(run, Samples(default_folder)).render(paper=False)
    assert "This run carries no decision and no verdicts on claims" in page
    assert 'id="evidence"' not in page


def test_the_command_line_takes_evidence_for_one_run(fixed_run: Path, cases: Path) -> None:
    both = CliRunner().invoke(app, ["report", str(fixed_run), str(cases), "--evidence", str(cases)], standalone_mode=False)
    assert both.return_value == 2
    assert "--evidence and --rejudge are about one run: give one folder" in both.output


def test_the_committed_runs_are_evidence() -> None:
    for name in ("reference", "l7", "conformance"):
        assert read_folder(RESULTS / name, {}).row.unusable is None
