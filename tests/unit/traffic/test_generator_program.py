"""openloop.c on loopback: its schedule, what it makes of strange answers, and what it leaves when it ends."""

import json
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hostile import OK, Answer, reset, say, serving
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import stalling

from harness.lab.build import c_program
from harness.traffic.generator import FAILURES, RECORD, SOURCE

PROGRAM = str(c_program(SOURCE, "m"))


@dataclass(frozen=True)
class Ran:
    status: int
    lines: list[str]
    stderr: str
    records: npt.NDArray[np.void]

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads(self.lines[-1])

    @property
    def failures(self) -> list[str]:
        return [FAILURES[number] for number in np.unique(self.records["failure"])]


def openloop(port: int, output: Path, **options: object) -> Ran:
    words = {"address": "127.0.0.1", "port": port, "rate": 200, "seconds": 0.2, "connections": 4, "timeout": 0.5, **options}
    argv = [PROGRAM, "--output", str(output)]
    argv += [word for name, value in words.items() for word in (f"--{name}", str(value))]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    records = np.fromfile(output, dtype=RECORD) if output.exists() else np.empty(0, RECORD)
    return Ran(done.returncode, done.stdout.splitlines(), done.stderr, records)


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("openloop")


@settings(max_examples=15, deadline=None)
@given(
    rate=st.floats(50, 3000),
    seconds=st.floats(0.02, 0.1),
    arrivals=st.sampled_from(["fixed", "poisson"]),
    seed=st.integers(0, 2**40),
    spin=st.sampled_from([0, 0.0001]),
)
def test_schedule_is_kept_whatever_its_parameters(
    rate: float, seconds: float, arrivals: str, seed: int, spin: float, steady: SimpleNamespace, temporary: Path
) -> None:  # fmt: skip
    output = temporary / "records"
    options = {"rate": rate, "seconds": seconds, "arrivals": arrivals, "seed": seed, "spin": spin}
    ran = openloop(steady.port, output, **options)
    records = ran.records
    assert ran.status == 0, ran.stderr
    assert len(records) == ran.summary["records"]
    intended = records["intended"].astype(np.int64) - ran.summary["begin"]
    assert np.all((intended >= -1) & (intended <= seconds * 1e9))
    assert np.all(np.diff(intended) >= 0)
    assert np.all(records["sent"] >= records["intended"])
    assert np.all(records["done"] >= records["sent"])
    assert np.all(records["lag"] <= records["sent"] - records["intended"])
    if arrivals == "fixed":
        assert len(records) == pytest.approx(rate * seconds, abs=1)
        assert np.abs(np.diff(intended) - 1e9 / rate).max(initial=0) <= 1
    else:
        again = openloop(steady.port, output, **options)
        repeated = again.records["intended"].astype(np.int64) - again.summary["begin"]
        assert np.abs(repeated - intended).max(initial=0) <= 1


def test_poisson_gaps_are_exponential(steady: SimpleNamespace, tmp_path: Path) -> None:
    ran = openloop(steady.port, tmp_path / "o", rate=5000, seconds=0.5, arrivals="poisson", connections=64)
    gaps = np.diff(ran.records["intended"]) * 1e-9 * 5000
    assert np.mean(gaps) == pytest.approx(1, abs=0.1)
    assert np.std(gaps) == pytest.approx(1, abs=0.1)
    assert np.mean(gaps > 1) == pytest.approx(np.exp(-1), abs=0.04)


def test_stall_of_the_server_is_counted_in_full(tmp_path: Path) -> None:
    with stalling(0.6, 0.2) as server:
        ran = openloop(server.port, tmp_path / "o", rate=1000, seconds=1.6, arrivals="fixed")
    assert ran.status == 0, ran.stderr
    intended = ran.records["intended"].astype(np.int64)
    waited = np.zeros(len(intended))
    for begin, end in server.stalls:
        inside = (intended >= begin) & (intended < end)
        waited[inside] = end - intended[inside]
    assert np.count_nonzero(waited) >= 200
    latency = ran.records["done"].astype(np.int64) - intended
    assert np.percentile(latency, 99) == pytest.approx(np.percentile(waited, 99), rel=0.05)


def test_markers_stand_around_the_measured_part(steady: SimpleNamespace, tmp_path: Path) -> None:
    ran = openloop(steady.port, tmp_path / "o", rate=100, seconds=0.2, warmup=0.1, arrivals="fixed")
    assert ran.lines[:2] == ["begin", "end"]
    assert len(ran.lines) == 3
    assert ran.summary["first"] == 10
    assert ran.summary["records"] == 30


