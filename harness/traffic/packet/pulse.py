"""A clock that stands still where the machine does, as pulse.h is for the prober: silence lasts as long as every CPU says."""

import os
import threading
from types import TracebackType

BEAT = 0.01
"""Seconds that each CPU's thread sleeps at a time."""


class Pulse:
    """Counts the beats of each CPU that this process may use, while it is open."""

    def __init__(self) -> None:
        self._cpus = sorted(os.sched_getaffinity(0))
        self._beats = dict.fromkeys(self._cpus, 0)
        self._marked = dict(self._beats)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._beat, args=(cpu,), daemon=True) for cpu in self._cpus]

    def __enter__(self) -> "Pulse":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _beat(self, cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})  # of this thread alone
        while not self._over.wait(BEAT):
            self._beats[cpu] += 1

    def mark(self) -> None:
        """Silence begins now."""
        self._marked = dict(self._beats)

    def passed(self, seconds: float) -> bool:
        """Whether every CPU has had as many beats since the mark as ``seconds`` hold."""
        return all(self._beats[cpu] - self._marked[cpu] > seconds / BEAT for cpu in self._cpus)
