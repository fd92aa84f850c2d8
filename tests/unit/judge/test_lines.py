"""Lines through repeated measurements: what they recover, how sure they are, and when they say that there is none."""

import math
import random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.judge.lines import LEVEL, line_through

POINTS = (2.0, 10.0, 20.0, 40.0)


def noisy(intercept: float, slope: float, spread: float, seed: int, repeats: int = 3) -> dict[float, list[float]]:
    chance = np.random.default_rng(seed)
    return {x: [intercept + slope * x + spread * float(chance.standard_normal()) for _ in range(repeats)] for x in POINTS}


def test_both_ends_of_a_noisy_line_are_inside_their_intervals_and_so_is_the_line_at_every_point():
    line = line_through(noisy(50.0, 20.0, 2.0, seed=7))
    assert line.slope_low < 20 < line.slope_high
    assert line.intercept_low < 50 < line.intercept_high
    assert line.line
    assert line.points == 12
    assert all(low < 50 + 20 * x < high for x, low, high in line.band)
    assert {x for x, _, _ in line.band} >= {0.0, *POINTS}


def test_intervals_hold_the_truth_as_often_as_they_say():
    lines = [line_through(noisy(50.0, 20.0, 5.0, seed)) for seed in range(600)]
    for low, high, truth in (("slope_low", "slope_high", 20.0), ("intercept_low", "intercept_high", 50.0)):
        held = sum(getattr(line, low) <= truth <= getattr(line, high) for line in lines) / len(lines)
        assert LEVEL - 0.03 < held < LEVEL + 0.03


def test_the_band_at_zero_is_the_interval_of_the_intercept():
    line = line_through(noisy(50.0, 20.0, 5.0, seed=3))
    assert line.band[0] == pytest.approx((0.0, line.intercept_low, line.intercept_high))


def test_a_curve_is_no_line_and_its_worst_point_is_named():
    line = line_through({x: [x * x, x * x + 1, x * x - 1] for x in (10.0, 20.0, 40.0, 80.0)})
    assert not line.line
    assert line.residual_at == 10.0
    assert line.residual_share > 1
    assert line.residual_max > 0  # the line passes below the curve's lower end


def test_a_point_eleven_per_cent_off_breaks_the_line_and_one_nine_per_cent_off_does_not():
    def bent(by: float) -> dict[float, list[float]]:
        # 100 at both ends and (1 + by) * 100 in the middle: the line lies a third of the bend above the ends
        return {0.0: [100.0] * 3, 1.0: [100.0 * (1 + by)] * 3, 2.0: [100.0] * 3}

    assert line_through(bent(0.16)).residual_share == pytest.approx(0.092, abs=0.001)
    assert line_through(bent(0.16)).line
    assert line_through(bent(0.20)).residual_share == pytest.approx(0.111, abs=0.001)
    assert not line_through(bent(0.20)).line


def test_what_is_always_the_same_has_a_slope_of_nothing_without_doubt():
    line = line_through({x: [48.0] * 3 for x in POINTS})
    assert (line.slope, line.slope_low, line.slope_high) == (0, 0, 0)
    assert (line.intercept_low, line.intercept_high) == (48, 48)
    assert line.line
    assert line_through({x: [0.0] * 3 for x in POINTS}).line


def test_two_points_are_no_line_whatever_they_are():
    line = line_through({2.0: [1.0, 1.1], 6.0: [3.0, 3.1]})
    assert line.level == LEVEL
    assert not line.line


@pytest.mark.parametrize(
    "values", [{}, {2.0: [1.0, 2.0, 3.0]}, {2.0: [1.0], 4.0: [2.0]}, {2.0: [math.inf] * 3, 4.0: [1.0, 2.0]}]
)
def test_too_few_figures_give_no_line(values: dict[float, list[float]]):
    line = line_through(values)
    assert line.level == 0
    assert math.isnan(line.slope)
    assert not line.line


@given(
    intercept=st.floats(-1e9, 1e9, allow_subnormal=False),
    slope=st.floats(-1e6, 1e6, allow_subnormal=False),
    xs=st.lists(st.integers(0, 500_000), min_size=3, max_size=8, unique=True),
)
def test_points_on_a_line_give_that_line_back(intercept: float, slope: float, xs: list[int]):
    values = {float(x): [intercept + slope * x] * 2 for x in xs}
    largest = max(abs(y) for some in values.values() for y in some)
    assume(largest == 0 or min(abs(y) for some in values.values() for y in some) > 1e-3 * largest)
    line = line_through(values)
    spread = max(xs) - min(xs)
    assert line.slope == pytest.approx(slope, rel=1e-6, abs=1e-6 * (largest or 1) / spread)
    assert line.intercept == pytest.approx(intercept, rel=1e-6, abs=1e-6 * (largest or 1) * max(1, max(xs) / spread))
    assert line.line


@given(st.integers(0, 10_000))
def test_the_order_of_repeats_and_points_changes_nothing(seed: int):
    values = noisy(5.0, 1.0, 1.0, seed)
    chance = random.Random(seed)
    mixed = {x: chance.sample(values[x], len(values[x])) for x in chance.sample(list(values), len(values))}
    one, other = line_through(values), line_through(mixed)
    assert one.slope == pytest.approx(other.slope)
    assert one.residual_at == other.residual_at
