"""Whether a target is reached."""

from dataclasses import dataclass
from enum import StrEnum
from math import nan

from harness.judge.noise import NoiseFloor
from harness.model.result import Estimate
from harness.model.target import Target

MARGIN_SHARE = 1 / 3  # a noise floor over this share of a target's margin (its distance from 1) decides nothing


class Outcome(StrEnum):
    """What became of a target."""

    REACHED = "reached"  # the whole interval is on the good side
    NOT_REACHED = "not reached"  # the whole interval is on the bad side
    INCONCLUSIVE = "inconclusive"  # the interval spans the bound, or the noise is too high for this bound
    VOID = "void"  # no block counts, or too few for an interval


@dataclass(frozen=True, slots=True)
class Judged:
    """A target with what was measured."""

    target: Target
    estimate: float
    low: float
    high: float
    level: float
    floor: float
    outcome: Outcome


def judge(target: Target, ratio: Estimate | None, floor: NoiseFloor | None) -> Judged:
    """Compare one target with the paired ratio and the noise floor of its cell."""
    noise = floor.floor if floor else nan
    if ratio is None or not ratio.level:
        found = (ratio.estimate, ratio.low, ratio.high, ratio.level) if ratio else (nan, nan, nan, 0.0)
        return Judged(target, *found, noise, Outcome.VOID)
    if target.direction == "at most":
        reached, missed = ratio.high <= target.bound, ratio.low > target.bound
    else:
        reached, missed = ratio.low >= target.bound, ratio.high < target.bound
    outcome = Outcome.REACHED if reached else Outcome.NOT_REACHED if missed else Outcome.INCONCLUSIVE
    if not noise <= MARGIN_SHARE * abs(target.bound - 1):  # also where the floor is not known
        outcome = Outcome.INCONCLUSIVE
    return Judged(target, ratio.estimate, ratio.low, ratio.high, ratio.level, noise, outcome)
