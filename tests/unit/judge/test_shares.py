"""Exact tests of shares: what is as it should be is hardly ever found fault with, what is not is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from harness.judge.shares import FALSE_ALARM, LEVEL, TESTS, improbable, telling


def test_all_tests_of_a_run_together_are_wrong_less_than_once_in_a_million() -> None:
    assert LEVEL * TESTS <= FALSE_ALARM <= 1e-6


@settings(max_examples=20)
@given(times=st.integers(2, 200), share=st.floats(0.01, 0.99))
def test_a_right_share_is_found_fault_with_as_rarely_as_is_said(times: int, share: float) -> None:
    wrong = sum(float(binom.pmf(count, times, share)) for count in range(0, times + 1, 1) if _far(count, times, share))
    assert wrong <= LEVEL


def _far(count: int, times: int, share: float) -> bool:
    """Counts near the middle are not asked one by one."""
    return abs(count - times * share) > 2 and improbable(count, times, share) is not None


@pytest.mark.parametrize(
    ("count", "share", "found"), [(100, 0.25, False), (200, 0.25, True), (0, 0.25, True), (60, 0.25, False)]
)
def test_counts_are_compared_with_their_share(count: int, share: float, found: bool) -> None:
    assert (improbable(count, 400, share) is not None) is found


@pytest.mark.parametrize(
    ("shares", "times", "found"),
    [
        ((0.75, 0.25), 400, True),
        ((0.75, 0.25), 50, False),
        ((0.5, 0.5), 40, True),
        ((0.5, 0.5), 10, False),
        ((0.52, 0.48), 1000, False),
        ((0.6, 0.3, 0.1), 500, True),
    ],
)
def test_a_case_has_to_tell_shares_apart(shares: tuple[float, ...], times: int, found: bool) -> None:
    assert telling(shares, times) is found
