import math

import numpy as np
import numpy.typing as npt
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.meters.latency import METERS, PERCENTILES, histogram_of, percentile
from harness.meters.port import MeterError
from harness.traffic.port import LoadResult, Requests

PRECISION = 1e-3  # three significant digits
times = st.lists(st.integers(1, 60_000_000_000), min_size=1, max_size=300)


def load(latencies: list[int], failed: int = 0, status: int = 0) -> LoadResult:
    count = len(latencies) + failed
    intended = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(1_000_000)
    done = intended + np.array([*latencies, *[5] * failed], dtype=np.uint64)
    statuses = np.array([200] * len(latencies) + [status] * failed, dtype=np.uint16)
    if status == 0:
        done[len(latencies) :] = 0
    lag = np.zeros(count, dtype=np.uint64)
    requests = Requests(intended, intended + np.uint64(1), done, lag, statuses, np.zeros(count, dtype=np.uint32))
    return LoadResult(len(latencies), failed, 1.0, requests=requests)


def figures(result: LoadResult) -> dict[str, float]:
    return {metric.name: metric.value for metric in METERS[0].open(None).metrics(result)}  # type: ignore[arg-type] # no subject is read


@settings(max_examples=30)  # each walks an hour's worth of slots in Python
@given(times)
def test_percentiles_are_those_of_the_sorted_times_to_three_digits(latencies: list[int]) -> None:
    found = figures(load(latencies))
    for name, percent in PERCENTILES.items():
        # the histogram rounds the rank to the nearest whole request, as HdrHistogram defines it
        rank = max(int(percent * len(latencies) / 100 + 0.5), 1)
        assert found[name] * 1e9 == pytest.approx(sorted(latencies)[rank - 1], rel=PRECISION, abs=1)
    assert found["latency_max"] * 1e9 == pytest.approx(max(latencies), rel=PRECISION, abs=1)
    assert found["latency_mean"] * 1e9 == pytest.approx(np.mean(latencies), rel=PRECISION, abs=1)


def test_percentiles_of_many_requests_are_numpys() -> None:
    latencies: npt.NDArray[np.int64] = np.random.default_rng(3).lognormal(11.5, 0.6, 100_000).astype(np.int64)
    found = figures(load(latencies.tolist()))
    for name, percent in PERCENTILES.items():
        assert found[name] * 1e9 == pytest.approx(np.percentile(latencies, percent), rel=3 * PRECISION)


@given(times)
def test_adding_by_slot_gives_the_histogram_of_adding_one_by_one(latencies: list[int]) -> None:
    one_by_one = HdrHistogram(1, 3_600_000_000_000, 3)
    for value in latencies:
        one_by_one.record_value(value)
    by_slot = histogram_of(np.array(latencies, dtype=np.uint64))
    assert by_slot.total_count == len(latencies)
    assert list(by_slot.counts) == list(one_by_one.counts)


@given(st.integers(1, 999), st.floats(0.1, 100))
def test_a_percentile_is_infinite_exactly_where_the_failed_requests_reach_it(failed: int, percent: float) -> None:
    histogram = histogram_of(np.full(1000 - failed, 1000, dtype=np.uint64))
    assert math.isinf(percentile(histogram, percent, failed)) == (percent / 100 * 1000 > 1000 - failed)


@pytest.mark.parametrize("status", [0, 503])
def test_requests_without_a_good_answer_took_for_ever_even_if_refused_at_once(status: int) -> None:
    found = figures(load([1_000_000] * 980, failed=20, status=status))
    assert found["latency_p90"] == pytest.approx(1e-3, rel=PRECISION)
    assert found["latency_p99"] == found["latency_max"] == found["latency_mean"] == math.inf


def test_nothing_answered_is_infinite_and_nothing_sent_is_no_figure() -> None:
    assert figures(load([], failed=3))["latency_p50"] == math.inf
    assert figures(load([])) == {}


def test_latency_counts_from_the_intended_time_and_service_time_from_the_sent_one() -> None:
    intended = np.array([1_000], dtype=np.uint64)
    requests = Requests(
        intended,
        intended + np.uint64(700),
        intended + np.uint64(1_000),
        intended * 0,
        np.array([200], dtype=np.uint16),
        np.array([0], dtype=np.uint32),
    )
    found = figures(LoadResult(1, 0, 1.0, requests=requests))
    assert (found["latency_p50"], found["service_time_p50"]) == pytest.approx((1_000e-9, 300e-9), rel=PRECISION)


def test_the_histograms_of_blocks_can_be_added_up() -> None:
    whole = HdrHistogram(1, 3_600_000_000_000, 3)
    for latencies in ([100_000] * 3, [200_000] * 5):
        reading = METERS[0].open(None)  # type: ignore[arg-type] # no subject is read
        reading.metrics(load(latencies))
        whole.decode_and_add(reading.attachments()["histogram"])
    assert whole.total_count == 8
    assert whole.get_value_at_percentile(50) == pytest.approx(200_000, rel=PRECISION)


def test_a_load_that_logs_no_requests_is_refused() -> None:
    with pytest.raises(MeterError, match="logs no requests"):
        METERS[0].open(None).metrics(LoadResult(1, 0, 1.0))  # type: ignore[arg-type] # no subject is read
