from dataclasses import replace

import pytest

from harness.judge.conformance import Sight, gate, judge, surprise, twins
from harness.model.bench import Expectation
from harness.model.case import CaseOutcome, CaseResult, ExpectedOutcome
from harness.model.flow import Evidence, Flow, Verdict
from harness.model.origin import Origin
from harness.model.verdict import Answer, Decision

LINE = Origin("scenario.yaml", 7)
ISOLATES = Origin("policy.yaml", 3)
FLOW = Flow("shop/client", "shop/api", 8080)
DROPPED = Decision(Verdict.DROPPED, ISOLATES, "isolated, and no rule allows")
FORWARDED = Decision(Verdict.FORWARDED, None, "no policy isolates")
DENIED_AT_INGRESS = Answer(Verdict.DROPPED, FORWARDED, DROPPED)
RECORD = Evidence("ebpf", "no-rule-allows")


def sight(expected: Verdict, observed: Verdict, **more: object) -> Sight:
    return Sight(Expectation(LINE, FLOW, expected), observed, "what the client says", **more)  # type: ignore[arg-type]


def faults(seen: Sight) -> tuple[str, ...]:
    return judge([seen], {FLOW: DENIED_AT_INGRESS}).faults


def test_a_denial_that_the_plane_recorded_passes_with_its_evidence_and_rule() -> None:
    judged = judge([sight(Verdict.DENIED, Verdict.DROPPED, evidence=RECORD, manner=Verdict.DROPPED)], {FLOW: DENIED_AT_INGRESS})
    assert not judged.faults
    assert judged.evidence == "no-rule-allows x 1"
    assert judged.rule == "policy.yaml:3"


def test_silence_of_which_the_plane_knows_nothing_is_no_denial() -> None:
    assert "has no record" in faults(sight(Verdict.DENIED, Verdict.DROPPED, manner=Verdict.DROPPED))[0]


def test_a_denial_in_another_manner_than_declared_is_a_fault() -> None:
    seen = sight(Verdict.DENIED, Verdict.DROPPED, evidence=RECORD, manner=Verdict.REJECTED)
    assert "expected rejected, as the data plane declares" in faults(seen)[0]


@pytest.mark.parametrize("expected", [Verdict.FORWARDED, Verdict.REJECTED])
def test_an_answer_of_another_status_is_a_fault(expected: Verdict) -> None:
    expectation = Expectation(LINE, FLOW, expected, status=403)
    seen = Sight(expectation, expected, "status 503", RECORD, status=503)
    assert f"expected {expected} with status 403, observed {expected} (status 503)" in faults(seen)[0]
    assert not faults(replace(seen, status=403))


@pytest.mark.parametrize("observed", [Verdict.FORWARDED, Verdict.REDIRECTED])
def test_a_wrong_admission_names_the_line_what_was_seen_and_the_deciding_rule(observed: Verdict) -> None:
    (fault,) = faults(sight(Verdict.DENIED, observed))
    assert fault.startswith("scenario.yaml:7: shop/client -> shop/api:8080/TCP (IPv4): expected denied, observed ")
    assert "what the client says" in fault
    assert "evidence: none" in fault
    assert "deciding rule: policy.yaml:3 (isolated, and no rule allows)" in fault


def test_an_allowed_flow_that_stops_after_the_denied_ones_is_a_fault() -> None:
    assert "asked again after the denied flows" in faults(sight(Verdict.FORWARDED, Verdict.DROPPED, after=True))[0]


def test_the_twin_of_a_denied_flow_is_the_allowed_one_to_the_same_server() -> None:
    denied = Expectation(LINE, FLOW, Verdict.DENIED)
    elsewhere = Expectation(LINE, Flow("shop/client", "data/db", 8080), Verdict.FORWARDED)
    near = Expectation(LINE, Flow("shop/cart", "shop/api", 8081), Verdict.FORWARDED)
    assert twins([elsewhere, denied, near]) == [near]


def test_a_step_that_denies_everything_or_nothing_has_no_twins() -> None:
    assert twins([Expectation(LINE, FLOW, Verdict.DENIED)]) == []
    assert twins([Expectation(LINE, FLOW, Verdict.FORWARDED)]) == []


def result(outcome: CaseOutcome, dataplane: str = "ebpf") -> CaseResult:
    return CaseResult("policy/x", "policy", dataplane, outcome)


def listed(outcome: CaseOutcome) -> list[ExpectedOutcome]:
    return [ExpectedOutcome(Origin("expectations.yaml", 2), "policy/x", "ebpf", outcome, "known")]


@pytest.mark.parametrize(
    ("outcome", "entry", "expected"),
    [
        (CaseOutcome.PASS, None, True),
        (CaseOutcome.UNSUPPORTED, None, True),
        (CaseOutcome.FAIL, None, False),
        (CaseOutcome.ERROR, None, False),
        (CaseOutcome.FAIL, CaseOutcome.FAIL, True),
        (CaseOutcome.PASS, CaseOutcome.FAIL, False),
        (CaseOutcome.PASS, CaseOutcome.UNSUPPORTED, False),
        (CaseOutcome.ERROR, CaseOutcome.FAIL, False),
    ],
)
def test_the_gate_takes_what_is_listed_and_else_passes_and_declared_gaps(
    outcome: CaseOutcome, entry: CaseOutcome | None, expected: bool
) -> None:
    assert gate([result(outcome)], listed(entry) if entry else [])[0].expected is expected


def test_an_entry_is_about_its_own_data_plane_alone() -> None:
    assert not gate([result(CaseOutcome.FAIL, "nftables")], listed(CaseOutcome.FAIL))[0].expected


def test_an_unexpected_pass_names_the_entry_that_expects_otherwise() -> None:
    said = surprise(result(CaseOutcome.PASS), listed(CaseOutcome.FAIL))
    assert said == "pass, where expectations.yaml:2 expects fail (known)"
