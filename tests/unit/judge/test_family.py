from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.family import simultaneous
from harness.judge.interval import median_interval

ratio = st.floats(1e-3, 1e3)


@given(st.lists(st.lists(ratio, min_size=6, max_size=20), min_size=1, max_size=6))
def test_more_comparisons_never_narrow_an_interval(comparisons: list[list[float]]) -> None:
    alone = [simultaneous([each])[0] for each in comparisons]
    together = simultaneous(comparisons)
    for one, other in zip(alone, together, strict=True):
        assert other.low <= one.low * (1 + 1e-9)
        assert other.high >= one.high * (1 - 1e-9)


@given(st.lists(ratio, min_size=6, max_size=20))
def test_a_pair_the_other_way_round_has_the_inverted_interval(ratios: list[float]) -> None:
    (one,), (other,) = simultaneous([ratios]), simultaneous([[1 / each for each in ratios]])
    assert (other.low, other.high) == pytest.approx((1 / one.high, 1 / one.low))


def test_all_intervals_of_a_family_hold_together_as_often_as_they_say() -> None:
    generator = np.random.default_rng(3)
    truth = 1.3
    held = 0
    for _ in range(200):
        noise = generator.laplace(scale=0.05, size=(40, 10))  # heavier tails than a normal distribution's
        held += all(found.low <= truth <= found.high for found in simultaneous(truth * np.exp(noise)))
    assert held >= 200 * 0.95 - 10  # three standard deviations of what 95 % of 200 are


def test_without_the_correction_a_campaign_would_find_effects_that_are_not_there() -> None:
    generator = np.random.default_rng(4)
    alone = 0
    for _ in range(50):
        ratios = np.exp(generator.normal(scale=0.05, size=(100, 10)))
        alone += any(not found.low <= 1 <= found.high for found in map(median_interval, ratios))
    assert alone > 40


def test_too_few_blocks_have_no_interval_and_use_up_nothing() -> None:
    wide = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02]
    few, enough = simultaneous([[1.0, 1.1], wide])
    assert isnan(few.low)
    assert few.level == 0
    assert (enough.low, enough.high) == (simultaneous([wide])[0].low, simultaneous([wide])[0].high)


def test_unanswered_requests_leave_an_interval_of_ranks() -> None:
    found = simultaneous([[2.0, 2.1, 2.2, inf, inf, inf, inf]])[0]
    assert (found.low, found.estimate, found.high) == (2.0, inf, inf)
