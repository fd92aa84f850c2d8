"""Commands of this machine: what becomes of them when their time is over, or this process is interrupted."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.lab.command import run
from harness.lab.port import LabError

TAKES_DOWN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
began, ended = map(pathlib.Path, sys.argv[1:])
try:
    began.touch()
    time.sleep(60)
except KeyboardInterrupt:
    ended.write_text("taken down")
"""


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """SIGINT interrupts, also where a shell that starts the tests in its background has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ends_by_itself(folder: Path) -> tuple[list[str], Path, Path]:
    began, ended = folder / "began", folder / "ended"
    return [sys.executable, "-c", TAKES_DOWN, str(began), str(ended)], began, ended


def interrupted_when(there: Path) -> None:
    main = threading.main_thread()

    def interrupt() -> None:
        deadline = time.monotonic() + 20
        while not there.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        signal.pthread_kill(main.ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt).start()


def test_output_and_status_are_those_of_the_command() -> None:
    done = run([sys.executable, "-c", "import sys; print(input()); sys.exit(3)"], stdin="said\n", check=False)
    assert (done.status, done.stdout) == (3, "said\n")


def test_a_failure_says_what_the_command_said() -> None:
    with pytest.raises(LabError, match="status 2: no such luck"):
        run([sys.executable, "-c", "import sys; print('no such luck', file=sys.stderr); sys.exit(2)"])


def test_a_missing_command_is_named() -> None:
    with pytest.raises(LabError, match="no-such-command is not installed"):
        run(["no-such-command"])


def test_a_command_whose_time_is_over_is_killed() -> None:
    with pytest.raises(LabError, match="did not end within"):
        run(["sleep", "60"], seconds=0.1)


def test_an_interruption_lets_a_command_take_down_what_it_made(tmp_path: Path) -> None:
    argv, began, ended = ends_by_itself(tmp_path)
    interrupted_when(began)
    with pytest.raises(KeyboardInterrupt):
        run(argv, ending=20.0)
    assert ended.read_text() == "taken down"


def test_a_command_whose_time_is_over_may_take_down_what_it_made(tmp_path: Path) -> None:
    argv, began, ended = ends_by_itself(tmp_path)
    with pytest.raises(LabError, match="did not end within"):
        run(argv, seconds=2.0, ending=20.0)
    assert began.exists()
    assert ended.read_text() == "taken down"


def test_a_command_that_does_not_heed_its_interruption_is_killed(tmp_path: Path) -> None:
    there = tmp_path / "there"
    deaf = (
        "import pathlib, signal, sys, time; signal.signal(2, signal.SIG_IGN); pathlib.Path(sys.argv[1]).touch(); time.sleep(60)"
    )
    interrupted_when(there)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run([sys.executable, "-c", deaf, str(there)], ending=0.2)
    assert time.monotonic() - began < 30
