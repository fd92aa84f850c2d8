"""Whether answers come about as often as they should: exact binomial tests at an error rate that no run uses up."""

from functools import lru_cache

from scipy.stats import binom, binomtest

FALSE_ALARM = 1e-6
"""How likely a run may be to find fault with shares that are right, all its tests together."""

TESTS = 10_000
"""How many tests of shares a run has at most: several times what all shipped cases on all data planes have."""

LEVEL = FALSE_ALARM / TESTS
"""That of one test (Bonferroni's correction, which asks nothing of how tests depend on one another)."""

OVERLOOKED = 1e-3
"""How likely a case may be to overlook that all answers have the same share, where they should not."""


@lru_cache(maxsize=4096)
def improbable(count: int, times: int, share: float) -> float | None:
    """How likely a count as far from its share is, if it is below what a test allows for; else None."""
    found = float(binomtest(count, times, share).pvalue)
    return found if found < LEVEL else None


def telling(shares: tuple[float, ...], times: int) -> bool:
    """Whether ``times`` requests tell ``shares`` from equal ones; equal ones from all requests going one way."""
    equal = 1 / len(shares)
    if all(abs(share - equal) < equal / 1000 for share in shares):
        return improbable(times, times, equal) is not None
    return min(_overlooking(share, times, equal) for share in shares) < OVERLOOKED


def _overlooking(share: float, times: int, instead: float) -> float:
    """How likely a count is allowed for, where its share is another one instead."""
    low, high = (int(binom.ppf(at, times, share)) for at in (LEVEL / 2, 1 - LEVEL / 2))
    return float(binom.cdf(high, times, instead) - binom.cdf(low - 1, times, instead))
