"""What a conformance case proves on a data plane, and whether that was to be expected."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.model.bench import Expectation
from harness.model.call import PERMISSION_DENIED
from harness.model.case import CaseOutcome, CaseResult, ExpectedOutcome
from harness.model.fault import Symptom
from harness.model.flow import Evidence, Flow, Verdict
from harness.model.request import GRPCRequest
from harness.model.verdict import Answer, Decision


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of an expectation, by the client and, of a denial, by the data plane.

    ``manner`` is how the plane declares that it denies such a flow, None where it declares nothing.
    ``reached``: what of a denied flow reached its server, in words; None where nothing did, or nobody watched.
    ``after`` marks an allowed flow that was asked once more when the denied ones of its step had been asked.
    ``status``: of an answer of HTTP, 0 where there was none; of a call of gRPC how it ended.
    """

    expectation: Expectation
    observed: Verdict
    detail: str
    evidence: Evidence | None = None
    manner: Verdict | None = None
    after: bool = False
    reached: str | None = None
    status: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a step, or a case, comes to. ``faults`` has a line for each expectation that was not met, ``symptoms`` how."""

    faults: tuple[str, ...]
    evidence: str
    rule: str | None
    symptoms: frozenset[Symptom] = frozenset()


def refused(said: str) -> Judgement:
    """Of a step that a data plane does not put in force though it claims what is asked for; ``said`` is what it says."""
    return Judgement((said,), "", None, frozenset({Symptom.REFUSES}))


def admitted(expectation: Expectation) -> bool:
    """Whether the flow is expected to get through."""
    return expectation.verdict is Verdict.FORWARDED


def twins(expectations: Sequence[Expectation]) -> list[Expectation]:
    """For each denied flow the allowed flow of the same step that is most like it; each once, in the step's order.

    They are asked before the denied ones, as every allowed flow is, and again after them: were the server dead or the path
    cut, its silence would be no denial.
    """
    allowed = [each for each in expectations if admitted(each)]
    if not allowed:
        return []
    chosen = {
        max(allowed, key=lambda twin: _likeness(twin.flow, each.flow)).flow for each in expectations if not admitted(each)
    }
    return [each for each in allowed if each.flow in chosen]


def _likeness(one: Flow, other: Flow) -> tuple[bool, ...]:
    """Ends first: what stops answering is a server."""
    return (
        one.destination == other.destination,
        (one.protocol, one.port) == (other.protocol, other.port),
        one.source == other.source,
        one.family == other.family,
    )


def deciding(answer: Answer) -> Decision:
    """The end that decides: the first that drops, in the order in which packets meet them; else the one with a rule."""
    if answer.egress.verdict is not Verdict.FORWARDED:
        return answer.egress
    if answer.ingress.verdict is not Verdict.FORWARDED or answer.ingress.rule is not None:
        return answer.ingress
    return answer.egress


def judge(sights: Sequence[Sight], answers: Mapping[Flow, Answer]) -> Judgement:
    """Judge what was seen of a step. ``answers`` are the oracle's, for the rules that decide."""
    faults, first, symptoms = [], None, set()
    for sight in sights:
        wrong = _wrong(sight)
        if wrong is None:
            continue
        decision = deciding(answers[sight.expectation.flow])
        faults.append(
            f"{sight.expectation.origin}: {sight.expectation.flow}: {wrong}; evidence: {_evidence(sight.evidence)}; "
            f"deciding rule: {decision.rule or 'none'} ({decision.reason})"
        )
        symptoms.add(_symptom(sight))
        first = first or sight
    shown = first or next((sight for sight in sights if not admitted(sight.expectation)), None)
    rule = deciding(answers[shown.expectation.flow]).rule if shown else None
    evidence = _evidence(first.evidence) if first else _counted(sights)
    return Judgement(tuple(faults), evidence, str(rule) if rule else None, frozenset(symptoms))


def _wrong(sight: Sight) -> str | None:
    """Why a sight is not what its expectation asks for, or None."""
    expected, observed = sight.expectation.verdict, sight.observed
    if not expected.admits(observed):
        when = " when asked again after the denied flows" if sight.after else ""
        return f"expected {expected}, observed {observed}{when} ({sight.detail})"
    wanted = _status(sight.expectation)
    if wanted not in (None, sight.status):
        return f"expected {expected} with status {wanted}, observed {observed} ({sight.detail})"
    return None if expected is Verdict.FORWARDED else _unproven(sight)


def _status(expectation: Expectation) -> int | None:
    """The status that an answer must have, None for any. Who refuses a call of gRPC says so in its own terms."""
    if expectation.verdict is Verdict.REJECTED and isinstance(expectation.flow.request, GRPCRequest):
        return PERMISSION_DENIED
    return expectation.status


def _unproven(sight: Sight) -> str | None:
    """What a denial lacks to be believed, or None."""
    expected, observed = sight.expectation.verdict, sight.observed
    if sight.reached is not None:
        return f"expected {expected}, observed {observed} ({sight.detail}), yet {sight.reached}"
    if sight.evidence is None:
        return f"expected {expected}, observed {observed} ({sight.detail}), of which the data plane has no record"
    if sight.manner not in (None, observed):
        return f"expected {sight.manner}, as the data plane declares that it denies, observed {observed} ({sight.detail})"
    return None


def _symptom(sight: Sight) -> Symptom:
    """How a sight fails that is not what its expectation asks for."""
    if sight.expectation.verdict.admits(sight.observed) and (sight.reached is None or admitted(sight.expectation)):
        return Symptom.BREAKS
    return Symptom.DENIES if admitted(sight.expectation) else Symptom.ADMITS


def _evidence(found: Evidence | None) -> str:
    if found is None:
        return "none"
    return f"{found.reason} by {found.rule}" if found.rule else found.reason


def _counted(sights: Iterable[Sight]) -> str:
    """The data plane's reasons for a step's denials and how many had each: ``no-rule-allows x 12``."""
    counts = Counter(sight.evidence.reason for sight in sights if sight.evidence)
    return ", ".join(f"{reason} x {count}" for reason, count in sorted(counts.items()))


def gate(results: Sequence[CaseResult], listed: Sequence[ExpectedOutcome]) -> list[CaseResult]:
    """``results`` marked as expected or not: as listed or, unlisted, passed or unsupported as its data plane declares."""
    entries = {(each.case, each.dataplane): each for each in listed}
    return [replace(result, expected=_expected(result, entries.get((result.case, result.dataplane)))) for result in results]


def _expected(result: CaseResult, entry: ExpectedOutcome | None) -> bool:
    if entry is not None:
        return result.outcome is entry.outcome
    return result.outcome in (CaseOutcome.PASS, CaseOutcome.UNSUPPORTED)


def surprise(result: CaseResult, listed: Sequence[ExpectedOutcome]) -> str:
    """Why an outcome is unexpected, and what was expected."""
    for entry in listed:
        if (entry.case, entry.dataplane) == (result.case, result.dataplane):
            return f"{result.outcome}, where {entry.origin} expects {entry.outcome} ({entry.reason})"
    return f"{result.outcome}, where nothing lists it as other than a pass"
