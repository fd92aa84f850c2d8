"""Intervals of many comparisons that hold all together.

A campaign compares hundreds of pairs of figures. Of as many intervals of 95 %, one in twenty would miss the truth, and a reader
would find an "effect" in each report. Here the whole family misses with the stated probability: Bonferroni's correction,
which asks nothing of how comparisons depend on one another.

Each interval is that of a trimmed mean of log ratios (a tenth of the blocks left out at each end), because the exact one of the
median reaches no such level with ten blocks, and because one disturbed block in ten is usual on a shared machine.
Source: J. W. Tukey and D. H. McLaughlin, Sankhya A 25 (1963), as in ``scipy.stats.mstats.trimmed_mean_ci``.
docs/decisions/0100-intervals-of-a-family.md has what else was tried.
"""

from collections.abc import Sequence
from math import exp, isfinite, nan

import numpy as np
from scipy.stats.mstats import trimmed_mean_ci

from harness.judge.interval import LEVEL, MINIMUM_BLOCKS, Interval, median_interval

TRIMMED = 0.1  # of the blocks, at each end


def simultaneous(comparisons: Sequence[Sequence[float]], level: float = LEVEL) -> list[Interval]:
    """For each comparison's block ratios the interval of the ratio; all of them hold together with confidence ``level``.

    ``comparisons`` has one sequence of ratios (not negative) for each comparison, of any lengths. Those with fewer blocks
    than six get an interval of NaN at level 0, and use up nothing of the family's error.
    """
    judged = sum(len(ratios) >= MINIMUM_BLOCKS for ratios in comparisons)
    each = 1 - (1 - level) / judged if judged else level
    return [_interval(ratios, each) for ratios in comparisons]


def _interval(ratios: Sequence[float], level: float) -> Interval:
    if len(ratios) < MINIMUM_BLOCKS:
        return Interval(median_interval(ratios).estimate, nan, nan, 0.0, len(ratios))
    if not all(isfinite(ratio) and ratio > 0 for ratio in ratios):  # unanswered requests: only ranks are known
        return median_interval(ratios, level)
    logs = np.log(np.asarray(ratios, dtype=float))
    low, high = trimmed_mean_ci(logs, limits=(TRIMMED, TRIMMED), alpha=1 - level)
    return Interval(exp((low + high) / 2), exp(low), exp(high), level, len(ratios))
