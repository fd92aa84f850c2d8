"""The L7 maturity matrix: what conformance cases of a run say of each feature on each data plane."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from harness.model.case import CaseOutcome, CaseResult
from harness.model.maturity import MaturityFeature


class Standing(StrEnum):
    """What is known of a feature on a data plane."""

    PASS = "pass"  # noqa: S105 -- every case of it passed
    PARTLY = "partly"  # every case that the data plane claims passed; others it declares to lack
    FAIL = "fail"  # a case of it failed
    ERROR = "error"  # of a case of it nothing was learnt, and none failed
    UNSUPPORTED = "unsupported"  # the data plane declares to lack it, with a reason
    NOT_ASKED = "not asked"  # no case of it was in this run


@dataclass(frozen=True, slots=True)
class Cell:
    """``passed`` of ``asked`` cases; ``unsupported`` are those that the data plane declares to lack, ``reason`` says why."""

    standing: Standing
    passed: int = 0
    asked: int = 0
    unsupported: int = 0
    reason: str = ""


def members(feature: MaturityFeature, cases: Iterable[str]) -> list[str]:
    """Those of ``cases`` (``area/name``) that show the feature, in their order."""
    return [case for case in cases if any(fnmatchcase(case, pattern) for pattern in feature.cases)]


def unmatched(features: Iterable[MaturityFeature], cases: Sequence[str]) -> Iterator[str]:
    """A line for each name or pattern that is none of ``cases``, all that there are: it would show nothing, and go unseen."""
    for feature in features:
        for pattern in feature.cases:
            if not any(fnmatchcase(case, pattern) for case in cases):
                yield f"{feature.origin}: {feature.name}: no case is called {pattern}; correct or remove it"


def cell(feature: MaturityFeature, results: Sequence[CaseResult], lacking: str | None) -> Cell:
    """What the results of a feature's cases on one data plane come to; ``lacking``: why the plane cannot have it, or None."""
    declared = feature.reason or lacking
    if declared is not None:
        return Cell(Standing.UNSUPPORTED, reason=declared)
    if not results:
        return Cell(Standing.NOT_ASKED)
    left_out = [result for result in results if result.outcome is CaseOutcome.UNSUPPORTED]
    asked = [result for result in results if result.outcome is not CaseOutcome.UNSUPPORTED]
    reasons = list(dict.fromkeys(_declared(result) for result in left_out))
    passed = sum(result.outcome is CaseOutcome.PASS for result in asked)
    return Cell(_standing(asked, left_out), passed, len(asked), len(left_out), "; ".join(reasons))


def _standing(asked: Sequence[CaseResult], left_out: Sequence[CaseResult]) -> Standing:
    outcomes = {result.outcome for result in asked}
    if CaseOutcome.FAIL in outcomes:
        return Standing.FAIL
    if CaseOutcome.ERROR in outcomes:
        return Standing.ERROR
    if not asked:
        return Standing.UNSUPPORTED
    return Standing.PARTLY if left_out else Standing.PASS


def _declared(result: CaseResult) -> str:
    """The data plane's reason, without the place where a case asks for it."""
    return result.reason.partition(" (asked for at ")[0].partition("\n")[0]
