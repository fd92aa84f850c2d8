import json
from dataclasses import replace
from xml.etree import ElementTree

from harness.model.case import CaseOutcome, CaseResult
from harness.report.conformance import conformance_json, conformance_junit, conformance_markdown
from harness.report.conformance_text import plane_lines
from harness.report.convergence import Convergence

PASSED = CaseResult("policy/a", "policy", "ebpf", CaseOutcome.PASS, evidence="no-rule-allows x 2", rule="np.yaml:3")
FAILED = CaseResult("policy/b", "policy", "ebpf", CaseOutcome.FAIL, "first | line\nsecond", "none", None, expected=False)
KNOWN = CaseResult("policy/c", "policy", "ebpf", CaseOutcome.FAIL, "known", "none", None)
GAP = CaseResult("policy/b", "policy", "sidecar-mtls", CaseOutcome.UNSUPPORTED, "policy-udp: TCP only")
SURPRISE = CaseResult("policy/d", "policy", "ebpf", CaseOutcome.PASS, expected=False)
RESULTS = [PASSED, FAILED, KNOWN, GAP, SURPRISE]
TOOK = {"ebpf": Convergence(4, 0.001, 0.0123)}


def test_json_has_the_fields_that_programs_rely_on() -> None:
    written = json.loads(conformance_json(RESULTS))
    assert written["format"] == 1
    assert written["results"][0] == {
        "case": "policy/a", "area": "policy", "dataplane": "ebpf", "outcome": "pass", "expected": True, "reason": "",
        "evidence": "no-rule-allows x 2", "rule": "np.yaml:3", "symptoms": [],
        "admitted_meanwhile": 0,
    }  # fmt: skip
    assert [row["expected"] for row in written["results"]] == [True, False, True, True, False]


def test_junit_has_a_test_case_for_each_case_and_plane_and_is_red_for_what_was_not_expected() -> None:
    root = ElementTree.fromstring(conformance_junit(RESULTS, TOOK))  # noqa: S314 - our own writing
    ebpf, sidecar = root.findall("testsuite")
    assert (ebpf.get("tests"), ebpf.get("failures"), ebpf.get("errors"), ebpf.get("skipped")) == ("4", "2", "0", "1")
    assert (sidecar.get("tests"), sidecar.get("skipped")) == ("1", "1")
    assert {case.get("name") for case in ebpf.findall("testcase") if case.find("failure") is not None} == {
        "policy/b",
        "policy/d",
    }
    assert sidecar.find("testcase/skipped") is not None


def test_junit_survives_what_a_program_may_have_said() -> None:
    odd = CaseResult("policy/a", "policy", "ebpf", CaseOutcome.ERROR, "bell \x07 & <tag>", expected=False)
    root = ElementTree.fromstring(conformance_junit([odd], {}))  # noqa: S314 - our own writing
    found = root.find("testsuite/testcase/error")
    assert found is not None
    assert "<tag>" in (found.text or "")


def test_the_matrix_counts_by_area_and_feature_and_lists_what_was_not_expected() -> None:
    features = {
        "policy/a": ["policy-tcp"],
        "policy/b": ["policy-tcp", "policy-udp"],
        "policy/c": ["policy-tcp"],
        "policy/d": [],
    }
    text = conformance_markdown(RESULTS, features, TOOK)
    assert "| policy | policy-tcp | 1 passed, 2 **failed** (1 not expected) | 1 unsupported |" in text
    assert "| policy | policy-udp | 1 **failed** (1 not expected) | 1 unsupported |" in text
    assert "| ebpf | 4 | 1.0 ms | 12.3 ms |" in text
    assert "- `policy/b` on ebpf: fail. first \\| line" in text
    assert text.splitlines()[2] == "**2 of 5 outcomes not expected**: 4 cases on 2 data planes."
    assert text.index("- `policy/d` on ebpf") < text.index("| area |"), "what was not expected stands first"


def test_the_matrix_begins_with_the_answer() -> None:
    text = conformance_markdown([PASSED, KNOWN], {"policy/a": [], "policy/c": []}, {})
    assert text.splitlines()[2] == "**All 2 outcomes as expected**: 2 cases on 1 data plane."


def test_a_data_planes_line_says_how_many_changes_its_times_are_of() -> None:
    once = {"ebpf": Convergence(1, 0.0153, 0.0153)}
    assert list(plane_lines([PASSED], once)) == [
        "ebpf: 1 case: 1 pass; all as expected; 1 change of policy enforced after p50 15.3 ms, p99 15.3 ms"
    ]


def test_what_was_admitted_while_changes_were_under_way_is_counted_by_plane() -> None:
    counts = (("a", 2), ("a", 3), ("b", 0))
    results = [replace(PASSED, dataplane=plane, admitted_meanwhile=count) for plane, count in counts]
    text = conformance_markdown(results, {each.case: [] for each in results}, {})
    assert "| a | 5 |" in text
    assert "| b | 0 |" not in text
    assert "admitted" not in conformance_markdown(results[2:], {each.case: [] for each in results}, {})
