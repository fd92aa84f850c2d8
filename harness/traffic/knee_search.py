"""The highest rate at which an objective holds, by multiple loss ratio search. Pure: what a trial is, its caller says.

Source: draft-ietf-bmwg-mlrsearch, by its authors' package. What the draft calls a lost packet is here a request that missed the
objective, answered or not, so that the goal's loss ratio is the share of requests that may miss it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from harness.model.bench import Search

TRIALS_THAT_AGREE = 3  # at a rate, most of which decide whether it is a bound: one alone is a neighbour's whim
COARSER = 2  # searches before the last one, each twice as wide as the next, of single trials


class Limit(StrEnum):
    """What ended a search before its upper bound was known: the capacity is then at least what was found."""

    NONE = ""
    HIGHEST = "the objective held at the highest rate of the search"
    GENERATOR = "the generator itself did not keep up with higher rates"
    TIME = "its time was over"


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the requests that were meant to be sent. ``late``: the generator did not keep up, so misses may be its."""

    asked: int
    missed: int
    late: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A search's end. ``lower`` is the highest rate known to meet the objective, None where none is; ``upper`` the lowest above
    it known not to, None where the plane itself is not known to fail. ``trials`` counts all trials, ``void`` those that missed
    with a late generator.
    """

    lower: float | None
    upper: float | None
    limit: Limit
    trials: int
    void: int


class _TimeOver(Exception):
    pass


def search(goal: Search, seconds: float, trial: Callable[[float, float], Trial], clock: Callable[[], float]) -> Found:
    """Look for the capacity; ``trial(rate, seconds)`` offers a load. ``seconds`` bounds the whole by ``clock``.

    A trial that missed with a late generator is void and repeated once. If that one is void too, the search looks below,
    and what it finds right below such a rate is a capacity of at least that. What a trial raises goes through.
    """
    from MLRsearch import (  # noqa: PLC0415 -- only where a capacity is searched
        AbstractMeasurer,
        Config,
        MeasurementResult,
        MultipleLossRatioSearch,
        SearchGoal,
    )  # fmt: skip

    allowed = 1 - goal.percent / 100
    until = clock() + seconds
    counted = {"trials": 0, "void": 0}
    ceiling = inf  # the lowest rate that the generator did not keep up with
    limit = Limit.NONE

    class Measurer(AbstractMeasurer):  # type: ignore[misc] # the package has no types
        def measure(self, intended_duration: float, intended_load: float) -> object:
            nonlocal ceiling
            for attempt in range(2):
                if clock() + intended_duration > until:
                    raise _TimeOver
                done = trial(intended_load, intended_duration)
                counted["trials"] += 1
                if not (done.late and done.missed > allowed * done.asked):
                    break
                counted["void"] += 1
                if attempt or intended_load >= ceiling:
                    ceiling = min(ceiling, intended_load)
                    break
            return MeasurementResult(intended_duration, intended_load, offered_count=done.asked, loss_count=done.missed)

    config = Config()
    config.goals = [
        SearchGoal(
            loss_ratio=allowed, exceed_ratio=0.5, relative_width=goal.width, initial_trial_duration=goal.trial,
            final_trial_duration=goal.trial, duration_sum=TRIALS_THAT_AGREE * goal.trial, preceding_targets=COARSER,
            fail_fast=False,
        )
    ]  # fmt: skip
    config.min_load = goal.lowest  # first, as its default is above many a highest
    config.max_load = goal.highest
    config.search_duration_max = 10 * seconds + 3600  # the clock above ends the search, and keeps what it found
    config.warmup_duration = None
    searching = MultipleLossRatioSearch(config)
    try:
        searching.search(Measurer(), debug=lambda _: None)
    except _TimeOver:
        limit = Limit.TIME
    (target,) = searching.scaling.goal_to_final_target.values()
    bounds = searching.database.get_relevant_bounds(target=target)
    while bounds.clo is None and limit is not Limit.NONE and target.preceding:  # a coarser search knows more than none
        target = target.preceding
        bounds = searching.database.get_relevant_bounds(target=target)
    lower, upper = (None if bound is None else float(bound) for bound in (bounds.clo, bounds.chi))
    if limit is Limit.NONE and upper is None:
        limit = Limit.HIGHEST
    if upper is not None and upper >= ceiling:
        upper, limit = None, limit or Limit.GENERATOR
    return Found(lower, upper, limit, counted["trials"], counted["void"])
