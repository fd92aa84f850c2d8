"""``meshproof bench`` as a user runs it: a whole short campaign, killed, cleaned up after, and gone on with."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from command_line import MESHPROOF, Run, machine_state


def cell_records(folder: Path) -> list[dict[str, Any]]:
    journal = (folder / "journal.jsonl").read_text().splitlines()
    return [record for line in journal if line.endswith("}") if (record := json.loads(line))["kind"] == "cell"]


def cells(folder: Path) -> list[tuple[object, ...]]:
    return [(r["block"], r["scenario"], r["load"], r["arm"], r["attempt"]) for r in cell_records(folder)]


def finished_rows(folder: Path) -> set[tuple[int, str]]:
    """Block and load of the rows that were measured on both arms of the A/A pair, or voided by one."""
    arms: dict[tuple[int, str], set[str]] = {}
    for record in cell_records(folder):
        both = {"plain", "plain#2"} if record["void"] else {record["arm"]}
        arms.setdefault((record["block"], record["load"]), set()).update(both)
    return {row for row, measured in arms.items() if len(measured) == 2}


def test_a_campaign_leaves_a_run_that_explains_itself_and_a_clean_machine(
    tmp_path: Path, scenario: Path, meshproof: Run
) -> None:
    before = machine_state()
    folder = tmp_path / "run"
    done = meshproof("bench", scenario, "--dataplane", "plain", "--blocks", "1", "--out", folder)
    assert done.returncode in (0, 4), done.stderr  # 4: on a busy machine the generator's lag may void the one block
    assert machine_state() == before
    run = json.loads((folder / "run.json").read_text())
    assert run["format"] == 1
    assert {row["load"] for row in pq.read_table(folder / "samples.parquet").to_pylist()} == {"latency", "cost", "bulk"}
    assert {row["outcome"] for row in run["conformance"]} == {"pass"}
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    assert "<html" in (folder / "report.html").read_text()
    assert ElementTree.parse(folder / "junit.xml").getroot().tag == "testsuites"  # noqa: S314 -- our own file
    assert meshproof("report", folder).returncode == 0
    again = meshproof("bench", scenario, "--out", folder)
    assert again.returncode == 3
    assert "holds a run already" in again.stderr


def begun(folder: Path, scenario: Path, finished_cells: int, blocks: int = 2) -> "subprocess.Popen[str]":
    """A campaign of its own session that has finished some cells and is busy with the next."""
    process = subprocess.Popen(
        [MESHPROOF, "bench", scenario, "--dataplane", "plain", "--blocks", str(blocks), "--out", folder],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (folder / "journal.jsonl").exists() or len(cells(folder)) < finished_cells:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_after_sigkill_clean_restores_the_machine_and_resume_finishes_without_repeating(
    tmp_path: Path, scenario: Path, meshproof: Run
) -> None:
    before = machine_state()
    folder = tmp_path / "run"
    process = begun(folder, scenario, 4)
    process.kill()
    process.communicate()
    finished = cells(folder)
    assert machine_state() != before, "the kill came too late to leave anything: the test would prove nothing"
    assert meshproof("clean").returncode == 0
    assert machine_state() == before
    done = meshproof("bench", scenario, "--resume", "--out", folder)
    assert done.returncode in (0, 4), done.stderr
    after = cells(folder)
    assert after[: len(finished)] == finished
    assert max(Counter(after).values()) == 1
    assert finished_rows(folder) == {(block, load) for block in (1, 2) for load in ("latency", "cost", "bulk")}
    assert machine_state() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cleans_up_and_says_how_to_go_on(tmp_path: Path, scenario: Path, number: signal.Signals) -> None:
    before = machine_state()
    process = begun(tmp_path / "run", scenario, 1)
    os.kill(process.pid, number)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert "go on with: meshproof bench --resume --out" in said
    assert "Traceback" not in said
    assert machine_state() == before


def test_two_campaigns_at_once_do_not_collide(tmp_path: Path, scenario: Path) -> None:
    before = machine_state()
    both = [begun(tmp_path / name, scenario, 1) for name in ("one", "two")]
    for process in both:
        said = process.communicate(timeout=200)[0]
        assert process.returncode in (0, 4), said
    assert machine_state() == before


def test_what_a_killed_campaign_was_injecting_is_cleaned_up(tmp_path: Path, scenario: Path, meshproof: Run) -> None:
    before = machine_state()
    folder = tmp_path / "run"
    process = begun(folder, scenario, 1, blocks=6)
    try:
        assert {record["scenario"] for record in cell_records(folder)} == {"known-effects"}
    finally:
        process.kill()
        process.communicate()
    assert machine_state() != before, "the kill came too late to leave anything: the test would prove nothing"
    assert meshproof("clean").returncode == 0
    assert machine_state() == before