def test_closed_loop_keeps_its_connections_busy(steady: SimpleNamespace, tmp_path: Path) -> None:
    ran = openloop(steady.port, tmp_path / "o", rate=0, connections=3)
    started, done = ran.records["sent"], ran.records["done"]
    assert ran.status == 0
    assert ran.failures == [""]
    middle = started[len(started) // 2]
    assert np.count_nonzero((started <= middle) & (done > middle)) in (2, 3)


def test_each_request_can_have_a_connection_of_its_own(tmp_path: Path) -> None:
    peers = set()

    def answer(client: socket.socket) -> None:
        peers.add(client.getpeername())
        client.sendall(OK)

    with serving(answer) as port:
        ran = openloop(port, tmp_path / "o", connect="each", rate=100)
    assert ran.failures == [""]
    assert len(peers) == len(ran.records)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (say(OK), 200),
        (say(*(bytes([byte]) for byte in OK)), 200),
        (say(b"HTTP/1.1 204 No Content\r\n\r\n"), 204),
        (say(b"HTTP/1.1 403 Forbidden\r\ncontent-length:  3\r\n\r\n", b"no!"), 403),
        (say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", close=True), 200),
        (say(b"HTTP/1.0 200 OK\r\n\r\nall until the end", close=True), 200),
        (say(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", b"x" * 300000), 200),
        (say(OK, close=True), 200),
    ],
)
def test_answer_is_read_to_its_end(answer: Answer, status: int, tmp_path: Path) -> None:
    with serving(answer) as port:
        ran = openloop(port, tmp_path / "o", rate=20)
    assert ran.status == 0, ran.stderr
    assert ran.failures == [""]
    assert set(ran.records["status"]) == {status}
    assert np.all(ran.records["done"] > 0)


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (reset, "connection broken"),
        (say(close=True), "connection broken"),
        (say(OK[:-1], close=True), "connection broken"),
        (say(b"SSH-2.0-OpenSSH\r\n\r\n"), "malformed answer"),
        (say(b"HTTP/1.1 100 Continue\r\n\r\n"), "malformed answer"),
        (say(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20000), "malformed answer"),
        (say(OK + b"more than was said"), "malformed answer"),
        (say(), "unanswered"),
        (say(OK[:-1]), "unanswered"),
    ],
)
def test_failed_request_is_recorded_and_the_load_goes_on(answer: Answer, failure: str, tmp_path: Path) -> None:
    with serving(answer) as port:
        ran = openloop(port, tmp_path / "o", rate=20, arrivals="fixed")
    assert ran.status == 0, ran.stderr
    assert ran.failures == [failure]
    assert len(ran.records) == 4
    assert ran.summary["failed"] == 4
    assert not ran.records["done"].any()


def test_requests_beyond_the_connections_wait_and_are_not_the_generators_lag(tmp_path: Path) -> None:
    def slow(client: socket.socket) -> None:
        time.sleep(0.02)
        client.sendall(OK)

    with serving(slow) as port:
        ran = openloop(port, tmp_path / "o", rate=200, seconds=0.2, connections=1, arrivals="fixed", timeout=5)
    waited = (ran.records["sent"] - ran.records["intended"]) / 1e9
    assert ran.failures == [""]
    assert waited[-1] > 0.3, "forty requests of 20 ms each need 0.8 s on one connection"
    assert np.median(ran.records["lag"]) / 1e9 < 0.01


def test_answer_without_known_length_ends_the_run_with_a_reason(tmp_path: Path) -> None:
    with serving(say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")) as port:
        ran = openloop(port, tmp_path / "o")
    assert ran.status == 1
    assert "Transfer-Encoding" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_unreachable_server_has_a_status_of_its_own(tmp_path: Path) -> None:
    with serving(say(OK)) as port:
        pass
    ran = openloop(port, tmp_path / "o")
    assert ran.status == 3
    assert ran.stderr == f"openloop: cannot reach 127.0.0.1 port {port}: Connection refused\n"


def test_ipv6_is_spoken(tmp_path: Path) -> None:
    with serving(say(OK), socket.AF_INET6) as port:
        ran = openloop(port, tmp_path / "o", address="::1")
    assert ran.failures == [""]


@pytest.mark.parametrize(
    "options", [{"rate": "x"}, {"rate": -1}, {"seconds": 0}, {"arrivals": "even"}, {"address": "localhost"}, {"connections": 0}]
)
def test_wrong_option_is_named(options: dict[str, object], tmp_path: Path) -> None:
    ran = openloop(1, tmp_path / "o", **options)
    assert ran.status == 2
    assert f"--{next(iter(options))} is " in ran.stderr


def test_records_that_cannot_be_written_are_an_error(steady: SimpleNamespace) -> None:
    ran = openloop(steady.port, Path("/dev/full"))
    assert ran.status == 1
    assert ran.stderr == "openloop: /dev/full: No space left on device\n"


def test_sigterm_leaves_what_was_recorded(steady: SimpleNamespace, tmp_path: Path) -> None:
    output = tmp_path / "o"
    argv = [
        PROGRAM,
        "--address",
        "127.0.0.1",
        "--port",
        str(steady.port),
        "--rate",
        "500",
        "--seconds",
        "60",
        "--output",
        output,
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        time.sleep(0.1)  # so that there is something to leave
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=10)
    records = np.fromfile(output, dtype=RECORD)
    assert process.returncode == 4
    assert json.loads(said.splitlines()[-1])["records"] == len(records) > 0
