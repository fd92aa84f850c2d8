"""Coverage: the shipped suite has at least 400 cases that count, and of the generated ones only such."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.campaign.coverage.casebook import chosen
from harness.campaign.coverage.pairs import Asked, coverage, irredundant, named_faults
from harness.manifests.case import load_cases
from harness.manifests.faults import load_faults
from harness.manifests.place import SCENARIOS
from harness.model.case import Case
from harness.model.coverage import CaseCoverage, Noticed, Pair
from harness.model.fault import Fault
from harness.model.origin import Origin
from harness.oracle import casebook

CONFORMANCE = SCENARIOS / "conformance"
API = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec: {podSelector: {matchLabels: {app: api}}, ingress: [{ports: [{port: 8080, endPort: 8081}]}]}
"""
FEWEST = 400
FEWEST_ABOUT_REQUESTS = 200


@pytest.fixture(scope="module")
def shipped() -> Sequence[Case]:
    return load_cases([CONFORMANCE])


@pytest.fixture(scope="module")
def covered(shipped: Sequence[Case]) -> Sequence[CaseCoverage]:
    return coverage(shipped, load_faults())


def _asked(*pairs: str, noticed: str = "") -> Asked:
    return Asked(
        frozenset(Pair(*pair.split("=")) for pair in pairs),
        frozenset({Noticed("field", "class", noticed)} if noticed else ()),
    )


def _fault(name: str, *first: str, equivalent: str | None = None) -> Fault:
    return Fault(Origin("f.yaml", 1), name, "", "a", "b", "c", ("ebpf",), first=first, equivalent=equivalent)


def test_at_least_400_cases_count(covered: Sequence[CaseCoverage]) -> None:
    assert sum(case.counts for case in covered) >= FEWEST


def test_at_least_400_cases_ask_about_a_pair_that_no_other_does(covered: Sequence[CaseCoverage]) -> None:
    assert sum(bool(case.own) for case in covered) >= FEWEST


def test_at_least_200_cases_about_requests_count(covered: Sequence[CaseCoverage]) -> None:
    assert sum(case.counts for case in covered if case.case.startswith("l7/")) >= FEWEST_ABOUT_REQUESTS


def test_every_generated_case_asks_or_notices_something_that_no_other_does(covered: Sequence[CaseCoverage]) -> None:
    assert [case.case for case in covered if case.generated and not (case.own or case.alone)] == []


def test_every_case_counts(covered: Sequence[CaseCoverage]) -> None:
    assert [case.case for case in covered if not case.counts] == [], "others ask, notice and kill all of it: drop it"


def test_every_case_asks_about_something(covered: Sequence[CaseCoverage]) -> None:
    assert [case.case for case in covered if not case.pairs] == []


def test_committed_generated_cases_are_those_that_the_list_and_the_choice_make(shipped: Sequence[Case]) -> None:
    committed = {
        f"{area}/{folder.name}": {file.name: file.read_text() for file in folder.iterdir()}
        for area in casebook.AREAS
        for folder in (CONFORMANCE / area).glob("gen-*")
    }
    made = chosen([case for case in shipped if not case.generated])
    wanted = {case.id: dict(case.files) for case in made}
    differing = sorted(name for name in committed.keys() | wanted.keys() if committed.get(name) != wanted.get(name))
    assert not differing, "run: python -m harness.campaign.coverage.casebook scenarios/conformance"


def test_a_candidate_that_asks_nothing_beside_the_others_is_left_out() -> None:
    kept = {"hand": _asked("a=1")}
    assert irredundant(kept, {"same": _asked("a=1"), "more": _asked("a=1", "b=2")}) == ["more"]


def test_of_two_that_ask_the_same_one_is_left() -> None:
    assert len(irredundant({}, {"one": _asked("a=1"), "other": _asked("a=1")})) == 1


def test_a_candidate_that_alone_notices_a_misreading_stays() -> None:
    kept = {"hand": _asked("a=1")}
    assert irredundant(kept, {"sharp": _asked("a=1", noticed="one less")}) == ["sharp"]


def test_only_a_fault_that_names_the_case_itself_counts_for_it() -> None:
    faults = [_fault("named", "policy/x"), _fault("pattern", "policy/*"), _fault("no-mutant", "policy/x", equivalent="same")]
    assert named_faults("policy/x", faults) == ("named",)


def _coverage_of(scenario: str, tmp_path: Path) -> CaseCoverage:
    folder = tmp_path / "policy" / "case"
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(f"title: A case\nwhy: A fault\ntopology: mesh\n{scenario}")
    (folder / "api.yaml").write_text(API)
    (found,) = coverage(load_cases([folder]), ())
    return found


def test_a_case_does_not_ask_about_a_value_that_none_of_its_flows_depends_on(tmp_path: Path) -> None:
    flow = "{from: shop/client, to: shop/api, port: 9090, verdict: denied}"
    found = _coverage_of(f"apply: [api.yaml]\nexpect: {{flows: [{flow}]}}\n", tmp_path)
    assert not [pair for pair in found.pairs if pair.field == "NetworkPolicy ingress.ports.endPort"]


def test_a_case_asks_about_a_value_at_whose_edge_one_of_its_flows_is(tmp_path: Path) -> None:
    flow = "{from: shop/client, to: shop/api, port: 8081, verdict: forwarded}"
    found = _coverage_of(f"apply: [api.yaml]\nexpect: {{flows: [{flow}]}}\n", tmp_path)
    assert Pair("NetworkPolicy ingress.ports.endPort", "no protocol, a range") in found.pairs


def test_a_change_of_policies_is_asked_about_by_what_it_does_to_a_flow(tmp_path: Path) -> None:
    flow = "{from: data/db, to: shop/api, port: 9090, verdict: %s}"
    steps = f"steps:\n  - {{apply: [api.yaml], expect: {{flows: [{flow % 'denied'}]}}}}\n"
    found = _coverage_of(f"{steps}  - {{apply: [], expect: {{flows: [{flow % 'forwarded'}]}}}}\n", tmp_path)
    assert Pair("change of policies", "NetworkPolicy removed: opened TCP") in found.pairs
