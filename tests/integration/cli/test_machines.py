"""A campaign spread over workers: a scheduler and two workers as processes of this machine, which take turns on it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import MESHPROOF, Run

from harness.envoy.certificates import Authority
from harness.lab import netns

SCENARIO = """
title: A short one
why: To spread a campaign.
topology: pair
client: shop/client
server: shop/server
port: 8080
expect: {otherwise: forwarded, flows: []}
loads:
  latency: {kind: latency, rate: 200, arrivals: fixed, connections: 2, seconds: 0.3, warmup: 0.1}
  cost: {kind: cost, rate: 200, arrivals: fixed, connections: 2, seconds: 0.3, warmup: 0.1}
"""
DASK = Path(sys.executable).with_name("dask")
Start = Callable[..., "subprocess.Popen[str]"]
Scheduler = tuple["subprocess.Popen[bytes]", str]


def records(folder: Path, kind: str) -> list[dict[str, Any]]:
    path = folder / "journal.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [record for line in lines if line.endswith("}") and (record := json.loads(line))["kind"] == kind]


def labs_of(test: Path) -> list[str]:
    """What workers and campaigns of a test have left, or have not taken down yet: other labs of the machine are not its own."""
    found = []
    for lab in netns.labs():
        environment = Path(f"/proc/{lab.owner}/environ")
        if not lab.owner_alive or f"MESHPROOF_TEST={test}".encode() in environment.read_bytes():
            found.append(lab.name)
    return found


def until(seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def spread(scenario: Path, folder: Path, scheduler: str, *, blocks: int) -> "subprocess.Popen[str]":
    """A campaign that has begun; all that it says comes by its standard output."""
    asked = ["bench", scenario, "--dataplane", "plain", "--blocks", str(blocks), "--out", folder, "--scheduler", scheduler]
    return subprocess.Popen([MESHPROOF, *asked], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MESHPROOF_TEST", str(tmp_path))
    path = tmp_path / "short.yaml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture
def protocol() -> str:
    """How scheduler, workers and campaign talk; a test that wants it otherwise is parametrised."""
    return "tcp"


@pytest.fixture
def scheduling(tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scheduler]:
    """A scheduler, and where it is reached."""
    if protocol == "tls":
        certify(tmp_path)
        monkeypatch.setenv("DASK_CONFIG", str(tmp_path / "dask.yaml"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [DASK, "scheduler", "--protocol", protocol, "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def answers() -> bool:
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", port)) == 0

    until(answers)
    yield process, f"{protocol}://127.0.0.1:{port}"
    process.terminate()
    process.wait()


@pytest.fixture
def scheduler(scheduling: Scheduler) -> str:
    return scheduling[1]


def certify(folder: Path) -> None:
    """An authority, a certificate of it for everybody, and the configuration of Dask that asks for nothing less."""
    authority = Authority("machines")
    issued = authority.issue("spiffe://machines/any")
    for name, text in {"ca": authority.certificate, "cert": issued.certificate, "key": issued.key}.items():
        (folder / f"{name}.pem").write_bytes(text)
    own = {"cert": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    tls = {"ca-file": str(folder / "ca.pem"), "scheduler": own, "worker": own, "client": own}
    (folder / "dask.yaml").write_text(json.dumps({"distributed": {"comm": {"require-encryption": True, "tls": tls}}}))


@pytest.fixture
def start(tmp_path: Path, scheduler: str) -> Iterator[Start]:
    """Starts a worker; those still there at the end are ended as by Ctrl-C."""
    started = []

    def one(name: str, **environment: str) -> "subprocess.Popen[str]":
        with (tmp_path / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                [MESHPROOF, "worker", scheduler, "--name", name], stdout=log, stderr=log, text=True, start_new_session=True,
                env={**os.environ, **environment},
            )  # fmt: skip
        started.append(process)
        return process

    yield one
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0


def test_blocks_of_two_workers_make_one_run_and_a_killed_worker_loses_none(
    tmp_path: Path, scenario: Path, scheduler: str, start: Start, meshproof: Run
) -> None:
    folder = tmp_path / "run"
    workers = {name: start(name) for name in ("a", "b")}
    time.sleep(4)  # until both have told the scheduler; with one alone nothing could be handed on
    campaign = spread(scenario, folder, scheduler, blocks=2)
    until(lambda: records(folder, "rates") and {each["worker"] for each in records(folder, "survey")} == {"a", "b"})
    time.sleep(1)
    killed = workers["a"]
    for path in Path("/proc").glob("[0-9]*/stat"):  # its measuring process too, as when the machine loses power
        if int(path.read_text().rpartition(")")[2].split()[1]) == killed.pid:
            os.kill(int(path.parent.name), signal.SIGKILL)
    killed.kill()
    killed.wait()
    said = campaign.communicate(timeout=120)[0]
    assert campaign.returncode in (0, 4), said
    assert "worker a was lost in block" in said
    assert "measures it anew as a whole" in said
    cells = records(folder, "cell")
    assert {(cell["block"], cell["load"], cell["arm"]) for cell in cells if not cell["void"]} <= {
        (block, load, arm) for block in (1, 2) for load in ("latency", "cost") for arm in ("plain", "plain#2")
    }
    assert max(Counter((r["block"], r["load"], r["arm"], r["attempt"]) for r in cells).values()) == 1
    assert {cell["block"] for cell in cells} == {1, 2}
    assert {cell["worker"] for cell in cells} == {"b"}
    assert {survey["worker"] for survey in records(folder, "survey")} == {"a", "b"}
    run = json.loads((folder / "run.json").read_text())
    machines = {row["worker"]: row for row in run["machines"]}
    assert machines["b"]["blocks"] == [1, 2]
    assert (machines["a"]["blocks"], len(machines["a"]["lost"])) == ([], 1)
    assert "Measured on 2 workers" in (folder / "report.html").read_text()
    assert list((folder / "requests").glob("01-*.parquet"))
    assert meshproof("clean").returncode == 0
    assert not labs_of(tmp_path)


def test_ctrl_c_stops_the_workers_cells_and_resume_without_a_scheduler_goes_on(
    tmp_path: Path, scenario: Path, scheduler: str, start: Start, meshproof: Run
) -> None:
    folder = tmp_path / "run"
    start("a")
    time.sleep(3)
    campaign = spread(scenario, folder, scheduler, blocks=4)
    until(lambda: records(folder, "cell"))
    campaign.send_signal(signal.SIGINT)
    said = campaign.communicate(timeout=60)[0]
    assert campaign.returncode == 130, said
    assert not labs_of(tmp_path)
    measured = {cell["block"] for cell in records(folder, "cell")}  # one when it was asked to stop, perhaps one more since
    assert 1 <= len(measured) < 4
    done = meshproof("bench", scenario, "--resume", "--out", folder)
    assert done.returncode in (0, 4), done.stderr
    by = {cell["block"]: cell.get("worker", "") for cell in records(folder, "cell")}
    assert by == {block: "a" if block in measured else "" for block in (1, 2, 3, 4)}
    assert not labs_of(tmp_path)


def test_no_scheduler_no_worker_and_another_commit_are_refused_with_what_to_do(
    tmp_path: Path, scenario: Path, scheduler: str, start: Start, meshproof: Run
) -> None:
    asked = ("bench", scenario, "--dataplane", "plain", "--out", tmp_path / "run", "--scheduler", scheduler)
    none = meshproof(*asked)
    assert (none.returncode, none.stdout) == (3, "")
    assert f"as root, by `meshproof worker {scheduler}`" in none.stderr
    start("other", GIT_DIR="/nowhere")  # git finds no commit there
    time.sleep(3)
    refused = meshproof(*asked)
    assert refused.returncode == 3
    assert "worker other runs commit unknown" in refused.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("protocol", ["tls"])
def test_over_tls_a_campaign_is_spread_and_nobody_else_gets_in(
    tmp_path: Path, scenario: Path, scheduler: str, start: Start, meshproof: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    start("a")
    time.sleep(3)
    asked = ("bench", scenario, "--dataplane", "plain", "--blocks", "1", "--out")
    done = meshproof(*asked, tmp_path / "run", "--scheduler", scheduler)
    assert done.returncode in (0, 4), done.stderr
    assert {cell["worker"] for cell in records(tmp_path / "run", "cell")} == {"a"}
    monkeypatch.delenv("DASK_CONFIG")
    for address in (scheduler, scheduler.replace("tls", "tcp")):
        stranger = meshproof(*asked, tmp_path / "stranger", "--scheduler", address)
        assert (stranger.returncode, "no scheduler answers" in stranger.stderr) == (3, True), stranger.stderr
    assert not (tmp_path / "stranger").exists()


def test_unlike_machines_are_refused_unless_they_may_be_mixed_and_then_their_absolute_figures_are_kept_apart(
    tmp_path: Path, scenario: Path, scheduler: str, start: Start, meshproof: Run
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "iperf3").write_text("#!/bin/sh\necho iperf 3.99\n")  # which this scenario does not call
    (tmp_path / "bin" / "iperf3").chmod(0o755)
    start("a")
    start("other", PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    time.sleep(4)
    folder = tmp_path / "run"
    asked = ("bench", scenario, "--dataplane", "plain", "--blocks", "4", "--out", folder, "--scheduler", scheduler)
    refused = meshproof(*asked)
    assert refused.returncode == 3
    assert "worker other is another machine than the rest (other iperf3)" in refused.stderr
    assert "--mixed-machines" in refused.stderr
    done = meshproof(*asked, "--mixed-machines")
    assert done.returncode in (0, 4), done.stderr
    machines = {row["worker"]: row for row in json.loads((folder / "run.json").read_text())["machines"]}
    assert sorted(block for row in machines.values() for block in row["blocks"]) == [1, 2, 3, 4]
    assert all(row["blocks"] for row in machines.values())
    assert [row["absolute"] for row in machines.values()].count(True) == 1
    (differs,) = [row["differs"] for row in machines.values() if row["differs"]]
    assert list(differs) == ["iperf3"]
    assert "ratios only" in (folder / "report.html").read_text()


def test_without_its_scheduler_a_campaign_ends_with_what_to_do_and_keeps_whole_blocks(
    tmp_path: Path, scenario: Path, scheduling: Scheduler, start: Start, meshproof: Run
) -> None:
    process, scheduler = scheduling
    folder = tmp_path / "run"
    worker = start("a")
    time.sleep(3)
    campaign = spread(scenario, folder, scheduler, blocks=4)
    until(lambda: records(folder, "cell"))
    process.kill()
    said = campaign.communicate(timeout=60)[0]
    assert campaign.returncode == 3, said
    assert "the scheduler" in said
    assert "--resume" in said
    assert "Traceback" not in said
    assert worker.wait(60) == 3
    assert "the scheduler has gone" in (tmp_path / "a.log").read_text()
    until(lambda: not labs_of(tmp_path))
    measured = {cell["block"] for cell in records(folder, "cell")}
    assert measured
    done = meshproof("bench", scenario, "--resume", "--out", folder)
    assert done.returncode in (0, 4), done.stderr
    assert {cell["block"] for cell in records(folder, "cell")} == {1, 2, 3, 4}
