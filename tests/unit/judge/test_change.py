"""Changes between runs: what may be said of two sets of block values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.change import FEWEST, Change, Word, distance, intervals, own_floor

VALUES = st.lists(st.floats(0.1, 10), min_size=FEWEST, max_size=12)
FAMILY = st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4)


@given(FAMILY)
def test_runs_that_change_places_give_the_inverse(family: list[tuple[list[float], list[float]]]) -> None:
    for one, other in zip(intervals(family), intervals([(b, a) for a, b in family]), strict=True):
        assert one.estimate == pytest.approx(1 / other.estimate)
        assert (one.low, one.high) == pytest.approx((1 / other.high, 1 / other.low))
        words = [Change(each, 0.01).word(lower_is_better=True) for each in (one, other)]
        assert words in ([Word.SAME, Word.SAME], [Word.BETTER, Word.WORSE], [Word.WORSE, Word.BETTER])


@given(FAMILY)
def test_a_run_against_itself_has_no_change(family: list[tuple[list[float], list[float]]]) -> None:
    for found in intervals([(before, before) for before, _ in family]):
        assert found.estimate == pytest.approx(1)
        assert not Change(found, 0.0).beyond or found.estimate != 1  # rounding of an exact count is no effect
        assert Change(found, 1e-9).word(lower_is_better=True) is Word.SAME


@given(VALUES, VALUES, st.integers(1, 50))
def test_each_interval_is_wider_the_more_comparisons_there_are(before: list[float], after: list[float], others: int) -> None:
    (alone,) = intervals([(before, after)])
    among = intervals([(before, after)] * (1 + others))[0]
    assert among.low <= alone.low * (1 + 1e-12)
    assert among.high >= alone.high * (1 - 1e-12)


def test_no_more_false_differences_than_the_family_may_have() -> None:
    """40 comparisons in each of 200 pairs of equal runs: at most 5 %, and 18 with room for chance (binomial, 1 in 1,000)."""
    random = np.random.default_rng(5)
    wrong = 0
    for _ in range(200):
        family = [tuple(random.lognormal(0, 0.1, (2, 10)).tolist()) for _ in range(40)]
        wrong += any(Change(found, 0.0).beyond for found in intervals(family))
    assert wrong <= 21


def test_an_effect_must_be_beyond_the_noise_floor_too() -> None:
    random = np.random.default_rng(2)
    before = random.lognormal(0, 0.005, 10).tolist()
    (found,) = intervals([(before, [value * 1.1 for value in before])])
    assert Change(found, 0.05).word(lower_is_better=True) is Word.WORSE
    assert Change(found, 0.05).word(lower_is_better=False) is Word.BETTER
    assert Change(found, 0.12).word(lower_is_better=True) is Word.SAME
    assert Change(found, math.nan).word(lower_is_better=True) is Word.SAME


@pytest.mark.parametrize(
    ("before", "after", "estimate", "word"),
    [
        ([1.0] * 6, [math.inf] * 6, math.inf, Word.WORSE),
        ([math.inf] * 6, [1.0] * 6, 0.0, Word.BETTER),
        ([0.0] * 6, [1.0] * 6, math.inf, Word.WORSE),
        ([1.0] * 6, [0.0] * 6, 0.0, Word.BETTER),
        ([1.0] * 6, [1.0] * 4 + [math.inf] * 2, 1.0, Word.SAME),
        ([1.0] * 5, [math.inf] * 5, math.inf, Word.SAME),
        ([2.0] * 6, [2.0] * 6, 1.0, Word.SAME),
        ([2.0] * 6, [3.0] * 6, 1.5, Word.WORSE),
    ],
)
def test_what_never_comes_what_is_nothing_and_what_never_varies(
    before: list[float], after: list[float], estimate: float, word: Word
) -> None:
    (found,) = intervals([(before, after)])
    assert found.estimate == pytest.approx(estimate)
    assert Change(found, 0.01).word(lower_is_better=True) is word


def test_too_few_blocks_give_no_interval() -> None:
    (found,) = intervals([([1.0] * 5, [2.0] * 9)])
    assert (found.level, found.blocks, found.estimate) == (0.0, 5, 2.0)
    assert math.isnan(found.low)


def test_a_floor_of_ones_own_is_the_farthest_block() -> None:
    assert own_floor([1.0, 1.0, 1.0, 1.0, 1.0, 1.25]) == pytest.approx(0.25)
    assert own_floor([1.0, 1.0, 1.0, 1.0, 1.0, 0.8]) == pytest.approx(0.25)
    assert math.isnan(own_floor([1.0] * 5))


def test_distance_is_the_same_both_ways() -> None:
    assert distance(1.25) == pytest.approx(distance(0.8)) == pytest.approx(0.25)
    assert distance(0.0) == math.inf
