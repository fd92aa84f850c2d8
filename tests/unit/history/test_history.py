"""Many runs: which there are, the course of a figure over them, and the page."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.cli.status import Status
from harness.history.document import History, schema_text

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "docs" / "schemas" / "history.schema.json"
SHIPPED = ("reference", "l7", "tuning", "tuning-node-proxy")
MANY = 300


def history(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["history", *(str(each) for each in arguments)], standalone_mode=False)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 runs on three set-ups. Beside the repository, where hard links go."""
    folder = tmp_path_factory.mktemp("many")
    shutil.copy(ROOT / "results" / "reference" / "samples.parquet", folder / "one.parquet")
    text = json.loads((ROOT / "results" / "reference" / "run.json").read_text())
    for number in range(MANY):
        run = folder / f"run-{number:03}"
        run.mkdir()
        os.link(folder / "one.parquet", run / "samples.parquet")
        started = f"2026-01-{1 + number // 24:02}T{number % 24:02}:00:00+00:00"
        fingerprint = {**text["fingerprint"], "cores": str(2 + number % 3), "commit": f"{number:040x}"}
        (run / "run.json").write_text(json.dumps({**text, "estimates": [], "started": started, "fingerprint": fingerprint}))
    return folder


def test_the_schema_is_that_of_the_models() -> None:
    assert SCHEMA.read_text() == schema_text(), "write it anew: harness.history.document.schema_text()"


def test_every_committed_run_is_read() -> None:
    ended = history(ROOT / "results", "--metric", "cpu_per_request", "--json")
    said = History.model_validate_json(ended.stdout)
    assert said.skipped == []
    assert {run.folder for run in said.runs if run.kind == "bench"} >= set(SHIPPED)
    assert {run.folder for run in said.runs if run.kind == "conform"} >= {"conformance"}
    assert {course.scenario for course in said.courses} >= {"http-cross-node", "requests-same-node", "sidecar", "node-proxy"}


def test_a_course_has_the_figures_that_the_run_itself_gives() -> None:
    ended = history(ROOT / "results" / "reference", "--metric", "cpu_per_request", "--json")
    run = json.loads((ROOT / "results" / "reference" / "run.json").read_text())
    own = {
        (row["cell"], row["dataplane"]): row
        for row in run["estimates"] if row["metric"] == "cpu_per_request" and row["against"] == "plain"
    }  # fmt: skip
    courses = History.model_validate_json(ended.stdout).courses
    assert len(courses) > 10
    for course in courses:
        row, (point,) = own[f"{course.scenario}/{course.load}", course.dataplane], course.points
        assert (point.estimate, point.low, point.high) == pytest.approx((row["estimate"], row["low"], row["high"]))
        assert (point.level, point.blocks) == (pytest.approx(row["level"]), row["blocks"])


