"""The mutation gate: faults seeded one at a time, and whether a case kills each for the expected reason."""

import time
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from harness.campaign.fields import FIELDS
from harness.campaign.journal import Journal
from harness.campaign.observer import Observer
from harness.campaign.overlay import Overlay, Ran, overlay
from harness.model.case import Case, CaseOutcome, ExpectedOutcome
from harness.model.fault import Fate, Fault, Mutant, Symptom

TELLING = frozenset({Symptom.ADMITS, Symptom.DENIES, Symptom.REFUSES})
"""Any of them kills a fault without an author who says how it must show; a record that is missing does not."""


class Mutation:
    """Faults against the suite ``cases``. Verdicts that the journal holds are not asked for again.

    ``failing`` are the outcomes that are listed as other than passes: those cases cannot kill on those data planes.
    """

    def __init__(
        self,
        faults: Sequence[Fault],
        cases: Sequence[Case],
        journal: Journal,
        observer: Observer,
        failing: Sequence[ExpectedOutcome] = (),
    ) -> None:
        self._faults = faults
        self._failing = {(each.case, each.dataplane) for each in failing}
        self._cases = sorted(cases, key=lambda case: case.generated)  # those by hand first: their names say what they are for
        self._journal = journal
        self._observer = observer

    def run(self, planes: Sequence[str] | None = None) -> list[Mutant]:
        """Judge every fault on each of its data planes, or on those of ``planes`` only. Returns all verdicts, in order."""
        work = [(fault, plane) for fault in self._faults for plane in fault.planes if planes is None or plane in planes]
        done = {(r["fault"], r["dataplane"]): _mutant(r) for r in self._journal.records("mutant")}
        self._observer.planned(len(work), len([each for each in work if (each[0].name, each[1]) in done]), 0.0)
        verdicts = []
        for fault, plane in work:
            verdict = done.get((fault.name, plane))
            if verdict is None:
                self._observer.began(f"{fault.name} on {plane}: {fault.why}")
                verdict = self._judge(fault, plane)
                self._journal.append(
                    "mutant", fault=verdict.fault, dataplane=verdict.dataplane, fate=verdict.fate, case=verdict.case,
                    reason=verdict.reason, seconds=round(verdict.seconds, 1),
                )  # fmt: skip
                self._observer.finished(f"{fault.name} on {plane}: {verdict.fate} {verdict.case}".rstrip())
            verdicts.append(verdict)
        return verdicts

    def _judge(self, fault: Fault, plane: str) -> Mutant:
        began = time.monotonic()

        def verdict(fate: Fate, case: str = "", reason: str = "") -> Mutant:
            return Mutant(fault.name, plane, fate, case, reason, time.monotonic() - began)

        with overlay(fault) as mutated:
            for ran in self._asked(mutated, fault, plane):
                if ran.rows is None:
                    return verdict(Fate.INVALID, reason=ran.said.splitlines()[-1] if ran.said else "it ended without results")
                refused = [row for row in ran.rows if row["outcome"] == CaseOutcome.ERROR]
                if refused and len(refused) == len(ran.rows):
                    return verdict(Fate.INVALID, reason=refused[0]["reason"].partition("\n")[0])
                for row in ran.rows:
                    if kills(row, fault) and self._sound(row["case"], plane):
                        return verdict(Fate.KILLED, row["case"], row["reason"].partition("\n")[0])
        return verdict(Fate.EQUIVALENT, reason=fault.equivalent) if fault.equivalent else verdict(Fate.SURVIVED)

    def _asked(self, mutated: Overlay, fault: Fault, plane: str) -> Iterator[Ran]:
        """The cases of its field in the order of its patterns, or of its file's; then the rest of the suite."""
        able = [case for case in self._cases if (case.id, plane) not in self._failing]
        near: list[Case] = []
        for pattern in fault.first or FIELDS.get(fault.file, ()):
            near += [case for case in able if fnmatchcase(case.id, pattern) and case not in near]
        for group in (near, [case for case in able if case not in near]):
            yield from _rounds(mutated, group, plane)

    def _sound(self, case_id: str, plane: str) -> bool:
        """Whether the case passes without any fault: asked once, and kept in the journal."""
        for record in self._journal.records("sound"):
            if (record["case"], record["dataplane"]) == (case_id, plane):
                return bool(record["outcome"] == CaseOutcome.PASS)
        case = next(case for case in self._cases if case.id == case_id)
        with overlay(None) as unchanged:
            ran = unchanged.conform([case], plane)
        outcome = ran.rows[0]["outcome"] if ran.rows else CaseOutcome.ERROR
        self._journal.append("sound", case=case_id, dataplane=plane, outcome=outcome)
        return bool(outcome == CaseOutcome.PASS)


def _rounds(mutated: Overlay, cases: Sequence[Case], plane: str) -> Iterator[Ran]:
    """All of ``cases``, in rounds that end at a failure: it kills mostly, and with a fault each later case may wait in vain.

    A failure that does not kill may be the first of many, so the third round goes to the end.
    """
    for fail_fast in (True, True, False):
        if not cases:
            return
        ran = mutated.conform(cases, plane, fail_fast=fail_fast)
        yield ran
        judged = {row["case"] for row in ran.rows or ()}
        failed = any(row["outcome"] == CaseOutcome.FAIL for row in ran.rows or ())
        cases = [case for case in cases if case.id not in judged] if failed else []


def kills(row: dict[str, Any], fault: Fault) -> bool:
    """Whether a case failed for the reason that the fault is expected to show."""
    wanted = TELLING if fault.kind is None else {fault.kind}
    return row["outcome"] == CaseOutcome.FAIL and not wanted.isdisjoint(row["symptoms"])


def _mutant(record: dict[str, Any]) -> Mutant:
    return Mutant(
        record["fault"], record["dataplane"], Fate(record["fate"]), record["case"], record["reason"], record["seconds"]
    )
