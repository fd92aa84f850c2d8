"""Latency from each request's intended send time, so that a stalled server delays what should have been sent meanwhile too."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

from harness.meters.port import MeterError, Subject
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.port import LoadResult, Requests

LONGEST = 3_600_000_000_000  # ns; an hour, longer than any load
DIGITS = 3  # significant decimal digits that the histogram keeps
SLOT_BITS = 11  # binary digits that hold them: 2048 slots before the width of a slot doubles
LATE = 100_000_000  # ns from send to answer: below TCP's shortest wait until it sends again (200 ms), far above what paths take
PERCENTILES = {"latency_p50": 50.0, "latency_p90": 90.0, "latency_p99": 99.0, "latency_p999": 99.9}


def histogram_of(nanoseconds: npt.NDArray[np.uint64]) -> HdrHistogram:
    """An HDR histogram of these times, in ns with three significant digits.

    Values of one slot are added in one call: the library, being Python, takes microseconds a call.
    """
    histogram = HdrHistogram(1, LONGEST, DIGITS)
    times = np.clip(nanoseconds, 1, LONGEST).astype(np.int64)
    _, magnitude = np.frexp(times.astype(np.float64))
    dropped = np.maximum(magnitude - SLOT_BITS, 0)  # low bits that the histogram does not keep
    values, counts = np.unique(times >> dropped << dropped, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        histogram.record_value(value, count)
    return histogram


def percentile(histogram: HdrHistogram, percent: float, failed: int) -> float:
    """The latency in seconds that ``percent`` of all requests did not exceed; ``failed`` ones took for ever."""
    rank = percent / 100 * (histogram.total_count + failed)
    if rank > histogram.total_count:
        return math.inf
    return float(histogram.get_value_at_percentile(100 * rank / histogram.total_count)) / 1e9


class LatencyReading:
    """Reads nothing itself: the load logged every request's times."""

    def __init__(self) -> None:
        self._attachments: Mapping[str, str] = {}

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        if load.requests is None:
            raise MeterError("latency cannot be read of a load that logs no requests; use one of kind `latency`")
        requests = load.requests
        answered = (requests.done > 0) & (requests.status // 100 == 2)
        failed = int(np.count_nonzero(~answered))
        if not len(answered):
            return ()
        histogram = histogram_of(requests.done[answered] - requests.intended[answered])
        self._attachments = {"histogram": histogram.encode().decode()}
        metrics = [Metric(name, percentile(histogram, percent, failed), "s") for name, percent in PERCENTILES.items()]
        metrics.append(Metric("latency_max", percentile(histogram, 100, failed), "s"))
        metrics.append(Metric("latency_mean", math.inf if failed else histogram.get_mean_value() / 1e9, "s"))
        metrics.append(Metric("late_share", _late_share(requests, answered), "1"))
        metrics.append(Metric("service_time_p50", _service_time(requests, answered, failed), "s"))
        return metrics

    def attachments(self) -> Mapping[str, str]:
        """The histogram in HdrHistogram's own V2 encoding (base64, ns), so that blocks can be added up and plotted."""
        return self._attachments

    def close(self) -> None: ...


def _service_time(requests: Requests, answered: npt.NDArray[np.bool_], failed: int) -> float:
    """Median from send to answer: what the path itself takes, without the wait for a free connection."""
    return percentile(histogram_of(requests.done[answered] - requests.sent[answered]), 50, failed)


def _late_share(requests: Requests, answered: npt.NDArray[np.bool_]) -> float:
    """Share of requests whose answer took over ``LATE`` from send, or never came: those of which a packet was lost."""
    taken = requests.done[answered] - requests.sent[answered]
    return (len(answered) - int(np.count_nonzero(taken <= LATE))) / len(answered)


class Latency:
    """Percentiles of a latency load; a request without a 2xx answer, however fast, counts as one that took for ever."""

    name = "latency"
    kinds = frozenset({LoadKind.LATENCY.value})

    def available(self) -> str | None:
        return None

    def open(self, subject: Subject) -> LatencyReading:
        return LatencyReading()


METERS = (Latency(),)
