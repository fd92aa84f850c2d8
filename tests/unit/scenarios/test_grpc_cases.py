"""The shipped cases that call gRPC: both oracles agree with them, and between them they ask all there is to ask."""

import pytest

from harness.campaign.conformance.oracles import consult
from harness.lab.addressing import plan
from harness.manifests.case import load_cases
from harness.manifests.place import SCENARIOS
from harness.model.bench import Expectation, Opened
from harness.model.call import CallKind, GRPCCall
from harness.model.case import Case
from harness.model.flow import Verdict


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return load_cases([SCENARIOS / "conformance" / "grpc"])


def _asked(cases: list[Case]) -> list[tuple[Expectation, GRPCCall]]:
    expectations = [each for case in cases for step in case.steps for each in step.expectations]
    return [(each, each.flow.request) for each in expectations if isinstance(each.flow.request, GRPCCall)]


def test_there_are_enough(cases: list[Case]) -> None:
    assert len(cases) >= 25


def test_both_oracles_agree_with_every_expectation(cases: list[Case]) -> None:
    assert [said for case in cases for said in consult(case, plan(case.topology).topology).contradictions] == []


def test_every_case_expects_calls_to_pass_and_to_be_refused(cases: list[Case]) -> None:
    for case in cases:
        verdicts = {each.verdict for step in case.steps for each in step.expectations}
        assert Verdict.FORWARDED in verdicts, case.id
        assert verdicts & {Verdict.REJECTED, Verdict.DENIED}, case.id


def test_a_refusal_has_a_call_that_passes_to_the_same_server_in_its_step(cases: list[Case]) -> None:
    for case in cases:
        for step in case.steps:
            reached = {each.flow.destination for each in step.expectations if each.verdict is Verdict.FORWARDED}
            rejected = {each.flow.destination for each in step.expectations if each.verdict is Verdict.REJECTED}
            assert rejected <= reached, case.id


def test_every_kind_is_called_and_refused_and_over_older_connections_too(cases: list[Case]) -> None:
    asked = _asked(cases)
    assert {(call.kind, each.verdict) for each, call in asked} >= {
        (kind, verdict) for kind in CallKind for verdict in (Verdict.FORWARDED, Verdict.REJECTED)
    }
    assert {(each.opened, each.verdict) for each, _ in asked} >= {
        (Opened.EARLIER, Verdict.FORWARDED), (Opened.EARLIER, Verdict.REJECTED),
        (Opened.ASKED, Verdict.FORWARDED), (Opened.ASKED, Verdict.DENIED),
    }  # fmt: skip
    assert any(call.size == 1 << 20 and each.verdict is Verdict.REJECTED for each, call in asked)
    assert {call.shared for _, call in asked} == {True, False}
