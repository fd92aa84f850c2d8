"""The shipped conformance cases: both oracles agree with each expectation, and each case can tell right from wrong."""

from collections.abc import Iterator

import pytest

from harness.campaign.conformance.streams import expected_of_streams
from harness.campaign.topologies import topologies
from harness.lab.addressing import plan
from harness.manifests.case import load_cases
from harness.manifests.place import SCENARIOS
from harness.manifests.topology import load_topology
from harness.model.bench import Expectation
from harness.model.case import Case, Step
from harness.model.flow import Flow, Verdict, is_pod
from harness.model.topology import Topology
from harness.oracle.direct import answer
from harness.oracle.sets import Oracle

CONFORMANCE = SCENARIOS / "conformance"
AREAS = ("policy", "identity")
SERVED = {("TCP", 8080), ("TCP", 8081), ("TCP", 9090), ("UDP", 5353), ("ICMP", 0)}
ECHO = {4: 8, 6: 128}


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return load_cases([CONFORMANCE / area for area in AREAS])


def _steps(cases: list[Case]) -> Iterator[tuple[Case, Step]]:
    return ((case, step) for case in cases for step in case.steps)


def _clusters(cases: list[Case]) -> Iterator[tuple[Step, Topology]]:
    """Each step with the cluster as it is then."""
    for case in cases:
        yield from zip(case.steps, topologies(case, plan(case.topology).topology), strict=True)


def _asked(cases: list[Case]) -> Iterator[tuple[str, Flow]]:
    return ((case.id, each.flow) for case, step in _steps(cases) for each in step.expectations)


def test_there_are_enough_cases_by_program_and_by_hand(cases: list[Case]) -> None:
    assert len(cases) >= 400
    assert sum(not case.generated for case in cases) >= 60


def test_the_direct_oracle_agrees_with_every_expectation(cases: list[Case]) -> None:
    wrong = [
        f"{each.origin}: {each.flow}: {given}"
        for step, topology in _clusters(cases)
        for each in (*step.expectations, *expected_of_streams(step))
        if not each.verdict.admits((given := answer(each.flow, step.policies, topology)).verdict)
    ]
    assert not wrong


def test_the_oracle_over_sets_agrees_with_every_expectation(cases: list[Case]) -> None:
    wrong = []
    for step, topology in _clusters(cases):
        oracle = Oracle(step.policies, topology)
        for each in (*step.expectations, *expected_of_streams(step)):
            given = oracle.answer(each.flow)
            if not each.verdict.admits(given.verdict):
                wrong.append(f"{each.origin}: {each.flow}: {given}")
    assert not wrong


def test_each_case_expects_traffic_to_pass_and_to_be_denied(cases: list[Case]) -> None:
    for case in cases:
        assert {each.verdict for step in case.steps for each in step.expectations} == {Verdict.FORWARDED, Verdict.DENIED}, (
            case.id
        )


def test_each_denied_flow_has_a_forwarded_twin(cases: list[Case]) -> None:
    """A denial proves nothing where neither end is shown to work."""
    lonely = [
        f"{each.origin}: {each.flow}"
        for _, step in _steps(cases)
        for each in step.expectations
        if each.verdict is Verdict.DENIED and not any(_twins(each, other) for other in step.expectations)
    ]
    assert not lonely


def _twins(denied: Expectation, other: Expectation) -> bool:
    shared = other.flow.source == denied.flow.source or other.flow.destination == denied.flow.destination
    return shared and other.verdict is Verdict.FORWARDED


def test_flows_run_between_pods_to_what_every_pod_serves(cases: list[Case]) -> None:
    for case, flow in _asked(cases):
        assert is_pod(flow.source), case
        assert is_pod(flow.destination), case
        assert (flow.protocol, flow.port) in SERVED, case
        if flow.icmp is not None:
            assert flow.icmp.type == ECHO[flow.family], case


def test_generated_cases_are_small(cases: list[Case]) -> None:
    for case in cases:
        if case.generated:
            (step,) = case.steps
            assert len(step.policies) <= 3, case.id
            assert 4 <= len(step.expectations) <= 8, case.id


def test_each_generated_case_says_something_that_no_other_says(cases: list[Case]) -> None:
    titles = [case.title for case in cases]
    assert len(set(titles)) == len(titles)


def test_both_families_and_all_protocols_are_asked_about(cases: list[Case]) -> None:
    assert {(flow.protocol, flow.family) for _, flow in _asked(cases)} == {
        (protocol, family) for protocol in ("TCP", "UDP", "ICMP") for family in (4, 6)
    }


def test_a_lab_gives_pods_the_addresses_that_their_ip_blocks_name() -> None:
    topology = load_topology(SCENARIOS / "topologies" / "mesh.yaml")
    assert plan(topology).topology.pods == topology.pods
