"""blocking.c on loopback: a thread a connection, asleep in its system calls, and what it makes of strange answers."""

import json
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hostile import OK, Answer, reset, say, serving
from test_generator_program import Ran

from harness.lab.build import c_program
from harness.traffic.generator import BLOCKING, RECORD

PROGRAM = str(c_program(BLOCKING, "m"))
MANY = 32


def argv(port: int, output: Path, **options: object) -> list[str]:
    words = {"address": "127.0.0.1", "port": port, "seconds": 0.2, "connections": 4, "timeout": 0.5, **options}
    return [PROGRAM, "--output", str(output), *(word for name, value in words.items() for word in (f"--{name}", str(value)))]


def blocking(port: int, output: Path, **options: object) -> Ran:
    done = subprocess.run(argv(port, output, **options), capture_output=True, text=True, timeout=30, check=False)
    records = np.fromfile(output, dtype=RECORD) if output.exists() else np.empty(0, RECORD)
    return Ran(done.returncode, done.stdout.splitlines(), done.stderr, records)


def test_every_connection_is_kept_busy_and_every_request_recorded(steady: SimpleNamespace, tmp_path: Path) -> None:
    ran = blocking(steady.port, tmp_path / "o", connections=MANY, warmup=0.1)
    assert ran.status == 0, ran.stderr
    assert ran.lines[:2] == ["begin", "end"]
    assert ran.failures == [""]
    assert len(ran.records) == ran.summary["records"]
    assert np.all(ran.records["done"] > ran.records["sent"])
    assert 0 < ran.summary["first"] < len(ran.records)
    middle = ran.records["sent"][len(ran.records) // 2]
    under_way = np.count_nonzero((ran.records["sent"] <= middle) & (ran.records["done"] > middle))
    assert 1 <= under_way <= MANY


def test_its_sockets_are_blocking(tmp_path: Path) -> None:
    with serving(say()) as port:
        command = argv(port, tmp_path / "o", seconds=30, connections=1)
        program = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        flags: list[int] = []
        while not flags and time.monotonic() < deadline:
            flags = _socket_flags(program.pid)
        program.send_signal(signal.SIGTERM)
        program.wait(10)
    assert len(flags) == 1
    assert not flags[0] & socket.SOCK_NONBLOCK


def _socket_flags(pid: int) -> list[int]:
    """The flags of the sockets that a process has open."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it is being closed
            if link.readlink().name.startswith("socket:"):
                said = (link.parent.parent / "fdinfo" / link.name).read_text()
                found.append(int(dict(line.split(":", 1) for line in said.splitlines() if ":" in line)["flags"], 8))
    return found


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (say(OK), 200),
        (say(*(bytes([byte]) for byte in OK)), 200),
        (say(b"HTTP/1.1 403 Forbidden\r\ncontent-length:  3\r\n\r\n", b"no!"), 403),
        (say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", close=True), 200),
        (say(b"HTTP/1.0 200 OK\r\n\r\nall until the end", close=True), 200),
        (say(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", b"x" * 300000), 200),
    ],
)
def test_an_answer_is_read_to_its_end(answer: Answer, status: int, tmp_path: Path) -> None:
    with serving(answer) as port:
        ran = blocking(port, tmp_path / "o")
    assert ran.status == 0, ran.stderr
    answered = ran.records[ran.records["done"] > 0]
    assert len(answered) > 0
    assert set(answered["status"]) == {status}


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (reset, "connection broken"),
        (say(OK[:-1], close=True), "connection broken"),
        (say(b"SSH-2.0-OpenSSH\r\n\r\n"), "malformed answer"),
        (say(), "unanswered"),
        (say(OK[:-1]), "unanswered"),
    ],
)
def test_a_failed_request_is_recorded_and_the_load_goes_on(answer: Answer, failure: str, tmp_path: Path) -> None:
    with serving(answer) as port:
        ran = blocking(port, tmp_path / "o", connections=2)
    assert ran.status == 0, ran.stderr
    assert failure in ran.failures
    assert set(ran.failures) <= {failure, "unanswered"}  # what is under way at the end
    assert not ran.records["done"].any()


def test_a_server_that_is_not_there_has_a_status_of_its_own(tmp_path: Path) -> None:
    with serving(say(OK)) as port:
        pass
    ran = blocking(port, tmp_path / "o")
    assert (ran.status, ran.stderr) == (3, f"blocking: cannot reach 127.0.0.1 port {port} over all of 4 connections\n")


@pytest.mark.parametrize("option", [{"rate": 5}, {"connect": "each"}])
def test_what_a_blocking_client_cannot_do_is_refused(option: dict[str, object], tmp_path: Path) -> None:
    ran = blocking(1, tmp_path / "o", **option)
    assert ran.status == 2
    assert "are openloop's" in ran.stderr


def test_sigterm_leaves_what_was_recorded(steady: SimpleNamespace, tmp_path: Path) -> None:
    command = argv(steady.port, tmp_path / "o", seconds=60)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        time.sleep(0.1)  # so that there is something to leave
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=10)
    records = np.fromfile(tmp_path / "o", dtype=RECORD)
    assert process.returncode == 4
    assert json.loads(said.splitlines()[-1])["records"] == len(records) > 0
