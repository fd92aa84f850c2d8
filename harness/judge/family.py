"""Intervals of many comparisons that hold all together."""

from collections.abc import Sequence
from math import exp, isfinite, nan

import numpy as np
from scipy.stats import t

from harness.judge.interval import LEVEL, Interval, median_interval

MINIMUM_BLOCKS = 6


def simultaneous(comparisons: Sequence[Sequence[float]], level: float = LEVEL) -> list[Interval]:
    """For each comparison's block ratios the interval of the ratio; all of them hold together with confidence ``level``."""
    each = 1 - (1 - level) / max(len(comparisons), 1)
    return [_interval(ratios, each) for ratios in comparisons]


def _interval(ratios: Sequence[float], level: float) -> Interval:
    if len(ratios) < MINIMUM_BLOCKS or not all(isfinite(ratio) and ratio > 0 for ratio in ratios):
        return Interval(median_interval(ratios).estimate, nan, nan, 0.0, len(ratios))
    logs = np.log(np.asarray(ratios, dtype=float))
    middle, error = float(logs.mean()), float(logs.std(ddof=1)) / len(logs) ** 0.5
    half = float(t.ppf((1 + level) / 2, len(logs) - 1)) * error
    return Interval(exp(middle), exp(middle - half), exp(middle + half), level, len(ratios))
