from harness.manifests.case import load_cases
from harness.manifests.expectations import load_expectations
from harness.manifests.place import SCENARIOS
from harness.model.bypass import Tamper, Technique
from harness.model.case import CaseOutcome
from harness.report.bypass import catalogue

CONFORMANCE = SCENARIOS / "conformance"
PLANES = ("sidecar-mtls", "node-proxy", "ebpf", "ebpf-sockmap", "nftables")
DOCUMENT = SCENARIOS.parent / "docs" / "conformance.md"


def test_the_documented_catalogue_is_what_is_expected_of_the_cases() -> None:
    cases = load_cases([CONFORMANCE / "bypass"])
    table = catalogue(cases, load_expectations(CONFORMANCE / "expectations.yaml"), PLANES)
    assert table in DOCUMENT.read_text(), f"write this into {DOCUMENT.name}:\n{table}"


def test_each_case_names_its_technique_and_each_tampering_is_tried() -> None:
    cases = load_cases([CONFORMANCE / "bypass"])
    assert len(cases) >= 18
    assert all(case.technique for case in cases)
    assert {each.run for case in cases for step in case.steps for each in step.tampering} == set(Tamper)


def test_a_technique_that_gets_around_a_plane_is_shown_as_such() -> None:
    cases = [case for case in load_cases([CONFORMANCE / "bypass"]) if case.technique is Technique.PROXY_KILLED]
    (first, *_) = load_expectations(CONFORMANCE / "expectations.yaml")
    entry = type(first)(first.origin, cases[0].id, "ebpf", CaseOutcome.FAIL, "a reason")
    assert catalogue(cases, [entry], ["ebpf", "plain"]).splitlines()[-1] == "| proxy killed | **around: 1 of 2** | holds |"
