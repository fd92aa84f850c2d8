"""Whether a change was in force when it was said to be, by a canary: a flow that it denies."""

from collections.abc import Mapping

from harness.judge.conformance import Judgement, deciding
from harness.model.bench import Expectation
from harness.model.canary import CanarySeen
from harness.model.fault import Symptom
from harness.model.flow import Flow
from harness.model.verdict import Answer


def judge_canary(seen: CanarySeen, expectation: Expectation, answers: Mapping[Flow, Answer]) -> Judgement:
    """A fault where anything that was begun after the change was said to be in force got through; else nothing."""
    if not seen.late:
        return Judgement((), "", None)
    decision = deciding(answers[expectation.flow])
    fault = (
        f"{expectation.origin}: {seen.flow}: expected {expectation.verdict}, observed that {seen.late} of {seen.after} begun "
        f"after the policies were said to be in force got through, the last of them {seen.latest * 1000:.1f} ms after; "
        f"evidence: none; deciding rule: {decision.rule or 'none'} ({decision.reason})"
    )
    return Judgement((fault,), "none", str(decision.rule) if decision.rule else None, frozenset({Symptom.ADMITS}))
