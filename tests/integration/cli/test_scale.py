"""``meshproof scale`` as a user runs it: killed, cleaned up after, and gone on with; and what its packets meet."""

import json
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from command_line import MESHPROOF, Run, machine_state

from harness.campaign.scaling.entries import measure_entries
from harness.campaign.scaling.plan import Spot
from harness.campaign.scaling.ports import measure_ports
from harness.dataplanes import find
from harness.model.origin import Origin
from harness.model.scaling import Measured, ScalingScenario, Varied

SCENARIO = """
title: Two planes of a few pods
why: To try the command line.
vary: pods
points: [2, 3, 4]
quick: [2, 4]
dataplanes: [plain, ebpf]
measure: [memory, start-up, policy-change]
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "few.yaml"
    path.write_text(SCENARIO.replace("dataplanes: [plain, ebpf]", "dataplanes: [ebpf]"))
    (tmp_path / "control.yaml").write_text(SCENARIO.replace("[plain, ebpf]", "[plain]").replace(", policy-change", ""))
    return path


def cells(folder: Path) -> list[tuple[object, ...]]:
    lines = (folder / "journal.jsonl").read_text().splitlines() if (folder / "journal.jsonl").exists() else []
    records = [json.loads(line) for line in lines if line.endswith("}")]
    return [(r["block"], r["scenario"], r["load"], r["arm"], r["void"]) for r in records if r["kind"] == "cell"]


def test_a_killed_run_goes_on_and_leaves_lines_and_a_clean_machine(tmp_path: Path, scenario: Path, meshproof: Run) -> None:
    before = machine_state()
    folder = tmp_path / "run"
    asked = ["scale", str(scenario), str(tmp_path / "control.yaml"), "--quick", "--out", str(folder)]
    process = subprocess.Popen(
        [MESHPROOF, *asked], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while len(cells(folder)) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    finished = cells(folder)
    assert meshproof("clean").returncode == 0
    done = meshproof(*asked, "--resume")
    assert done.returncode == 0, done.stderr
    assert cells(folder)[: len(finished)] == finished
    assert max(Counter(cells(folder)).values()) == 1
    assert len(cells(folder)) == 2 * 2 * 2
    assert machine_state() == before
    run = json.loads((folder / "run.json").read_text())
    fits = {fit["id"]: fit for fit in run["fits"]}
    assert fits["memory-per-pod/plain/0-clusters"]["slope"] == 0
    assert fits["memory-per-pod/plain/0-clusters"]["intercept"] == 0
    mesh = fits["bpf-memory-per-pod/ebpf/0-clusters"]
    assert mesh["x_values"] == [2, 4]
    assert mesh["intercept"] > 1 << 20  # tables made in advance, on two nodes
    assert "policy-change-per-pod/ebpf/0-clusters" in fits
    assert not any(fit["line"] for fit in run["fits"])  # two points are none
    late = [row for row in run["estimates"] if row["metric"] == "policy_change_late"]
    assert {row["cell"] for row in late} == {"few/2", "few/4"}
    assert "How cost grows" in (folder / "report.html").read_text()
    assert "two points only" in done.stderr
    other = meshproof("scale", str(scenario), "--quick", "--out", str(folder), "--resume")
    assert other.returncode == 3
    assert "was not begun with this scenario" in other.stderr


def test_requests_pass_a_policy_of_many_ports_of_which_theirs_is_the_last() -> None:
    scenario = ScalingScenario(
        "ports", "t", "w", Origin("p.yaml", 1), Varied.POLICY_ENTRIES, (10, 100, 500), ("nftables",), (Measured.REQUESTS,), 3
    )
    found = {each.name: each.value for each in measure_ports(Spot(1, scenario, 500, "nftables"), find("nftables"))}
    assert found["errors"] == 0
    assert found["throughput"] > 0
    assert found["cpu_per_request"] > 0
    assert found["policy_apply"] > 0


@pytest.mark.parametrize("dataplane", ["ebpf", "nftables"])
def test_packets_meet_the_entries_that_they_are_said_to(dataplane: str) -> None:
    scenario = ScalingScenario(
        "entries", "t", "w", Origin("e.yaml", 1), Varied.POLICY_ENTRIES, (10, 100, 5000), (dataplane,), (Measured.PACKET,), 3
    )
    few, many = ({each.name: each.value for each in measure_entries(Spot(1, scenario, n, dataplane))} for n in (10, 5000))
    # The programs refuse to give figures of packets that met no entry, so that these are of such that did.
    assert few["packet_time_judged"] > 0
    assert many["packet_time_judged"] > many["packet_time_base"] > 0
    if dataplane == "ebpf":
        assert many["memory"] == few["memory"] > 1 << 20
