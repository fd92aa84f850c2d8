"""CPU time of a load in slices, in some of which something is turned on: what is compared lies milliseconds apart."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np

from harness.meters.port import Meter, MeterError, Reading, Subject
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.port import LoadResult

ORDER = (False, True, True, False)
"""Off and on as often, and each as early: a drift of the machine over four slices falls out."""


@dataclass(frozen=True, slots=True)
class _Slice:
    on: bool
    begin: int  # ns of CLOCK_MONOTONIC, as the times of requests
    end: int
    reading: Reading


class AlternatingReading:
    """Whole rounds of ``ORDER`` between begin and end, each slice read by a reading of its own of the ``meter``."""

    def __init__(self, meter: Meter, subject: Subject, turn: Callable[[bool], None], seconds: float) -> None:
        self._meter = meter
        self._subject = subject
        self._turn = turn
        self._seconds = seconds
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._slices: list[_Slice] = []

    def begin(self) -> None:
        self._thread = threading.Thread(target=self._alternate, name="alternating", daemon=True)
        self._thread.start()

    def _alternate(self) -> None:
        for on in cycle(ORDER):
            reading = self._meter.open(self._subject)
            self._turn(on)
            reading.begin()
            begin = time.monotonic_ns()
            over = self._over.wait(self._seconds)
            reading.end()
            reading.close()
            if over:
                return
            self._slices.append(_Slice(on, begin, time.monotonic_ns(), reading))

    def end(self) -> None:
        self.close()

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        if load.requests is None:
            raise MeterError("slices cannot be read of a load that logs no requests; use one of kind `cost`")
        requests = load.requests
        done = np.sort(requests.done[(requests.done > 0) & (requests.status // 100 == 2)])
        last = int(done[-1]) if len(done) else 0
        whole = [each for each in self._slices if each.end <= last]
        whole = whole[: len(whole) // len(ORDER) * len(ORDER)]
        return [metric for on in (False, True) for metric in _told(on, [each for each in whole if each.on is on], load, done)]

    def attachments(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()


def _told(on: bool, slices: Sequence[_Slice], load: LoadResult, done: "np.typing.NDArray[np.uint64]") -> Sequence[Metric]:
    """CPU time for each request over all slices of one state, and how long they took for each request."""
    state = "on" if on else "off"
    count, elapsed, spent = 0, 0.0, dict[str, float]()
    for each in slices:
        before, after = np.searchsorted(done, [each.begin, each.end])
        answered = int(after - before)
        if not answered:
            continue
        count += answered
        elapsed += (each.end - each.begin) / 1e9
        for metric in each.reading.metrics(replace(load, count=answered)):
            if metric.name == "cpu_per_request":
                spent[metric.component] = spent.get(metric.component, 0.0) + metric.value * answered
    if not count:
        return ()
    told = [Metric(f"cpu_per_request_{state}", seconds / count, "s", component) for component, seconds in spent.items()]
    return [*told, Metric(f"elapsed_per_request_{state}", elapsed / count, "s")]


class Alternating:
    """``meter``'s CPU time for each request in slices of ``seconds``, with something turned off and on by ``turn``."""

    name = "alternating"
    kinds = frozenset({LoadKind.COST.value})

    def __init__(self, meter: Meter, turn: Callable[[bool], None], seconds: float) -> None:
        self._meter = meter
        self._turn = turn
        self._seconds = seconds

    def available(self) -> str | None:
        return None

    def open(self, subject: Subject) -> AlternatingReading:
        return AlternatingReading(self._meter, subject, self._turn, self._seconds)
