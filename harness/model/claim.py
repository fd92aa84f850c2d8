"""Claims that are put to the test, as written: what decides each, fixed before the run."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from harness.model.origin import Origin

Direction = Literal["at most", "at least"]


class Column(StrEnum):
    """Of what a verdict is about."""

    AS_SHIPPED = "as_shipped"  # what meshes of this kind ship today
    POSSIBLE = "possible"  # what this project shows to be possible


class Verdict(StrEnum):
    """What became of a claim, or of an endpoint."""

    SUPPORTED = "supported"  # the whole interval of every endpoint is on the good side
    MIXED = "mixed"  # of some on the good side, of others on the bad side
    REFUTED = "refuted"  # of some on the bad side, of none on the good side
    INCONCLUSIVE = "inconclusive"  # some interval spans its bound, is drowned in noise, or is missing beside others
    UNTESTED = "untested"  # nothing measured it
    NOT_COMPARABLE = "not comparable"  # a published figure of another set-up


@dataclass(frozen=True, slots=True)
class Bound:
    """The good side of a figure. ``value`` is in the figure's own unit."""

    direction: Direction
    value: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """``dataplane``'s ``metric`` divided by ``against``'s, in one load of one scenario.

    ``against``'s figure is of the same scenario unless ``against_scenario`` names another.
    """

    scenario: str
    load: str
    metric: str
    dataplane: str
    against: str
    against_scenario: str | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of ``dataplane``'s metrics (of one unit) divided by that of ``against``'s, in one load of one scenario."""

    scenario: str
    load: str
    metrics: tuple[str, ...]
    dataplane: str
    against: str


@dataclass(frozen=True, slots=True)
class Figure:
    """``dataplane``'s ``metric`` itself; ``component`` is empty for the whole."""

    scenario: str
    load: str
    metric: str
    dataplane: str
    component: str = ""


@dataclass(frozen=True, slots=True)
class Cases:
    """The share of conformance cases (``area/name``, or patterns as in a shell) that ``dataplane`` passes.

    With ``more_than``, instead: how many more of them it passes than that data plane does.
    """

    names: tuple[str, ...]
    dataplane: str
    more_than: str | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """How many more features of the L7 maturity matrix ``dataplane`` has than ``richer_than``; none named: all of it."""

    names: tuple[str, ...]
    dataplane: str
    richer_than: str


@dataclass(frozen=True, slots=True)
class Slope:
    """How ``metric`` grows with ``x`` (what is counted): ``dataplane``'s slope divided by ``against``'s."""

    metric: str
    x: str
    dataplane: str
    against: str


@dataclass(frozen=True, slots=True)
class Growth:
    """``dataplane``'s fitted ``metric`` at the largest ``x`` that was measured, divided by that at the smallest."""

    metric: str
    x: str
    dataplane: str


@dataclass(frozen=True, slots=True)
class Answers:
    """The share of the decision's classes of workload that are answered ``replace``."""


@dataclass(frozen=True, slots=True)
class Unasked:
    """Part of what would settle the claim, which nothing measures yet, and why."""

    reason: str


Subject = Ratio | Total | Figure | Cases | Features | Slope | Growth | Answers | Unasked


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One thing that decides. ``condition`` is where it is looked at, in words; ``bound`` is None where there is no figure."""

    origin: Origin
    condition: str
    subject: Subject
    bound: Bound | None


@dataclass(frozen=True, slots=True)
class Side:
    """A column of a claim: all endpoints have to hold. Instead of any, why published figures cannot be compared."""

    endpoints: tuple[Endpoint, ...]
    not_comparable: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A row of the ledger. ``note`` is what a reader has to know beside the verdict."""

    origin: Origin
    id: str
    text: str
    source: str
    columns: dict[Column, Side]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Lack:
    """What the product that ``dataplane`` stands for has and this project's set-up of it does not.

    Its failures there prove nothing.
    """

    dataplane: str
    cases: tuple[str, ...]
    features: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """All claims. ``subjects`` say, by data plane, what it is and what it is not."""

    claims: tuple[Claim, ...]
    subjects: dict[str, str]
    lacks: tuple[Lack, ...]
