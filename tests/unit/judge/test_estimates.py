import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.estimates import Pair, Place, absolute, across, ratios
from harness.judge.interval import median_interval
from harness.judge.noise import NoiseFloor, noise_floors
from harness.judge.targets import Outcome, judge
from harness.model.origin import Origin
from harness.model.result import Estimate
from harness.model.target import Target

finite = st.floats(1e-9, 1e9)


def figures(arms: Mapping[str, Sequence[float]], void: Mapping[int, str] | None = None) -> pd.DataFrame:
    rows = [
        (block, "http", "latency", arm, arm.partition("#")[0], "latency_p50", "", "s", value, (void or {}).get(block))
        for arm, values in arms.items()
        for block, value in enumerate(values, 1)
    ]
    columns = ["block", "scenario", "load", "arm", "dataplane", "metric", "component", "unit", "value", "void"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(("blocks", "low", "high", "level"), [(6, 1, 6, 0.96875), (12, 3, 10, 0.9614), (9, 2, 8, 0.9609)])
def test_the_interval_is_that_of_the_order_statistics(blocks: int, low: int, high: int, level: float) -> None:
    found = median_interval([float(value) for value in range(1, blocks + 1)])
    assert (found.low, found.high) == (low, high)
    assert found.level == pytest.approx(level, abs=1e-4)


def test_fewer_than_six_blocks_give_no_interval() -> None:
    found = median_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.estimate == 3.0
    assert math.isnan(found.low)
    assert found.level == 0


@given(st.lists(finite, min_size=6, max_size=30))
def test_the_interval_holds_the_median_and_reaches_its_level(values: list[float]) -> None:
    found = median_interval(values)
    assert found.low <= found.estimate <= found.high
    assert found.estimate == pytest.approx(float(np.median(values)))
    assert 0.95 <= found.level <= 1


def test_the_interval_covers_the_true_median_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    draws = generator.exponential(size=(4000, 6))  # skewed, as latencies are; its median is log 2
    covered = sum(found.low <= math.log(2) <= found.high for found in map(median_interval, draws))
    assert covered / 4000 == pytest.approx(0.969, abs=0.01)


def test_unanswered_requests_make_infinite_figures_not_errors() -> None:
    found = median_interval([1.0, 1.0, 1.0, 1.0, math.inf, math.inf])
    assert found.estimate == 1.0
    assert found.high == math.inf


def test_ratios_are_taken_within_blocks() -> None:
    # the machine got ten times slower from block to block; the ratio within each stayed 2
    values = [10.0**block for block in range(6)]
    table = figures({"plain": values, "ebpf": [2 * v for v in values]})
    found = next(iter(ratios(table, [Pair("ebpf", "plain", None)]))).estimate
    assert (found.estimate, found.low, found.high) == pytest.approx((2, 2, 2))
    assert found.blocks == 6


def test_a_block_in_which_one_plane_never_answered_counts_in_both_directions() -> None:
    table = figures({"ebpf": [2.0] * 6, "sidecar": [math.inf, *[4.0] * 5]})
    pairs = [Pair("ebpf", "sidecar", True), Pair("sidecar", "ebpf", True)]
    over, under = (each.estimate for each in ratios(table, pairs))
    assert (over.low, over.estimate, over.high, over.blocks) == (0.0, 0.5, 0.5, 6)
    assert (under.low, under.estimate, under.high, under.blocks) == (2.0, 2.0, math.inf, 6)


def test_a_void_block_enters_no_estimate_and_is_counted() -> None:
    table = figures({"plain": [1.0] * 7, "ebpf": [2.0] * 6 + [99.0]}, void={7: "late"})
    found = {row.dataplane: row for row in absolute(table)}
    assert found["ebpf"].high == 2.0
    assert (found["ebpf"].blocks, found["ebpf"].void) == (6, 1)


def test_the_control_of_a_ratio_is_the_mean_of_its_two_arms() -> None:
    table = figures({"plain": [1.0] * 6, "plain#2": [3.0] * 6, "ebpf": [4.0] * 6})
    found = next(iter(ratios(table, [Pair("ebpf", "plain", None)]))).estimate
    assert found.estimate == 2.0


def test_the_noise_floor_of_six_blocks_is_their_most_extreme_ratio() -> None:
    table = figures({"plain": [1.0] * 6, "plain#2": [1.0, 1.01, 0.96, 1.02, 1.0, 0.99]})
    floor = next(iter(noise_floors(table, "plain", "plain#2")))
    assert floor.floor == pytest.approx(0.04)


def ratio(estimate: float, low: float, high: float, level: float = 0.97) -> Estimate:
    return Estimate("http/latency", "http", "ebpf", "latency_p50", "ratio", estimate, low, high, level, "plain", 6, 0)


def target(direction: str, bound: float) -> Target:
    return Target("T", "", Origin("t.yaml", 1), "http", "latency", "latency_p50", "ebpf", "plain", direction, bound, False)  # type: ignore[arg-type] # direction comes from a parameter list


@pytest.mark.parametrize(
    ("direction", "bound", "found", "floor", "outcome"),
    [
        ("at most", 0.5, ratio(0.4, 0.3, 0.5), 0.05, Outcome.REACHED),
        ("at most", 0.5, ratio(0.4, 0.3, 0.51), 0.05, Outcome.INCONCLUSIVE),
        ("at most", 0.5, ratio(0.6, 0.51, 0.7), 0.05, Outcome.NOT_REACHED),
        ("at least", 1.4, ratio(1.8, 1.4, 2.0), 0.05, Outcome.REACHED),
        ("at least", 1.4, ratio(1.2, 1.1, 1.39), 0.05, Outcome.NOT_REACHED),
        ("at most", 0.5, ratio(0.4, 0.3, 0.5), 0.17, Outcome.INCONCLUSIVE),
        ("at most", 0.5, ratio(0.4, 0.3, 0.5), math.nan, Outcome.INCONCLUSIVE),
        ("at most", 0.5, ratio(0.4, math.nan, math.nan, 0.0), 0.05, Outcome.VOID),
    ],
)
def test_a_target_is_reached_only_if_its_whole_interval_is_and_the_noise_allows(
    direction: str, bound: float, found: Estimate, floor: float, outcome: Outcome
) -> None:
    noise = NoiseFloor("http", "latency", "latency_p50", floor, 0.97)
    assert judge(target(direction, bound), found, noise).outcome is outcome


def test_a_target_without_measurements_is_void() -> None:
    assert judge(target("at most", 0.5), None, None).outcome is Outcome.VOID


def in_scenario(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(scenario=name)


def test_a_plane_is_compared_with_itself_in_another_scenario_block_by_block() -> None:
    one, thousand = figures({"ebpf": [1.0, 2.0, 4.0, 8.0, 1.0, 2.0]}), figures({"ebpf": [1.1, 2.4, 4.0, 8.0, 1.3, 2.2]})
    both = pd.concat([in_scenario("one", one), in_scenario("thousand", thousand)])
    found = across(both, Place("thousand", "latency", "ebpf"), Place("one", "latency", "ebpf"), "latency_p50", True)
    assert found is not None
    assert (found.low, found.high, found.blocks) == (1.0, 1.3, 6)
    assert found.estimate == pytest.approx(1.1)
    assert (found.cell, found.dataplane, found.against, found.equal_features) == ("thousand/latency", "ebpf", "ebpf", True)


def test_a_block_that_is_void_in_either_scenario_does_not_count_across() -> None:
    one = figures({"ebpf": [1.0] * 7}, void={1: "late"})
    thousand = figures({"ebpf": [2.0] * 7}, void={2: "late"})
    both = pd.concat([in_scenario("one", one), in_scenario("thousand", thousand)])
    found = across(both, Place("thousand", "latency", "ebpf"), Place("one", "latency", "ebpf"), "latency_p50", None)
    assert found is not None
    assert (found.blocks, found.void) == (5, 2)


def test_nothing_is_said_across_where_no_block_has_both() -> None:
    rows = figures({"ebpf": [1.0] * 6})
    assert across(rows, Place("http", "latency", "ebpf"), Place("none", "latency", "ebpf"), "latency_p50", None) is None


def test_two_planes_of_one_cell_are_compared_in_either_order() -> None:
    both = in_scenario("one", figures({"ebpf": [1.0, 2.0, 4.0, 8.0, 1.0, 2.0], "sidecar": [10.0, 20.0, 50.0, 80.0, 5.0, 20.0]}))
    mine, theirs = Place("one", "latency", "ebpf"), Place("one", "latency", "sidecar")
    found, turned = (across(both, *pair, "latency_p50", True) for pair in ((mine, theirs), (theirs, mine)))
    assert found is not None and turned is not None
    assert (found.low, found.estimate, found.high) == pytest.approx((1 / turned.high, 1 / turned.estimate, 1 / turned.low))
    assert (found.dataplane, found.against) == ("ebpf", "sidecar")
