"""The search for a capacity, against a model of a server whose capacity is known: a queue that grows by what comes too fast."""

import math
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.bench import Search
from harness.traffic.knee_search import Found, Limit, Trial, search

GOAL = Search(percent=99, within=0.01, lowest=250, highest=80_000, trial=0.25, width=0.05)
OVERHEAD = 0.15  # seconds that a trial takes beside its own
PLENTY = 1000.0


@dataclass
class Server:
    """Serves ``knee`` requests a second; of those beyond, all wait that find a queue longer than the objective.

    ``noise``: deviation of the logarithm of what it serves, drawn for each trial. The generator is late above ``generator``.
    """

    knee: float
    noise: float = 0.0
    seed: int = 0
    generator: float = math.inf
    hiccups: int = 0  # trials, the first ones, in which the generator is late and half of all miss
    now: float = 0.0
    rates: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def trial(self, rate: float, seconds: float) -> Trial:
        self.now += seconds + OVERHEAD
        self.rates.append(rate)
        asked = int(rate * seconds)
        if len(self.rates) <= self.hiccups:
            return Trial(asked, asked // 2, late=True)
        served = min(self.knee * math.exp(self._random.gauss(0, self.noise)), self.generator)
        over = rate / served - 1
        share = 0.0 if over <= 0 else max(0.0, 1 - GOAL.within / (over * seconds))
        return Trial(asked, round(asked * share), late=rate > self.generator)

    def searched(self, seconds: float = PLENTY) -> Found:
        return search(GOAL, seconds, self.trial, lambda: self.now)


@settings(deadline=None, max_examples=60)
@given(knee=st.floats(min_value=260, max_value=70_000))
def test_a_capacity_is_found_to_the_width_that_was_asked_for(knee: float) -> None:
    found = Server(knee).searched()
    # A queue is allowed as long as the objective, so that a little more than the knee meets it within a short trial.
    most = knee * (1 + GOAL.within / (GOAL.trial * 0.99)) * 1.01
    assert found.limit is Limit.NONE
    assert found.lower is not None and found.upper is not None
    assert found.lower <= most
    assert found.upper >= knee
    assert found.upper - found.lower <= GOAL.width * found.upper * 1.01


def test_noise_moves_half_of_all_searches_by_less_than_the_noise_and_the_width_together() -> None:
    ends = [Server(9000, noise=0.05, seed=seed).searched().lower for seed in range(60)]
    off = sorted(abs(math.log((end or 0.1) / 9000)) for end in ends)
    assert off[len(off) // 2] < 0.05 + GOAL.width
    assert off[-1] < 5 * 0.05


def test_a_server_that_outdoes_the_search_has_at_least_its_highest_rate() -> None:
    found = Server(1e6).searched()
    assert (found.lower, found.upper, found.limit) == (pytest.approx(GOAL.highest), None, Limit.HIGHEST)


def test_all_rates_of_a_search_may_be_low() -> None:
    low = Search(percent=99, within=0.01, lowest=100, highest=2000, trial=0.25, width=0.05)
    server = Server(700)
    assert search(low, PLENTY, server.trial, lambda: server.now).lower == pytest.approx(700, rel=0.1)


def test_a_server_that_cannot_do_the_lowest_rate_has_no_lower_bound() -> None:
    found = Server(50).searched()
    assert found.lower is None
    assert found.limit is Limit.NONE


def test_where_the_generator_is_the_limit_the_capacity_is_at_least_what_it_could_do() -> None:
    server = Server(1e6, generator=20_000)
    found = server.searched()
    assert found.limit is Limit.GENERATOR
    assert found.upper is None
    assert found.lower is not None
    assert 0.9 * 20_000 < found.lower < 1.1 * 20_000
    assert found.void > 0


def test_the_generator_s_limit_is_not_the_plane_s_where_the_plane_s_is_lower() -> None:
    found = Server(5000, generator=20_000).searched()
    assert found.limit is Limit.NONE
    assert found.lower == pytest.approx(5000, rel=0.1)


def test_a_void_trial_is_repeated_once_and_counts_against_nobody() -> None:
    server = Server(1e6, hiccups=1)
    assert server.searched().limit is Limit.HIGHEST
    assert server.rates[0] == server.rates[1]


def test_a_search_whose_time_is_over_says_what_it_knows() -> None:
    whole = Server(9000)
    whole.searched()
    short = Server(9000)
    found = short.searched(whole.now * 0.8)
    assert short.now <= whole.now * 0.8
    assert found.limit is Limit.TIME
    assert found.lower is not None
    assert found.lower <= 9500


def test_a_search_without_time_for_one_trial_knows_nothing() -> None:
    found = Server(9000).searched(0.1)
    assert (found.lower, found.upper, found.limit, found.trials) == (None, None, Limit.TIME, 0)
