"""Evidence made up for tests: one run with the figures and cases that a test names."""

from collections.abc import Mapping, Sequence

from harness.judge.evidence import Evidence, Fit, Outcome, Row, RunEvidence
from harness.model.case import CaseOutcome
from harness.model.claim import Bound, Endpoint, Lack, Ratio, Subject
from harness.model.maturity import MaturityFeature
from harness.model.origin import Origin

HERE = Origin("claims.yaml", 1)
PLACE = ("s", "load", "latency_p50")
RATIO = Ratio("s", "load", "latency_p50", "ours", "theirs")


def endpoint(
    subject: Subject = RATIO, at_most: float | None = None, at_least: float | None = None, where: str = "here"
) -> Endpoint:
    bound = Bound("at most", at_most) if at_most is not None else None
    return Endpoint(HERE, where, subject, bound or (Bound("at least", at_least) if at_least is not None else None))


def row(low: float, high: float, *, different: bool | None = None, level: float = 0.95) -> Row:
    return Row((low + high) / 2, low, high, level, different=different)


def run(
    ratio: Row | None = None,
    *,
    floor: float | None = 0.001,
    name: str = "run",
    unusable: str | None = None,
    figures: Mapping[tuple[tuple[str, str, str], str, str], Row] | None = None,
    cases: Mapping[tuple[str, str], str] | None = None,
    fits: Sequence[Fit] = (),
    supports: Mapping[tuple[str, str], str | None] | None = None,
    unsupported: Mapping[tuple[str, str], str] | None = None,
) -> RunEvidence:
    """A run that measured load of scenario s on ours and theirs; ``ratio`` is what it found, None where every block is void."""
    return RunEvidence(
        name, "bench", unusable, frozenset({("s", "load")}), frozenset({"ours", "theirs"}),
        figures={(("s", "other", "latency_p50"), "", "ours"): row(1, 1)} | dict(figures or {}),
        ratios={} if ratio is None else {(PLACE, "ours", "theirs"): ratio},
        floors={} if floor is None else {PLACE: floor},
        unsupported=unsupported or {}, supports=supports or {}, fits=fits,
        cases={key: Outcome(CaseOutcome(outcome), "because") for key, outcome in (cases or {}).items()},
    )  # fmt: skip


def evidence(
    *runs: RunEvidence,
    cases: Sequence[str] = (),
    features: Sequence[MaturityFeature] = (),
    lacks: Sequence[Lack] = (),
) -> Evidence:
    return Evidence(runs, cases, features, lacks)


def fit(
    plane: str, intercept: tuple[float, float], slope: tuple[float, float], *, line: bool = True, condition: str = ""
) -> Fit:
    at, by = ((sum(ends) / 2, *ends) for ends in (intercept, slope))
    return Fit(f"memory/{plane}/{condition}", plane, "memory", "pods", condition, 2, 40, at, by, 0.95, line)
