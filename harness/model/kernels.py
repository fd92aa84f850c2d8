"""What a kernel was seen to do: which programs it takes, what tests of them say, and what conformance cases came to on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HOST = "host"
"""The name of the kernel that the harness itself runs on."""


@dataclass(frozen=True, slots=True)
class ObjectLoad:
    """One BPF object: the programs in it, or why the kernel refused it (empty: it did not)."""

    name: str
    programs: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class TestsRun:
    """Tests of the programs by test run with scapy's packets: how many passed, and which did not."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    passed: int
    failed: tuple[str, ...]
    skipped: int


@dataclass(frozen=True, slots=True)
class CaseOn:
    """What a conformance case came to on a data plane: an outcome of ``CaseOutcome``, and the reason where it is no pass."""

    case: str
    dataplane: str
    outcome: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class KernelCheck:
    """One kernel. ``accel``: ``none`` on the machine itself, else how the guest ran (kvm, tcg): no time of its counts."""

    kernel: str
    release: str
    accel: str
    hook: str
    """By which tc programs are put on interfaces: tcx or clsact; empty where none was loaded."""

    objects: tuple[ObjectLoad, ...]
    unsupported: Mapping[str, str] = field(default_factory=dict)
    """What the kernel cannot do, as ``dataplane: feature``, and why; what a data plane never does is not in it."""

    cases: tuple[CaseOn, ...] = ()
    tests: TestsRun | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not the same on all kernels: what was found, by kernel, and why, where that is known.

    One that is ``bad`` is a fault of ours; others are what a kernel is known not to do.
    """

    subject: str
    found: Mapping[str, str]
    reason: str
    bad: bool
