"""An agent that dies is followed by another, which is told what is in force; who tells it something learns what came of it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import stand_in_agent
from stand_in_agent import CRASHED, ENDED, KILLED_FIRST, REFUSED, TROUBLED

from harness.lab.build import ROOT
from harness.mesh.l7law import Law
from harness.mesh.l7process import COMPONENT, AgentFailed, AgentProcess

SECONDS = 20.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


class Place:
    """Starts programs here and now, as a lab's node does in its namespace."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"

    def start(self, argv: Sequence[str], *, component: str, env: Mapping[str, str]) -> Any:
        assert component == COMPONENT
        with self._log.open("ab") as log:
            child = subprocess.Popen(argv, env=dict(env), stdout=log, stderr=log)

        def stop(grace: float = 2.0) -> None:
            child.terminate()
            child.wait(SECONDS)

        return SimpleNamespace(
            pid=child.pid, log=self._log, poll=child.poll, wait=child.wait, signal=child.send_signal, stop=stop
        )


class Diary:
    """What agents were told: each one's number, and the generations."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def told(self) -> list[tuple[int, int]]:
        lines = (each.split() for each in self.path.read_text().splitlines())
        return [(int(pid), int(generation)) for pid, generation in lines]


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path / "diary")


@pytest.fixture
def agent(tmp_path: Path, diary: Diary) -> Iterator[AgentProcess]:
    program = (sys.executable, stand_in_agent.__file__)
    place: Any = Place(tmp_path)
    made = AgentProcess(place, "the agent of node n1", diary.path, tmp_path, tmp_path / "l7.sock", program)
    made.start()
    yield made
    if made.pids:
        made.stop()
    assert made.pids == ()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_an_agent_imports_no_more_than_it_needs() -> None:
    """What it imports is the data plane's memory: numpy alone would double it."""

    def imported(statement: str) -> set[str]:
        program = (
            f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}} - sys.stdlib_module_names)"
        )
        said = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, check=True, text=True)
        return set(said.stdout.split())

    assert imported("import harness.mesh.l7agent") - imported("") == {"harness", "h11"}


def test_an_agent_is_told_what_is_in_force(agent: AgentProcess, diary: Diary) -> None:
    agent.judge_by(1, Law())
    agent.forget(["10.0.0.1"])
    (pid,) = agent.pids
    assert diary.told() == [(pid, 1), (pid, 0)]


def test_one_that_is_killed_is_followed_by_another_that_knows_what_is_in_force(agent: AgentProcess, diary: Diary) -> None:
    agent.judge_by(1, Law())
    agent.judge_by(ENDED, Law())
    until(lambda: len(diary.told()) > 2)
    (first, _), (_, _), (second, generation), *_ = diary.told()
    assert (first != second, generation) == (True, ENDED)


def test_one_that_dies_of_what_it_is_told_is_no_error(agent: AgentProcess, diary: Diary) -> None:
    (first,) = agent.pids
    agent.judge_by(KILLED_FIRST, Law())
    (second,) = agent.pids
    assert diary.told() == [(first, KILLED_FIRST), (second, KILLED_FIRST)]


def test_one_that_crashes_is_followed_and_reported(agent: AgentProcess, diary: Diary) -> None:
    agent.judge_by(CRASHED, Law())
    assert [generation for _, generation in diary.told()] == [CRASHED, CRASHED]
    with pytest.raises(AgentFailed, match="the agent of node n1: ended with status 1: it said 'a bug, say'"):
        agent.stop()


def test_what_it_cannot_do_is_an_error(agent: AgentProcess) -> None:
    with pytest.raises(AgentFailed, match="the agent of node n1: it cannot be"):
        agent.judge_by(REFUSED, Law())
    agent.judge_by(1, Law())


def test_trouble_is_reported_at_the_end(agent: AgentProcess) -> None:
    agent.judge_by(TROUBLED, Law())
    with pytest.raises(AgentFailed, match="no room for a pair"):
        agent.stop()


@pytest.mark.parametrize("kill", [False, True])
def test_one_can_be_replaced(agent: AgentProcess, diary: Diary, kill: bool) -> None:
    agent.judge_by(1, Law())
    before = agent.pids
    agent.replace(kill=kill)
    assert (len(agent.pids), diary.told()) == (1, [(*before, 1), (*agent.pids, 1)])
    assert agent.pids != before


def test_one_that_does_not_serve_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    place: Any = Place(tmp_path)
    program = (sys.executable, "-c", "raise SystemExit('no such folder')")
    broken = AgentProcess(place, "the agent of node n1", tmp_path, tmp_path, tmp_path / "l7.sock", program)
    with pytest.raises(AgentFailed, match="the agent of node n1 does not serve: it said 'no such folder'"):
        broken.start()
    broken.stop()
    assert not (tmp_path / "l7.sock").exists()
