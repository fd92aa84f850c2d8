"""What a program in a lab writes down as it goes (diary.h), read along or when it is gone."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np

from harness.lab.port import Process
from harness.traffic.port import LoadFailed

PATIENCE = 20.0  # seconds for a process to get a turn on a machine that stands still
_HEADER_BYTES = 64
_POLL = 0.002
Records = np.ndarray[Any, np.dtype[np.void]]


class Diary:
    """The records of ``process`` in ``file``; ``what`` names it in errors. Times are ns of CLOCK_MONOTONIC."""

    def __init__(self, what: str, process: Process, file: Path, record: np.dtype[np.void]) -> None:
        self.what = what
        self.process = process
        self.file = file
        self._record = record
        self._forgotten = 0

    def count(self) -> int:
        """How many records it has written down."""
        if not self.file.exists():
            return 0
        with self.file.open("rb") as file:
            return int.from_bytes(file.read(8), "little")

    def records(self, first: int = 0) -> Records:
        """All that it has written down, in order, from record number ``first`` on; also when the process was killed since."""
        start, count = max(first, self._forgotten), self.count()
        if count <= start:
            return np.empty(0, self._record)
        with self.file.open("rb") as file:
            file.seek(_HEADER_BYTES + start * self._record.itemsize)
            return np.frombuffer(file.read((count - start) * self._record.itemsize), self._record)

    def of(self, kind: int, first: int = 0) -> Records:
        """The records of a kind."""
        return of_kind(self.records(first), kind)

    def forget(self) -> None:
        """Look no more at what was written down until now."""
        self._forgotten = self.count()

    def await_that(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> bool:
        """Wait for ``condition``; False when it is not met in time. Raises LoadFailed where the process ended."""
        deadline = monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                said = self.process.log.read_text(errors="replace").strip()
                raise LoadFailed(f"{self.what} ended before it {what}: {said or 'it said nothing'}")
            if monotonic() > deadline:
                return False
            sleep(_POLL)
        return True

    def ask_to_mark(self, signal: int) -> int:
        """Have it write down all that had come for it until now, and then a mark; gives what ``await_mark`` waits for."""
        before = self.count()
        self.process.signal(signal)
        return before

    def await_mark(self, before: int, kind: int) -> None:
        """Return when the mark, a record of ``kind``, is there. Raises LoadFailed."""
        if not self.await_that(lambda: len(self.of(kind, before)) > 0, "read what had come"):
            raise LoadFailed(f"{self.what} did not read what had come within {PATIENCE:g} s")


def of_kind(records: Records, kind: int) -> Records:
    """Those of ``records`` that are of a kind."""
    found: Records = records[records["kind"] == kind]
    return found
