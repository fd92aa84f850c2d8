"""The shipped cases that ask Kafka: both oracles agree with them, and between them they ask all there is to ask."""

import pytest

from harness.campaign.conformance.oracles import consult
from harness.lab.addressing import plan
from harness.manifests.case import load_cases
from harness.manifests.place import SCENARIOS
from harness.model.bench import Expectation, Opened
from harness.model.case import Case
from harness.model.cilium import CiliumPolicy, KafkaRule
from harness.model.exchange import Sends
from harness.model.flow import Verdict
from harness.model.kafka import VERSIONS, KafkaAsk

VERDICTS = (Verdict.FORWARDED, Verdict.REJECTED)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return load_cases([SCENARIOS / "conformance" / "kafka"])


def _asked(cases: list[Case]) -> list[tuple[Expectation, KafkaAsk]]:
    expectations = [each for case in cases for step in case.steps for each in step.expectations]
    return [(each, each.flow.request) for each in expectations if isinstance(each.flow.request, KafkaAsk)]


def _rules(cases: list[Case]) -> list[KafkaRule]:
    specs = [
        spec
        for case in cases
        for step in case.steps
        for each in step.policies
        if isinstance(each, CiliumPolicy)
        for spec in each.specs
    ]
    ports = [port for spec in specs for rule in (*(spec.ingress or ()), *(spec.egress or ())) for port in rule.ports or ()]
    return [rule for port in ports if port.rules is not None for rule in port.rules.kafka or ()]


def test_there_are_enough(cases: list[Case]) -> None:
    assert len(cases) >= 60


def test_both_oracles_agree_with_every_expectation(cases: list[Case]) -> None:
    assert [said for case in cases for said in consult(case, plan(case.topology).topology).contradictions] == []


def test_every_case_expects_requests_to_pass_and_others_not_to(cases: list[Case]) -> None:
    for case in cases:
        verdicts = {each.verdict for step in case.steps for each in step.expectations}
        assert Verdict.FORWARDED in verdicts, case.id
        assert verdicts & {Verdict.REJECTED, Verdict.DENIED}, case.id


def test_a_refusal_has_a_request_that_passes_to_the_same_server_in_its_step(cases: list[Case]) -> None:
    for case in cases:
        for step in case.steps:
            reached = {each.flow.destination for each in step.expectations if each.verdict is Verdict.FORWARDED}
            rejected = {each.flow.destination for each in step.expectations if each.verdict is Verdict.REJECTED}
            assert rejected <= reached, case.id


def test_every_field_of_a_rule_is_written_alone_or_with_others_and_empty(cases: list[Case]) -> None:
    rules = _rules(cases)
    for field in ("api_key", "api_version", "client_id", "topic"):
        written = {getattr(rule, field) for rule in rules}
        assert {None, ""} < written, field
    assert {rule.role for rule in rules} == {None, "produce", "consume"}


@pytest.mark.parametrize(
    ("api", "versions"),
    [
        ("produce", range(3, 10)), ("fetch", range(4, 13)), ("metadata", range(13)), ("offsets", range(1, 8)),
        ("offsetfetch", range(1, 9)), ("createtopics", range(2, 8)), ("deletetopics", range(1, 6)), ("apiversions", range(4)),
        ("findcoordinator", (0, 1, 3)),
    ],
)  # fmt: skip
def test_versions_are_asked_and_refused(cases: list[Case], api: str, versions: range) -> None:
    refused = {ask.version for each, ask in _asked(cases) if ask.api == api and each.verdict is Verdict.REJECTED}
    passed = {ask.version for each, ask in _asked(cases) if ask.api == api and each.verdict is Verdict.FORWARDED}
    assert set(versions) <= refused
    assert passed & set(versions)
    assert passed <= set(VERSIONS[api])


def test_requests_are_refused_in_whatever_pieces_they_come_and_whatever_stands_before_them(cases: list[Case]) -> None:
    asked = _asked(cases)
    kinds = {(each.verdict, "pieces" if isinstance(ask.sends, tuple) else str(ask.sends)) for each, ask in asked}
    assert kinds >= {(verdict, sends) for verdict in VERDICTS for sends in (Sends.WHOLE, Sends.BYTEWISE, "pieces")}
    assert {(each.verdict, ask.shared) for each, ask in asked} >= {
        (verdict, shared) for verdict in VERDICTS for shared in (True, False)
    }
    assert {(each.verdict, each.opened) for each, _ in asked} >= {
        (verdict, Opened.EARLIER) for verdict in (*VERDICTS, Verdict.DENIED)
    }
    assert {(each.verdict, each.flow.family) for each, _ in asked} >= {
        (verdict, family) for verdict in VERDICTS for family in (4, 6)
    }
    assert any(len(ask.topics) > 100 and each.verdict is Verdict.REJECTED for each, ask in asked)
