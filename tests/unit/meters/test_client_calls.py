"""The calls of a client joined to requests, and three clocks compared; no kernel is asked."""

from dataclasses import replace

import numpy as np
import pytest

from harness.meters.client_calls import Call, sightings
from harness.meters.port import MeterError
from harness.meters.three_clocks import LIMIT, Clocks, agree, aligned, percentiles, pooled, ratios
from harness.traffic.generator import RECORD, Run
from harness.traffic.sightings import Sightings

OFFSET = 1_000_000_000_000  # ns: CLOCK_REALTIME is ahead


def send(time: int, fd: int, number: int) -> Call:
    return Call(time, fd, b"\r\nx-request-id: %010d\r\n\r\n" % number)


def receive(time: int, fd: int) -> Call:
    return Call(time, fd, b"")


def spans(*calls: Call) -> dict[int, tuple[int, int]]:
    seen = sightings(calls)
    return {int(n): (int(a), int(b)) for n, a, b in zip(seen.number, seen.asked, seen.answered, strict=True)}


def test_a_request_lasts_from_its_send_to_the_last_receive_before_the_next_one() -> None:
    assert spans(send(1, 5, 0), receive(4, 5), receive(7, 5), send(9, 5, 1), receive(12, 5)) == {0: (1, 7), 1: (9, 12)}


def test_answers_are_told_apart_by_descriptor() -> None:
    assert spans(send(1, 5, 0), send(2, 6, 1), receive(3, 6), receive(8, 5)) == {0: (1, 8), 1: (2, 3)}


def test_a_descriptor_that_is_used_again_has_the_next_number() -> None:
    assert spans(send(1, 5, 0), send(20, 5, 9), receive(30, 5)) == {9: (20, 30)}


def test_sends_without_a_number_are_no_answers() -> None:
    assert spans(receive(1, 5), send(2, 5, 0), receive(3, 5), Call(5, 5, b"x" * 32)) == {0: (2, 3)}


COUNT, FIRST = 1000, 100
SENT = np.arange(COUNT, dtype=np.int64) * 1_000_000 + 50


def a_run() -> Run:
    """Requests of 40 to 140 µs; the last one was not answered."""
    records = np.zeros(COUNT, dtype=RECORD)
    records["sent"] = SENT
    records["done"] = SENT + 40_000 + np.arange(COUNT) * 100
    records["done"][-1] = 0
    return Run(records, FIRST, 0, 0, 0)


def observed(out: int, back: int, offset: int = 0, late: int = 0) -> Sightings:
    """By who sees requests ``out`` ns after the generator sent them, and answers ``back`` ns before it has them."""
    done = SENT + 40_000 + np.arange(COUNT) * 100
    return Sightings(np.arange(COUNT), SENT + out + offset + late, done - back + offset + late)


def three_clocks(late: int = 0) -> Clocks:
    return aligned(a_run(), observed(300, 200, late=late), observed(5_000, 15_000, OFFSET), OFFSET)


def test_the_measured_answered_requests_stand_side_by_side() -> None:
    clocks = three_clocks()
    assert len(clocks.sent) == COUNT - FIRST - 1
    assert (clocks.generator - clocks.calls == 500).all()
    assert (clocks.generator - clocks.interface == 20_000).all()
    assert (clocks.asked - clocks.entered == 4_700).all()
    assert clocks.astray(0) == 0


def test_the_legs_and_the_interface_make_up_the_calls_of_each_request() -> None:
    clocks = three_clocks()
    assert ((clocks.asked - clocks.entered) + clocks.interface + (clocks.left - clocks.answered) == clocks.calls).all()


def test_a_generator_that_stops_its_clock_early_is_found() -> None:
    run = a_run()
    run.records["done"][: COUNT - 1] -= 1_000
    clocks = aligned(run, observed(300, 200), observed(5_000, 15_000, OFFSET), OFFSET)
    assert clocks.astray(0) == len(clocks.sent)


def test_calls_and_packets_of_other_requests_are_found() -> None:
    calls = observed(300, 200)
    shifted = replace(calls, asked=np.roll(calls.asked, 1), answered=np.roll(calls.answered, 1))
    clocks = aligned(a_run(), shifted, observed(5_000, 15_000, OFFSET), OFFSET)
    assert clocks.astray(1_000) == len(clocks.sent)
    packets = observed(5_000, 15_000, OFFSET)
    shifted = replace(packets, asked=np.roll(packets.asked, 1), answered=np.roll(packets.answered, 1))
    clocks = aligned(a_run(), calls, shifted, OFFSET)
    assert clocks.astray(1_000) == len(clocks.sent)


def test_only_times_of_day_have_slack() -> None:
    clocks = aligned(a_run(), observed(300, 200), observed(5_000, 15_000, OFFSET), OFFSET + 5_200)
    assert clocks.astray(0) == len(clocks.sent)
    assert clocks.astray(500) == 0
    assert three_clocks(late=201).astray(1 << 40) == COUNT - FIRST - 1


@pytest.mark.parametrize("where", ["calls", "interface"])
def test_an_observer_that_missed_an_answered_request_is_refused(where: str) -> None:
    calls, packets = observed(300, 200), observed(5_000, 15_000, OFFSET)
    one_less = np.delete(np.arange(COUNT), 500)

    def without(seen: Sightings) -> Sightings:
        return Sightings(seen.number[one_less], seen.asked[one_less], seen.answered[one_less])

    if where == "calls":
        calls = without(calls)
    else:
        packets = without(packets)
    with pytest.raises(MeterError, match=rf"1 of 899 answered requests were not seen at the {where}, first number 500"):
        aligned(a_run(), calls, packets, OFFSET)


def test_an_observer_may_miss_what_is_not_measured() -> None:
    rest = np.arange(FIRST, COUNT - 1)
    calls, packets = observed(300, 200), observed(5_000, 15_000, OFFSET)
    seen = [Sightings(each.number[rest], each.asked[rest], each.answered[rest]) for each in (calls, packets)]
    assert len(aligned(a_run(), seen[0], seen[1], OFFSET).sent) == len(rest)


def test_clocks_agree_up_to_two_per_cent_at_every_percentile_either_way() -> None:
    times = np.full(2_000, 100_000, dtype=np.int64)
    assert agree(times + 1_990, times)
    assert agree(times - 1_990, times)
    assert not agree(times + 2_100, times)
    assert not agree(times - 2_100, times)
    tail = times.copy()
    tail[:3] += 50_000
    assert ratios(tail, times) == {"p50": 1.0, "p99": 1.0, "p99.9": pytest.approx(1.5, abs=0.01)}
    assert not agree(tail, times)
    assert LIMIT == 0.02


def test_percentiles_are_in_microseconds() -> None:
    assert percentiles(np.arange(1_001) * 1_000) == pytest.approx({"p50": 500, "p99": 990, "p99.9": 999})


def test_pooled_loads_are_as_one() -> None:
    clocks = three_clocks()
    both = pooled([clocks, clocks])
    assert (both.generator == np.tile(clocks.generator, 2)).all()
    assert (both.left == np.tile(clocks.left, 2)).all()
