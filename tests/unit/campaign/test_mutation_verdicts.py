"""When a fault counts as killed."""

from pathlib import Path
from typing import Any

import pytest

from harness.campaign import mutation
from harness.campaign.journal import Journal
from harness.campaign.mutation import Mutation, kills
from harness.campaign.overlay import Ran, overlay
from harness.manifests.case import load_cases
from harness.manifests.faults import load_faults
from harness.model.case import Case
from harness.model.fault import Fate, Fault, Symptom
from harness.model.origin import Origin

FAULT = Fault(Origin("f.yaml", 1), "f", "why", "bpf/policy.h", "a", "b", ("ebpf",), Symptom.ADMITS, ("policy/np-*",))


def row(case: str, outcome: str, *symptoms: str) -> dict[str, Any]:
    return {"case": case, "outcome": outcome, "symptoms": list(symptoms), "reason": f"{case} {outcome}"}


@pytest.mark.parametrize(
    ("outcome", "symptoms", "kind", "killed"),
    [
        ("fail", ["admits"], Symptom.ADMITS, True),
        ("fail", ["denies"], Symptom.ADMITS, False),
        ("fail", ["admits", "denies"], Symptom.DENIES, True),
        ("error", ["admits"], Symptom.ADMITS, False),
        ("pass", [], Symptom.BREAKS, False),
        ("fail", ["breaks"], None, False),
        ("fail", ["refuses"], None, True),
        ("fail", ["refuses"], Symptom.DENIES, False),
        ("fail", ["denies"], None, True),
    ],
)
def test_a_case_kills_by_failing_as_expected(outcome: str, symptoms: list[str], kind: Symptom | None, killed: bool) -> None:
    fault = Fault(FAULT.origin, "f", "why", "x", "a", "b", ("ebpf",), kind)
    assert kills(row("policy/a", outcome, *symptoms), fault) is killed


class Silent:
    def planned(self, total: int, done: int, seconds: float) -> None: ...

    def began(self, what: str) -> None: ...

    def finished(self, what: str) -> None: ...

    def noted(self, what: str) -> None: ...


class Scripted:
    """An overlay whose cases fail as told; without a fault only ``broken`` ones do."""

    answers: dict[str, tuple[str, ...]]
    broken: tuple[str, ...] = ()

    def __init__(self, fault: Fault | None) -> None:
        self._fault = fault

    def __enter__(self) -> "Scripted":
        return self

    def __exit__(self, *_: object) -> None: ...

    def conform(self, cases: list[Case], plane: str, *, fail_fast: bool = False) -> Ran:
        rows = []
        for case in cases:
            symptoms = self.answers.get(case.id, ()) if self._fault else ("admits",) if case.id in self.broken else ()
            rows.append(row(case.id, "fail" if symptoms else "pass", *symptoms))
            if symptoms and fail_fast:
                break
        return Ran(rows, "")


def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[str, ...]], *broken: str) -> Any:
    case = load_cases()[0]
    names = [("policy", "np-a"), ("policy", "np-b"), ("identity", "c"), ("identity", "d")]
    cases = [Case(name, area, case.title, case.why, case.origin, case.topology, case.steps) for area, name in names]
    scripted = type("Told", (Scripted,), {"answers": answers, "broken": broken})
    monkeypatch.setattr(mutation, "overlay", scripted)
    journal = Journal(tmp_path / "journal.jsonl")
    (verdict,) = Mutation([FAULT], cases, journal, Silent()).run()
    (again,) = Mutation([FAULT], cases, journal, Silent()).run()
    assert again.fate is verdict.fate  # from the journal
    return verdict


def test_a_case_of_its_field_kills_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = judged(tmp_path, monkeypatch, {"identity/c": ("admits",), "policy/np-b": ("admits",)})
    assert (verdict.fate, verdict.case) == (Fate.KILLED, "policy/np-b")


def test_the_rest_of_the_suite_is_asked_past_failures_that_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = judged(tmp_path, monkeypatch, {"policy/np-a": ("denies",), "identity/c": ("denies",), "identity/d": ("admits",)})
    assert (verdict.fate, verdict.case) == (Fate.KILLED, "identity/d")


def test_a_case_of_its_field_that_does_not_kill_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = judged(tmp_path, monkeypatch, {"policy/np-a": ("denies",), "policy/np-b": ("admits",)})
    assert (verdict.fate, verdict.case) == (Fate.KILLED, "policy/np-b")


def test_nothing_is_asked_after_the_first_failure_that_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    conform = Scripted.conform

    def recorded(self: Scripted, cases: list[Case], plane: str, *, fail_fast: bool = False) -> Ran:
        ran = conform(self, cases, plane, fail_fast=fail_fast)
        asked.append(tuple(row["case"] for row in ran.rows or ()))
        return ran

    monkeypatch.setattr(Scripted, "conform", recorded)
    verdict = judged(tmp_path, monkeypatch, {"policy/np-a": ("admits",), "policy/np-b": ("admits",)})
    assert verdict.fate is Fate.KILLED
    assert asked == [("policy/np-a",), ("policy/np-a",)]  # with the fault, and whether it passes without


def test_a_case_that_fails_without_the_fault_kills_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = judged(tmp_path, monkeypatch, {"policy/np-a": ("admits",)}, "policy/np-a")
    assert verdict.fate is Fate.SURVIVED


def test_an_overlay_has_the_fault_and_the_checkout_does_not(tmp_path: Path) -> None:
    fault = next(fault for fault in load_faults() if fault.file.startswith("bpf/"))
    with overlay(fault) as mutated:
        assert fault.replace in (mutated.folder / fault.file).read_text()
        assert (mutated.folder / fault.file).read_text().count(fault.find) == fault.replace.count(fault.find)
        folder = mutated.folder
    assert not folder.exists()
