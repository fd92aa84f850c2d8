"""What a campaign says of itself while it runs, where there is no terminal."""

import pytest

from harness.cli import progress
from harness.cli.progress import Display


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    return found


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_the_time_left_goes_by_the_pace_of_cells_and_not_by_what_came_before_them(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Display() as display:
        display.planned(101, 0, 600)
        clock.now = 500  # a survey
        display.finished("one")
        clock.now = 520
        display.finished("two")
        clock.now = 1500
        display.finished("three")
    assert lines(capsys) == [
        "101 cells to come; about 10 min of load in all", "1/101 one", "2/101 two, about 33 min left",
        "3/101 three, about 817 min left",
    ]  # fmt: skip


def test_what_was_done_before_is_said_and_is_no_part_of_the_pace(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        display.planned(50, 40, 0)
        for at in (20, 30, 40):
            clock.now = at
            display.finished("cell")
    assert lines(capsys) == [
        "50 cells to come, 40 of them done already", "41/50 cell", "42/50 cell, about 80 s left", "43/50 cell, about 70 s left",
    ]  # fmt: skip


def test_lines_come_seldom_and_the_last_one_names_no_time(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Display("cases") as display:
        display.planned(3, 0, 0)
        for at in (6, 12, 24):
            clock.now = at
            display.finished("case")
    assert lines(capsys) == ["3 cases to come", "2/3 case, about 6 s left", "3/3 case"]
