"""A campaign's progress: a bar with the time left on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_EVERY = 10.0  # seconds between plain lines, so that a log stays readable

SAID_IN_MINUTES = 180.0  # seconds


class Display:
    """The campaign's observer for people; ``unit`` says what its cells are."""

    def __init__(self, unit: str = "cells") -> None:
        self._unit = unit
        self._console = Console(file=sys.stderr)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._cells = self._done = 0
        self._first: float | None = None  # when the first cell was done: what came before it is no measure of the others
        self._done_since = 0
        self._said = 0.0
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                TextColumn("left"), TimeRemainingColumn(), console=self._console, auto_refresh=False,
            )  # drawn between cells only: drawing takes processor time, and a cell is being timed  # fmt: skip

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def planned(self, cells: int, done: int, seconds: float) -> None:
        """See Observer."""
        self._cells, self._done = cells, done
        load = f"; about {seconds / 60:.0f} min of load in all" if seconds else ""
        before = f", {done} of them done already" if done else ""
        self._line(f"{cells} {self._unit if cells != 1 else self._unit.removesuffix('s')} to come{before}{load}", force=True)
        if self._bar:
            self._task = self._bar.add_task(self._unit, total=cells, completed=done)

    def added(self, cells: int) -> None:
        """See Observer."""
        self._cells += cells
        if self._bar and self._task is not None:
            self._bar.update(self._task, total=self._cells, refresh=True)

    def began(self, what: str) -> None:
        """See Observer."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, description=what, refresh=True)
        else:
            self._line(what)

    def finished(self, what: str) -> None:
        """See Observer."""
        self._done += 1
        if self._first is None:
            self._first = time.monotonic()
        else:
            self._done_since += 1
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self._done, refresh=True)
        else:
            self._line(f"{self._done}/{self._cells} {what}{self._left()}")

    def noted(self, what: str) -> None:
        """See Observer."""
        self._console.print(f"note: {what}", highlight=False, markup=False, soft_wrap=True)

    def _left(self) -> str:
        if self._first is None or not self._done_since or self._done >= self._cells:
            return ""
        seconds = (time.monotonic() - self._first) / self._done_since * (self._cells - self._done)
        return f", about {seconds / 60:.0f} min left" if seconds >= SAID_IN_MINUTES else f", about {seconds:.0f} s left"

    def _line(self, text: str, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or (not self._bar and now - self._said >= LINE_EVERY):
            self._said = now
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)
