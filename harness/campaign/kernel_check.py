"""What the kernel that runs here does: a program, for the machine itself and for guests with other kernels.

python -m harness.campaign.kernel_check NAME ACCEL FILE DATAPLANES [--tests]: NAME is how the kernel is called, ACCEL how the
guest runs; DATAPLANES are joined by commas, - for none; FILE gets a ``KernelCheck`` as JSON.
"""

import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from pydantic import TypeAdapter

from harness.lab.build import BPF_SOURCES, ROOT, bpf_object
from harness.lab.command import run
from harness.lab.port import LabError
from harness.mesh.errors import MeshError
from harness.mesh.hooks import kernel_kind
from harness.mesh.objects import load
from harness.model.kernels import CaseOn, KernelCheck, ObjectLoad, TestsRun

CASES = (
    "policy/np-default-deny-namespace", "policy/np-both-ends", "policy/np-end-port-tcp", "policy/np-icmp",
    "policy/np-ipblock-egress", "policy/cnp-deny-over-allow", "policy/cnp-icmp-deny", "policy/cnp-entity-world",
    "identity/policy-removed", "identity/revoked-and-restored", "l7/all-pods", "l7/both-ends-between-nodes",
)  # fmt: skip
"""The core of conformance: what users write most, in each direction and each protocol, with a change and a revocation."""

DATA_PLANES = ("nftables", "sidecar", "ebpf", "ebpf-sockmap", "ebpf-l7")
CONTROL = "plain"
TESTS = ("packets", "policy", "conntrack", "fragments", "cilium", "proxy", "routes")
"""Of tests/integration/bpf, those that ask programs by test run."""

TEST_SECONDS = 1800.0
ADAPTER = TypeAdapter(KernelCheck)


class Said:
    """The observer of a guest: a line for each outcome, on standard output."""

    def planned(self, cells: int, done: int, seconds: float) -> None:
        """See Observer."""

    def added(self, cells: int) -> None:
        """See Observer."""

    def began(self, what: str) -> None:
        """See Observer."""

    def finished(self, what: str) -> None:
        """See Observer."""
        print(what, flush=True)

    def noted(self, what: str) -> None:
        """See Observer."""


def objects() -> Iterator[tuple[ObjectLoad, str]]:
    """Every object of bpf/, loaded and let go; with the hook of packet programs where it is known by one."""
    for source in sorted(BPF_SOURCES.glob("*.bpf.c")):
        name = source.name.removesuffix(".bpf.c")
        try:
            loaded = load(bpf_object(source))
        except (MeshError, LabError) as error:  # the latter of clang's
            yield ObjectLoad(name, refused=" ".join(str(error).split())), ""
            continue
        try:
            hook = str(kernel_kind(loaded.programs["from_pod"])) if "from_pod" in loaded.programs else ""
            yield ObjectLoad(name, tuple(sorted(loaded.programs))), hook
        finally:
            loaded.close()


def unsupported(planes: Sequence[str]) -> dict[str, str]:
    """What data planes do not support here, and why."""
    from harness.dataplanes import find  # noqa: PLC0415 -- as in ``cases``
    from harness.dataplanes.port import Feature, No  # noqa: PLC0415

    answers = {f"{plane.name}: {feature}": plane.supports(feature) for plane in map(find, planes) for feature in Feature}
    return {subject: answer.reason for subject, answer in answers.items() if isinstance(answer, No)}


def cases(planes: Sequence[str], *, at_once: bool) -> tuple[CaseOn, ...]:
    """What ``CASES`` come to on data planes; ``at_once``, or one after the other, for a processor that is interpreted."""
    from harness.campaign.conformance.run import Conformance  # noqa: PLC0415 -- half a minute to import where it is interpreted
    from harness.dataplanes import find  # noqa: PLC0415
    from harness.manifests.case import load_cases  # noqa: PLC0415
    from harness.model.case import CaseOutcome  # noqa: PLC0415

    asked = load_cases([ROOT / "scenarios/conformance" / case for case in CASES])
    found = [find(name) for name in planes]
    rounds = [found] if at_once else [[plane] for plane in found]
    results = [each for some in rounds for each in Conformance(asked, some, find(CONTROL), Said()).run().results]
    return tuple(
        CaseOn(each.case, each.dataplane, str(each.outcome), "" if each.outcome is CaseOutcome.PASS else each.reason)
        for each in results
    )


def tests() -> TestsRun:
    """What ``TESTS`` come to. Raises LabError where they cannot be run."""
    with tempfile.TemporaryDirectory(prefix="meshproof-") as folder:
        file = Path(folder) / "junit.xml"
        named = [f"tests/integration/bpf/test_bpf_{each}.py" for each in TESTS]
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={file}", "--rootdir", str(ROOT)]
        done = run([*argv, *(str(ROOT / each) for each in named)], seconds=TEST_SECONDS, check=False)
        if not file.exists():
            raise LabError(f"the tests of programs could not be run: {(done.stderr or done.stdout).strip()[-200:]}")
        rows = list(ElementTree.parse(file).iter("testcase"))  # noqa: S314 -- what pytest has just written
    if not rows:
        raise LabError("no test of programs ran, so that nothing is known of them")
    bad = tuple(row.attrib["name"] for row in rows if row.find("failure") is not None or row.find("error") is not None)
    skipped = sum(row.find("skipped") is not None for row in rows)
    return TestsRun(len(rows) - len(bad) - skipped, bad, skipped)


def check(kernel: str, accel: str, planes: Sequence[str], *, with_tests: bool) -> KernelCheck:
    """All of it, on the kernel that runs here."""
    loads = []
    for each, hook in objects():
        loads.append((each, hook))
        print(f"{each.name}: {each.refused or 'loaded'}", flush=True)
    hooks = [hook for _, hook in loads if hook]
    return KernelCheck(
        kernel=kernel,
        release=platform.release(),
        accel=accel,
        hook=hooks[0] if hooks else "",
        objects=tuple(each for each, _ in loads),
        unsupported=unsupported(planes) if planes else {},
        cases=cases(planes, at_once=accel != "tcg") if planes else (),
        tests=tests() if with_tests else None,
    )


def main() -> None:
    """Check, and write what was found."""
    kernel, accel, file, names = sys.argv[1:5]
    found = check(kernel, accel, [name for name in names.split(",") if name != "-"], with_tests="--tests" in sys.argv[5:])
    Path(file).write_bytes(ADAPTER.dump_json(found))


if __name__ == "__main__":
    main()
