import time
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from harness.meters.alternating import ORDER, Alternating
from harness.meters.forms import Forms
from harness.meters.latency import METERS
from harness.model.result import Metric
from harness.traffic.port import LoadResult, Requests

MS = 1_000_000


def requests(taken: Sequence[int], forms: Sequence[int] = (), late: int = 0) -> LoadResult:
    """Requests that took so many ns from send, which was ``late`` after it was meant; 0 was not answered."""
    count = len(taken)
    intended = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(MS)
    sent = intended + np.uint64(late)
    done = np.where(np.array(taken) > 0, sent + np.array(taken, dtype=np.uint64), 0).astype(np.uint64)
    status = np.where(done > 0, 200, 0).astype(np.uint16)
    form = np.array(forms or [0] * count, dtype=np.uint32)
    whole = Requests(intended, sent, done, np.zeros(count, dtype=np.uint64), status, form)
    return LoadResult(int((done > 0).sum()), int((done == 0).sum()), 1.0, requests=whole)


def late_share(load: LoadResult) -> float:
    found = METERS[0].open(None).metrics(load)  # type: ignore[arg-type] # no subject is read
    return next(metric.value for metric in found if metric.name == "late_share")


def test_late_is_what_took_over_a_tenth_of_a_second_from_send_or_never_came() -> None:
    assert late_share(requests([MS, 100 * MS, 100 * MS + 1, 204 * MS])) == 0.5
    assert late_share(requests([MS, MS, 0, MS])) == 0.25
    assert late_share(requests([MS, MS], late=150 * MS)) == 0  # a late send is the generator's or the line's, no lost packet


def test_each_form_of_a_mix_has_its_own_median() -> None:
    load = requests([MS, 2 * MS, MS, 2 * MS, MS, 0], [0, 1, 0, 1, 0, 2])
    found = {metric.component: metric.value for metric in Forms(("base", "slow", "lost", "none")).open(None).metrics(load)}  # type: ignore[arg-type]
    assert found["base"] == pytest.approx(1e-3, rel=1e-3)
    assert found["slow"] == pytest.approx(2e-3, rel=1e-3)
    assert found["lost"] == float("inf")
    assert "none" not in found


class Spent:
    """A meter of a component that uses 2 µs for each request while something is on, and 1 µs while it is off."""

    name, kinds = "spent", frozenset({"cost"})

    def __init__(self) -> None:
        self.on = False
        self.turns: list[bool] = []

    def turn(self, on: bool) -> None:
        self.on = on
        self.turns.append(on)

    def available(self) -> str | None:
        return None

    def open(self, subject: object) -> "SpentReading":
        return SpentReading(self)


class SpentReading:
    def __init__(self, meter: Spent) -> None:
        self._meter = meter
        self._each = 0.0

    def begin(self) -> None:
        self._each = 2e-6 if self._meter.on else 1e-6

    def end(self) -> None: ...

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        return [Metric("cpu_per_request", self._each, "s", "server")]

    def attachments(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None: ...


def test_slices_with_and_without_are_read_apart() -> None:
    meter = Spent()
    reading = Alternating(meter, meter.turn, 0.01).open(None)  # type: ignore[arg-type] # no subject is read
    began = time.monotonic_ns()
    reading.begin()
    while len(meter.turns) < 3 * len(ORDER):
        time.sleep(0.005)
    reading.end()
    length = time.monotonic_ns() - began
    step = 100_000
    count = length // step
    done = (np.arange(count, dtype=np.uint64) * np.uint64(step) + np.uint64(began)).astype(np.uint64)
    whole = Requests(done, done, done, done * 0, np.full(count, 200, np.uint16), np.zeros(count, np.uint32))
    found = {(m.name, m.component): m.value for m in reading.metrics(LoadResult(count, 0, 1.0, requests=whole))}
    assert found["cpu_per_request_on", "server"] == pytest.approx(2e-6)
    assert found["cpu_per_request_off", "server"] == pytest.approx(1e-6)
    assert found["elapsed_per_request_on", ""] == pytest.approx(1e-4, rel=0.05)
    assert meter.turns[:8] == [*ORDER, *ORDER]


def test_a_load_that_ends_at_once_has_no_slices() -> None:
    meter = Spent()
    reading = Alternating(meter, meter.turn, 10).open(None)  # type: ignore[arg-type]
    reading.begin()
    reading.end()
    assert reading.metrics(requests([MS])) == []
