"""``meshproof conform --lab``: the same cases where nodes are virtual machines."""

from collections.abc import Sequence

from harness.campaign.conformance.machines import judge_on_machines
from harness.cli.progress import Display
from harness.cli.status import UsageError, interruptible, say
from harness.lab.vm.kernels import SUITES
from harness.lab.vm.qemu import acceleration
from harness.model.case import Case, CaseOutcome, CaseResult, ExpectedOutcome

LABS = ("netns", "qemu", "vagrant")


def check_lab(lab: str, kernel: str | None, *, others: bool) -> None:
    """Raise UsageError where ``--lab``, ``--kernel`` and options that they do not go with (``others``) were given together."""
    if lab not in LABS:
        raise UsageError(f"--lab {lab}: there is {', '.join(LABS)}")
    if lab == "netns" and kernel is not None:
        raise UsageError("--kernel is for --lab qemu and vagrant: namespaces have this machine's")
    if lab != "netns" and others:
        raise UsageError(f"--lab {lab} goes with --dataplane, --json, --junit, --markdown and --expectations alone")
    if kernel is not None and kernel not in SUITES:
        raise UsageError(f"there is no kernel {kernel!r}; there are {', '.join(SUITES)}")


def on_machines(
    lab: str, kernel: str | None, cases: Sequence[Case], dataplanes: Sequence[str], listed: Sequence[ExpectedOutcome]
) -> tuple[list[CaseResult], list[ExpectedOutcome]]:
    """What cases came to, and what was expected of those that could be asked. Raises LabError."""
    named = kernel or next(iter(SUITES))
    with interruptible(), Display("outcomes") as display:
        results = judge_on_machines(lab, named, cases, dataplanes, display)
    say(f"nodes were machines: lab={lab} kernel={named} accel={acceleration()}; no figure comes from there")
    unheard = {(each.case, each.dataplane) for each in results if each.outcome is CaseOutcome.UNSUPPORTED}
    return results, [each for each in listed if (each.case, each.dataplane) not in unheard]