def test_no_course_goes_across_set_ups(many: Path) -> None:
    ended = history(many, "--metric", "cpu_per_request", "--dataplane", "ebpf", "--load", "cost-1000", "--json")
    courses = History.model_validate_json(ended.stdout).courses
    assert len(courses) == 3 * 2, "three set-ups, two scenarios"
    assert {len(course.points) for course in courses} == {MANY // 3}
    for course in courses:
        assert [point.started for point in course.points] == sorted(point.started for point in course.points)
        assert len({point.commit for point in course.points}) == MANY // 3


def test_the_memory_of_a_question_does_not_grow_with_the_runs(many: Path) -> None:
    """Four million rows of samples; peak memory is read in the process that was asked."""
    code = (
        "import resource, sys; from harness.cli.main import app; app(sys.argv[1:], standalone_mode=False);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )

    def peak(*folders: Path) -> int:
        asked = ["history", *map(str, folders), "--metric", "cpu_per_request", "--metric", "latency_p50", "--json"]
        done = subprocess.run([sys.executable, "-c", code, *asked], capture_output=True, text=True, check=True, timeout=250)
        return int(done.stderr.split()[-1])

    few = sorted(many.glob("run-00[0-4]"))
    assert peak(many) - peak(*few) < 400_000, "in KiB"


def test_older_newer_and_broken_files_beside_one_another(tmp_path: Path) -> None:
    minimal = {
        "format": 1, "title": "t", "started": "2025-01-01T00:00:00+00:00", "seconds": 1, "mode": "default",
        "indicative": False, "command": "x", "fingerprint": {"kernel": "5.15"}, "dataplanes": [{"name": "plain", "title": "p"}],
        "scenarios": [], "estimates": [],
    }  # fmt: skip
    for name, text in {
        "old": json.dumps(minimal),
        "newer": json.dumps({**minimal, "format": 2, "fingerprint": ["another", "shape"], "targets": 3}),
        "cut": json.dumps(minimal)[:60],
        "other": '{"some": "program\'s"}',
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    shutil.copytree(ROOT / "results" / "tuning", tmp_path / "broken")
    (tmp_path / "broken" / "samples.parquet").write_text("no Parquet")
    shutil.copytree(ROOT / "results" / "tuning", tmp_path / "good")
    ended = history(tmp_path, "--metric", "cpu_per_request", "--json")
    said = History.model_validate_json(ended.stdout)
    assert [run.folder for run in said.runs] == ["old", "broken", "good"]
    assert (said.runs[0].targets, said.runs[0].void, said.runs[0].commit) == (0, 0, "not known")
    told = "\n".join(said.skipped)
    assert "newer/run.json: format 2, but this meshproof reads format 1; skipped, use a newer one" in told
    assert "other/run.json: format None" in told
    assert "cut/run.json" in told
    assert "old/samples.parquet: not there" in told
    assert "broken/samples.parquet: not a Parquet file" in told
    assert {point.folder for course in said.courses for point in course.points} == {"good"}
    assert told.splitlines()[0] in ended.stderr


def test_samples_without_newer_columns_are_read(tmp_path: Path) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 -- the only test that needs it

    shutil.copytree(ROOT / "results" / "tuning", tmp_path / "run")
    table = pq.read_table(tmp_path / "run" / "samples.parquet")
    kept = table.filter(table["void"].is_null())
    pq.write_table(kept.drop_columns(["void", "attempt", "order"]), tmp_path / "run" / "samples.parquet")
    ended = history(tmp_path, "--metric", "throughput", "--json")
    assert History.model_validate_json(ended.stdout).courses


def test_figures_in_their_own_unit_and_against_another_plane() -> None:
    where = (ROOT / "results" / "reference", "--metric", "cpu_per_request", "--load", "cost-1000", "--json")
    own = History.model_validate_json(history(*where, "--absolute").stdout).courses
    assert {(course.unit, course.against) for course in own} == {("s", None)}
    rivals = History.model_validate_json(history(*where, "--against", "sidecar").stdout).courses
    assert {course.against for course in rivals} == {"sidecar"}
    assert "sidecar" not in {course.dataplane for course in rivals}
    assert all((course.points[0].estimate or 0) < 1 for course in rivals if course.dataplane.startswith("ebpf"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["."], "no run that can be read in ."),
        (["--out", "x.html"], "it goes with --html"),
        (["--absolute", "--against", "plain"], "exclude each other"),
    ],
)
def test_bad_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    ended = history(*arguments)
    assert ended.return_value == Status.BAD_INPUT
    assert said in ended.stderr


def test_the_page_stands_alone_and_says_its_plots_in_words(many: Path, tmp_path: Path) -> None:
    file = tmp_path / "history.html"
    few = sorted(many.glob("run-00*"))
    ended = history(*few, "--html", "--out", file, "--metric", "cpu_per_request", "--scenario", "http-same-node")
    assert (ended.return_value or 0) == Status.EXPECTED
    page = file.read_text()
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)[^\"]*\"|url\((?!#)|@import", page), "it loads nothing"
    assert 'name="viewport"' in page
    plots = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(plots) == 3, "one a set-up"
    for plot in plots:
        assert 'role="img"' in plot
        assert re.search(r"<desc[^>]*>sidecar.*?ebpf: \d runs, [\d.]+ times to|<desc[^>]*>ebpf: \d runs", plot, re.DOTALL)
    assert page.count("<h3>Set-up") == 3
    assert page.count('class="sortable"') == 2
    assert "cores" in page, "what tells set-ups apart"


def test_the_page_is_written_beside_the_runs_unless_told_otherwise(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "results" / "tuning", tmp_path / "tuning")
    assert (history(tmp_path, "--html").return_value or 0) == Status.EXPECTED
    assert "<title>History of runs</title>" in (tmp_path / "history.html").read_text()
