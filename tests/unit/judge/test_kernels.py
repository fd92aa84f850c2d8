"""Kernels that differ without a reason are told from those that cannot."""

from dataclasses import replace

from harness.judge.kernels import differences
from harness.model.kernels import CaseOn, KernelCheck, ObjectLoad, TestsRun

HOST = KernelCheck(
    "host", "6.18", "none", "tcx", (ObjectLoad("mesh", ("from_pod",)),),
    {}, (CaseOn("policy/a", "ebpf", "pass"),), TestsRun(3, (), 0),
)  # fmt: skip
OLDER = replace(HOST, kernel="6.1", release="6.1.0", accel="tcg")


def test_kernels_that_do_the_same_differ_in_nothing() -> None:
    assert differences([HOST, OLDER]) == []


def test_an_older_hook_is_named_and_no_fault() -> None:
    (found,) = differences([HOST, replace(OLDER, hook="clsact")])
    assert (found.found, found.bad) == ({"host": "tcx", "6.1": "clsact"}, False)
    assert "6.6" in found.reason


def test_no_hook_at_all_is_a_fault() -> None:
    (found,) = differences([HOST, replace(OLDER, hook="")])
    assert found.bad


def test_an_object_that_one_kernel_refuses_is_a_fault_with_its_words() -> None:
    (found,) = differences([HOST, replace(OLDER, objects=(ObjectLoad("mesh", refused="no such kfunc"),))])
    assert found.bad
    assert found.found == {"host": "loaded", "6.1": "refused"}
    assert found.reason == "6.1: no such kfunc"


def test_a_refused_object_is_a_fault_of_one_kernel_alone_too() -> None:
    assert [each.bad for each in differences([replace(OLDER, objects=(ObjectLoad("mesh", refused="no"),))])] == [True]


def test_what_a_kernel_cannot_do_is_named() -> None:
    (found,) = differences([HOST, replace(OLDER, unsupported={"ebpf-sockmap: same-node-fast-path": "FIONREAD"})])
    assert (found.subject, found.reason, found.bad) == ("ebpf-sockmap: same-node-fast-path", "FIONREAD", False)


def test_what_no_kernel_can_do_is_no_difference() -> None:
    without = {"sidecar: policy-icmp": "REDIRECT captures TCP only"}
    assert differences([replace(HOST, unsupported=without), replace(OLDER, unsupported=without)]) == []


def test_a_case_that_fails_on_one_kernel_is_a_fault() -> None:
    (found,) = differences([HOST, replace(OLDER, cases=(CaseOn("policy/a", "ebpf", "fail", "dropped"),))])
    assert (found.bad, found.reason) == (True, "6.1: dropped")


def test_a_case_that_fails_on_every_kernel_is_a_fault_too() -> None:
    failed = (CaseOn("policy/a", "ebpf", "fail", "dropped"),)
    (found,) = differences([replace(HOST, cases=failed), replace(OLDER, cases=failed)])
    assert found.bad


def test_a_case_that_a_kernel_cannot_run_is_named_with_the_reason() -> None:
    (found,) = differences([HOST, replace(OLDER, cases=(CaseOn("policy/a", "ebpf", "unsupported", "too old"),))])
    assert (found.bad, found.reason) == (False, "too old")


def test_a_case_that_was_not_asked_on_a_kernel_is_a_fault() -> None:
    (found,) = differences([HOST, replace(OLDER, cases=())])
    assert (found.bad, found.found["6.1"]) == (True, "not asked")


def test_a_test_that_fails_on_one_kernel_is_a_fault_and_first() -> None:
    found = differences([HOST, replace(OLDER, hook="clsact", tests=TestsRun(2, ("test_x",), 0))])
    assert [each.subject for each in found] == ["test test_x", "hook of packet programs"]
