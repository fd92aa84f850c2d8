"""What finished runs found, as claims and the decision look it up. Effects are of one run each, never across runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import inf

from harness.model.case import CaseOutcome
from harness.model.claim import Lack
from harness.model.maturity import MaturityFeature


@dataclass(frozen=True, slots=True)
class Row:
    """A figure or a paired ratio with its interval; ``level`` 0 where there is none.

    ``family``: the interval holds together with those of the run's other comparisons. ``different``: the run's own verdict on
    whether a ratio is another than 1, None in runs that give none.
    """

    estimate: float
    low: float
    high: float
    level: float
    family: bool = False
    different: bool | None = None

    def inverted(self) -> "Row":
        """Of the two planes the other way round."""
        return Row(_over(self.estimate), _over(self.high), _over(self.low), self.level, self.family, self.different)


def _over(value: float) -> float:
    return inf if value == 0 else 1 / value


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case on a data plane, and the first line of the reason."""

    outcome: CaseOutcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
    """``metric`` of a data plane as intercept + slope * x, each with its interval. ``line``: the points lie on it."""

    id: str
    dataplane: str
    metric: str
    x: str
    condition: str
    smallest: float
    largest: float
    intercept: tuple[float, float, float]
    slope: tuple[float, float, float]
    level: float
    line: bool = True


Place = tuple[str, str, str]
"""Scenario, load, metric."""


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """A finished run. ``unusable`` says why its figures decide nothing; its cases still do.

    ``figures`` are by place, component and data plane, ``ratios`` by place, data plane and the one it is compared with,
    ``crossings`` the same with the other figure's scenario. ``supports`` are reasons of what a data plane declares to
    lack, None where it claims to have it.
    """

    name: str
    kind: str
    unusable: str | None = None
    loads: frozenset[tuple[str, str]] = frozenset()
    planes: frozenset[str] = frozenset()
    figures: Mapping[tuple[Place, str, str], Row] = field(default_factory=dict)
    ratios: Mapping[tuple[Place, str, str], Row] = field(default_factory=dict)
    crossings: Mapping[tuple[Place, str, str, str], Row] = field(default_factory=dict)
    floors: Mapping[Place, float] = field(default_factory=dict)
    unsupported: Mapping[tuple[str, str], str] = field(default_factory=dict)
    supports: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    cases: Mapping[tuple[str, str], Outcome] = field(default_factory=dict)
    fits: Sequence[Fit] = ()

    def measured(self, scenario: str, load: str, dataplane: str) -> bool:
        """Whether the plan had this cell, whatever became of it."""
        return (scenario, load) in self.loads and dataplane in self.planes and (scenario, dataplane) not in self.unsupported


@dataclass(frozen=True, slots=True)
class Link:
    """Where evidence stands: the run's name, what it is there (cell, case, fit, feature), and its name."""

    run: str
    what: str
    where: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The run that is judged, then the others in the order in which they were given: the first that has a figure gives it.

    ``cases`` are all that are shipped: what was not asked is known to be missing. ``lacks`` are what a rival's set-up here
    leaves out.
    """

    runs: tuple[RunEvidence, ...]
    cases: Sequence[str] = ()
    features: Sequence[MaturityFeature] = ()
    lacks: Sequence[Lack] = ()

    def named(self, patterns: Iterable[str]) -> list[str]:
        """The shipped cases that some pattern means."""
        wanted = list(patterns)
        return [case for case in self.cases if any(fnmatchcase(case, pattern) for pattern in wanted)]

    def outcome(self, case: str, dataplane: str) -> tuple[Outcome, str] | None:
        """What became of a case, and in which run; None where no run asked it."""
        for run in self.runs:
            found = run.cases.get((case, dataplane))
            if found is not None:
                return found, run.name
        return None

    def lacking(self, dataplane: str, feature: str) -> tuple[bool, str]:
        """Whether a data plane is known to lack a feature or to claim it, and why; raises KeyError where no run says."""
        for run in self.runs:
            if (dataplane, feature) in run.supports:
                reason = run.supports[dataplane, feature]
                return reason is not None, reason or ""
        raise KeyError(dataplane, feature)

    def left_out(self, case: str, dataplane: str) -> str | None:
        """Why a case proves nothing of what ``dataplane`` stands for where it is not passed; None where it does."""
        for lack in self.lacks:
            if lack.dataplane == dataplane and any(fnmatchcase(case, pattern) for pattern in lack.cases):
                return lack.reason
        return None
