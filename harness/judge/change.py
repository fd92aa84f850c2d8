"""How far a figure moved from one run to another, of which nothing is paired: two sets of block values, and an interval.

All comparisons of two runs are judged together: with hundreds of them, some would differ by chance at any level of their
own. Decision 0108 has what else was tried.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, inf, isnan, nan

import numpy as np
from scipy.stats import ttest_ind

from harness.judge.interval import Interval

FAMILY = 0.95
FEWEST = 6  # blocks of either run, as of every interval here

Values = Sequence[float]


class Word(StrEnum):
    """What may be said of a change."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "not distinguishable"


@dataclass(frozen=True, slots=True)
class Change:
    """How many times ``before`` a figure is; ``interval`` is one of a family that all hold together with FAMILY.

    ``floor``: what the figure differs by from itself, as a distance from 1; NaN where it is not known.
    """

    interval: Interval
    floor: float

    @property
    def beyond(self) -> bool:
        """Whether it is an effect: the interval leaves out 1, and the change is larger than the noise floor.

        ``1 / 1.05`` is as far as ``1.05`` is, so that the two runs may change places. From something to nothing at all, or to
        a wait without an end, in every block, is an effect without an interval.
        """
        found = self.interval
        if found.estimate in (0, inf):
            return found.blocks >= FEWEST
        if not found.level or isnan(self.floor) or found.low <= 1 <= found.high:
            return False
        return distance(found.estimate) > self.floor

    def word(self, *, lower_is_better: bool) -> Word:
        """Better, worse, or not to be told from no change."""
        if not self.beyond:
            return Word.SAME
        return Word.BETTER if (self.interval.estimate < 1) == lower_is_better else Word.WORSE


def distance(ratio: float) -> float:
    """How far a positive ratio is from 1, the same for its inverse: 0.05 of both 1.05 and 1/1.05."""
    return inf if ratio in (0, inf) else max(ratio, 1 / ratio) - 1


def intervals(comparisons: Sequence[tuple[Values, Values]]) -> list[Interval]:
    """For each (before, after), both by block, the ratio after/before of their geometric means, and its interval.

    Welch's t on logarithms, with the level shared out among all comparisons (Bonferroni), so that all intervals hold
    together with FAMILY whatever hangs together among them. ``blocks`` is of the run that has fewer. NaN and level 0 where
    a run has under FEWEST, or a value of which there is no logarithm: 0, or a wait without an end.
    """
    usable = [
        min(len(before), len(after)) >= FEWEST and _positive(before) and _positive(after) for before, after in comparisons
    ]
    level = 1 - (1 - FAMILY) / max(1, sum(usable))
    return [
        _welch(before, after, level) if good else Interval(_plain(before, after), nan, nan, 0.0, min(len(before), len(after)))
        for (before, after), good in zip(comparisons, usable, strict=True)
    ]


def own_floor(values: Values) -> float:
    """What a figure that the control has none of differs by from itself: how far any block is from the median of all.

    Each block is an attachment of its own, so this is no less than what two of them differ by. NaN with too few blocks.
    """
    if len(values) < FEWEST or not _positive(values):
        return nan
    middle = float(np.median(values))
    return max(distance(value / middle) for value in values)


def _positive(values: Values) -> bool:
    found = np.asarray(values, dtype=float)
    return bool(np.all(np.isfinite(found) & (found > 0)))


def _plain(before: Values, after: Values) -> float:
    """The ratio of medians, where no interval can be had. 0 and infinity only where every block of a run is one of them."""
    if not len(before) or not len(after):
        return nan
    for old, new, found in ((before, after, inf), (after, before, 0.0)):
        if (_all(new, inf) and _positive(old)) or (_all(old, 0.0) and _positive(new)):
            return found
    below, above = float(np.median(before)), float(np.median(after))
    return above / below if 0 < below < inf and 0 < above < inf else nan


def _all(values: Values, wanted: float) -> bool:
    return all(value == wanted for value in values)


def _welch(before: Values, after: Values, level: float) -> Interval:
    old, new = np.log(np.asarray(before, dtype=float)), np.log(np.asarray(after, dtype=float))
    moved = float(new.mean() - old.mean())
    blocks = min(len(old), len(new))
    if np.ptp(old) == 0 and np.ptp(new) == 0:  # counts that never vary: nothing is uncertain
        return Interval(exp(moved), exp(moved), exp(moved), level, blocks)
    with warnings.catch_warnings():
        # Counts that hardly vary: SciPy doubts the last digits of their variance, which no interval here shows
        warnings.filterwarnings("ignore", message="Precision loss", category=RuntimeWarning)
        found = ttest_ind(new, old, equal_var=False).confidence_interval(level)
    return Interval(exp(moved), exp(float(found.low)), exp(float(found.high)), level, blocks)
