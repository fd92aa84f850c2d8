"""Verdicts on claims and on the endpoints that decide them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from harness.judge.evidence import Link
from harness.model.claim import Bound, Endpoint, Verdict

__all__ = ["Judged", "Verdict", "combined", "side"]


@dataclass(frozen=True, slots=True)
class Judged:
    """An endpoint with what was found. Without figures ``estimate``, ``low`` and ``high`` are NaN, and ``reason`` says why."""

    endpoint: Endpoint
    verdict: Verdict
    estimate: float = nan
    low: float = nan
    high: float = nan
    level: float = 0.0
    reason: str = ""
    links: Sequence[Link] = ()


def side(low: float, high: float, bound: Bound) -> Verdict:
    """On which side of ``bound`` an interval is: wholly good, wholly bad, or across."""
    if bound.direction == "at most":
        good, bad = high <= bound.value, low > bound.value
    else:
        good, bad = low >= bound.value, high < bound.value
    return Verdict.SUPPORTED if good else Verdict.REFUTED if bad else Verdict.INCONCLUSIVE


def combined(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on a claim all of whose endpoints have to hold.

    What fails somewhere and holds nowhere is refuted, also where the rest is open. What is partly without evidence is
    inconclusive: it was not shown to hold.
    """
    found = set(verdicts)
    if Verdict.MIXED in found:
        return Verdict.MIXED
    if Verdict.REFUTED in found:
        return Verdict.MIXED if Verdict.SUPPORTED in found else Verdict.REFUTED
    if found == {Verdict.SUPPORTED}:
        return Verdict.SUPPORTED
    if found <= {Verdict.UNTESTED}:
        return Verdict.UNTESTED
    return Verdict.INCONCLUSIVE
