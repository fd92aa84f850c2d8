"""Do kernels agree? What differs between them is named; what differs without a reason is a fault."""

from collections.abc import Iterator, Mapping, Sequence

from harness.model.case import CaseOutcome
from harness.model.kernels import CaseOn, Difference, KernelCheck

_HOOKS = "tcx is of Linux 6.6; older kernels have clsact, and the loader takes what there is"


def differences(checks: Sequence[KernelCheck]) -> list[Difference]:
    """All that is not the same on all of ``checks``, faults first."""
    found = [*_hooks(checks), *_objects(checks), *_unsupported(checks), *_tests(checks), *_cases(checks)]
    return sorted(found, key=lambda each: not each.bad)


def _hooks(checks: Sequence[KernelCheck]) -> Iterator[Difference]:
    hooks = {check.kernel: check.hook or "none" for check in checks}
    if len(set(hooks.values())) > 1:
        yield Difference("hook of packet programs", hooks, _HOOKS, bad="none" in hooks.values())


def _objects(checks: Sequence[KernelCheck]) -> Iterator[Difference]:
    for name in dict.fromkeys(each.name for check in checks for each in check.objects):
        loads = {check.kernel: next((each for each in check.objects if each.name == name), None) for check in checks}
        refused = [f"{kernel}: {each.refused}" for kernel, each in loads.items() if each is not None and each.refused]
        if refused or None in loads.values():
            words = {k: "not tried" if each is None else "refused" if each.refused else "loaded" for k, each in loads.items()}
            yield Difference(f"object {name}", words, "; ".join(refused), bad=True)


def _unsupported(checks: Sequence[KernelCheck]) -> Iterator[Difference]:
    for subject in dict.fromkeys(each for check in checks for each in check.unsupported):
        reasons = {check.kernel: check.unsupported.get(subject) for check in checks}
        if None in reasons.values():  # else it is missing everywhere
            found = {kernel: "yes" if reason is None else "unsupported" for kernel, reason in reasons.items()}
            yield Difference(subject, found, next(filter(None, reasons.values())), bad=False)


def _tests(checks: Sequence[KernelCheck]) -> Iterator[Difference]:
    for name in dict.fromkeys(name for check in checks if check.tests for name in check.tests.failed):
        found = {check.kernel: "failed" if name in check.tests.failed else "passed" for check in checks if check.tests}
        yield Difference(f"test {name}", found, "", bad=True)


def _cases(checks: Sequence[KernelCheck]) -> Iterator[Difference]:
    by_kernel: Mapping[str, Mapping[tuple[str, str], CaseOn]] = {
        check.kernel: {(each.case, each.dataplane): each for each in check.cases} for check in checks
    }
    for case, plane in dict.fromkeys(key for cases in by_kernel.values() for key in cases):
        on = {kernel: cases.get((case, plane)) for kernel, cases in by_kernel.items()}
        outcomes = {kernel: "not asked" if each is None else each.outcome for kernel, each in on.items()}
        if set(outcomes.values()) in ({"pass"}, {"unsupported"}):
            continue
        told = {each.reason for each in on.values() if each is not None and each.outcome == CaseOutcome.UNSUPPORTED}
        others = {outcome for outcome in outcomes.values() if outcome != CaseOutcome.UNSUPPORTED}
        said = sorted(told) if len(others) == 1 and told else [
            f"{kernel}: {each.reason}" for kernel, each in on.items() if each is not None and each.reason
        ]  # fmt: skip
        yield Difference(f"case {case} on {plane}", outcomes, "; ".join(said), bad=len(others) > 1 or not told)
