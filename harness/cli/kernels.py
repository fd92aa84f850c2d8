"""``meshproof kernels``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from harness.campaign.kernel_check import DATA_PLANES
from harness.campaign.kernel_matrix import Asked, check_kernels, names
from harness.cli.progress import Display
from harness.cli.status import Status, UsageError, guarded, interruptible, say
from harness.dataplanes import find
from harness.lab.facts import commit
from harness.report.kernel_rows import FILE, FORMAT, KernelMatrix
from harness.report.kernels import answer, matrix_markdown, write_matrix


def kernels(
    named: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KERNEL]...", help=f"Of {', '.join(names())}; all when none is given. host is this machine's."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write kernels.json, summary.md and report.html there.")
    ] = None,
    dataplane: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"A data plane for the cases; repeat for more. Without: {', '.join(DATA_PLANES)}."),
    ] = None,
    programs: Annotated[
        bool, typer.Option("--programs", help="Only whether the programs load, which takes half a minute.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the matrix as JSON instead of as text.")] = False,
    lab: Annotated[
        str, typer.Option(metavar="qemu|vagrant", help="What a guest is: a job in QEMU, or a node of Vagrant.")
    ] = "qemu",
    tests: Annotated[
        bool, typer.Option("--tests", help="Also run the tests of programs by test run; needs pytest, as in `tox -e kernels`.")
    ] = False,
) -> int:
    """Check the programs and conformance's core on other kernels, in virtual machines that end with the check.

    Each kernel gets the programs built by its own types; said is whether it takes them, by which hook, and what conformance
    cases come to on it. Kernels are Debian's own, fetched into the cache. Guests run in QEMU: times in them say nothing, and
    none is reported. Needs root.

    Exit status: 0 the kernels agree, or what differs has a reason; 1 something differs without one, or a program was refused;
    2 bad input, 3 this machine cannot, 130 interrupted.

    \b
    Examples:
      sudo meshproof kernels
      sudo meshproof kernels 6.1 --programs
      sudo meshproof kernels host 6.1 --out results/kernels
      sudo meshproof kernels 6.1 --lab vagrant --dataplane ebpf
      sudo ./toxw -e kernels -- --out results/kernels
    """

    def command() -> int:
        asked = list(dict.fromkeys(named or names()))
        unknown = [name for name in asked if name not in names()]
        if unknown:
            raise UsageError(f"there is no kernel {unknown[0]!r}; there are {', '.join(names())}")
        if programs and (dataplane or tests):
            raise UsageError("--programs asks nothing of data planes and runs no tests: leave --dataplane and --tests out")
        planes = () if programs else tuple(find(name).name for name in dict.fromkeys(dataplane or DATA_PLANES))
        if lab not in ("qemu", "vagrant"):
            raise UsageError(f"--lab {lab}: there is qemu and vagrant")
        if out is not None:
            if (out / FILE).exists():
                raise UsageError(f"{out} holds a matrix already; name another folder, or remove it")
            out.mkdir(parents=True, exist_ok=True)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        with interruptible(), Display("outcomes") as display:
            checks = check_kernels(asked, display, Asked(planes, tests), lab=lab)
        matrix = KernelMatrix(format=FORMAT, started=started, commit=commit(), kernels=checks)
        if out is not None:
            for file in write_matrix(matrix, out):
                say(f"wrote {file}")
        typer.echo(matrix.model_dump_json(indent=1) if json else matrix_markdown(matrix) if out is None else answer(matrix))
        refused = any(each.refused for check in checks for each in check.objects)
        return Status.UNEXPECTED if refused or any(each.bad for each in matrix.differences) else Status.EXPECTED

    return guarded(command)
