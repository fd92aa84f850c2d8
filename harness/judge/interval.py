"""The median of blocks and its exact interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isinf, nan

import numpy as np
from scipy.stats import binom, quantile_test

LEVEL = 0.95

MINIMUM_BLOCKS = 6
"""Fewer have no interval of 95 % for a median, whatever the distribution."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A median over ``blocks`` and the interval that holds the true one with confidence ``level``.

    With fewer blocks than the level takes (six for ``LEVEL``), ``low`` and ``high`` are NaN and ``level`` is 0.
    """

    estimate: float
    low: float
    high: float
    level: float
    blocks: int


def median_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Median and its order-statistic interval of at least ``level``, whatever the distribution.

    Source: W. J. Conover, Practical Nonparametric Statistics (3rd ed.), section 3.2, as in ``scipy.stats.quantile_test``.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    count = len(ordered)
    if count == 0:
        return Interval(nan, nan, nan, 0.0, 0)
    # ranks, not values, decide the interval; with infinite values (unanswered requests) only ranks can be tested
    ranks = quantile_test(np.arange(count, dtype=float), q=(count - 1) / 2, p=0.5).confidence_interval(level)
    middle = _median(ordered)
    if np.isnan(ranks.low) or np.isnan(ranks.high):
        return Interval(middle, nan, nan, 0.0, count)
    low, high = int(ranks.low), int(ranks.high)
    reached = float(binom.cdf(high, count, 0.5) - binom.cdf(low, count, 0.5))
    return Interval(middle, float(ordered[low]), float(ordered[high]), reached, count)


def _median(ordered: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    return inf if any(isinf(value) for value in middle) else float(middle.mean())
