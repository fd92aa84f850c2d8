"""The shipped cases of traffic policies: the oracle agrees, and between them they ask about every field."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import pytest

from harness.campaign.conformance.oracles import consult
from harness.lab.addressing import plan
from harness.manifests.case import load_cases
from harness.manifests.place import SCENARIOS
from harness.model.case import Case
from harness.model.traffic import BackendTrafficPolicy

FEATURES = ("circuit-breaking", "outlier-ejection", "fault-delay", "fault-abort", "rate-limit", "retry", "timeout")
UNASKED = {"created", "panic_threshold"}
"""Fields that only several policies of a server, or many failing pods, would show."""


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return load_cases([SCENARIOS / "conformance" / "traffic"])


def test_every_case_is_named_by_its_feature_and_every_feature_has_some(cases: list[Case]) -> None:
    named = {case.name: [feature for feature in FEATURES if case.name.startswith(f"{feature}-")] for case in cases}
    assert [name for name, found in named.items() if len(found) != 1] == []
    assert {found for some in named.values() for found in some} == set(FEATURES)


def test_the_oracle_agrees_with_every_expectation(cases: list[Case]) -> None:
    assert [said for case in cases for said in consult(case, plan(case.topology).topology).contradictions] == []


def test_every_case_asks_both_ends(cases: list[Case]) -> None:
    """An answer of the mesh's own proves nothing where the Service's pods may be gone."""
    reached = {
        case.id for case in cases if any(share.pods for step in case.steps for each in step.requests for share in each.shares)
    }
    assert {case.id for case in cases} - reached == set()


def test_every_field_is_written_in_some_case(cases: list[Case]) -> None:
    policies = [policy for case in cases for step in case.steps for policy in step.routing.traffic_policies]
    written = {name for policy in policies for name, value in _fields(policy) if value is not None}
    assert {name for policy in policies for name, _ in _fields(policy)} - written == UNASKED


def _fields(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, tuple):
        for each in value:
            yield from _fields(each)
    elif is_dataclass(value):
        for field in fields(value):
            yield field.name, getattr(value, field.name)
            yield from _fields(getattr(value, field.name))


def test_routes_services_and_gateways_are_targets(cases: list[Case]) -> None:
    policies: list[BackendTrafficPolicy] = [p for case in cases for step in case.steps for p in step.routing.traffic_policies]
    assert {target.kind for policy in policies for target in policy.targets} == {"HTTPRoute", "GRPCRoute", "Service", "Gateway"}
