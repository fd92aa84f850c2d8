"""QEMU as it is started here, and jobs: a script in a guest that has this machine's files, its exit status and its files back.

The fast path for checks of other kernels: no image, no daemon, no network. Where KVM runs the kernels that are asked for it is
used; elsewhere QEMU interprets (TCG): then behaviour counts, and times say nothing.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.lab.build import ROOT, cache_folder
from harness.lab.port import LabError
from harness.lab.vm.initrd import THIS_MACHINE, initrd
from harness.lab.vm.kernels import Kernel
from harness.lab.vm.machines import workplace
from harness.lab.vm.packages import required

PROGRAM = "qemu-system-x86_64"
MEMORY = "3G"
CPUS = 2
TAIL_LINES = 12
"""Of a guest's console, where it did not come to an end."""

_POLL = 0.05
_CMDLINE = "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off net.ifnames=0"
_JOB = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
{environment}
ip link set lo up
cd {root}
sh /job/script >/job/output 2>&1 </dev/null
echo $? >/job/status
sync
/bin/busybox poweroff -f
"""


@dataclass(frozen=True, slots=True)
class JobDone:
    """A job that came to its end: the script's exit status, all that it printed, the files asked for that it left in /job."""

    status: int
    output: str
    files: Mapping[str, bytes]
    seconds: float


def acceleration() -> str:
    """``kvm`` or ``tcg``: by what guests run here. ``MESHPROOF_ACCEL`` says otherwise.

    That /dev/kvm is there proves nothing: under some hypervisors stock kernels hang on it. So it is asked for by hand.
    """
    wanted = os.environ.get("MESHPROOF_ACCEL", "tcg")
    if wanted not in ("kvm", "tcg"):
        raise LabError(f"MESHPROOF_ACCEL is {wanted!r}; it is kvm or tcg")
    return wanted


def environment() -> dict[str, str]:
    """By which this checkout's Python, in a guest, is this checkout's, and finds what was compiled outside."""
    return {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "XDG_CACHE_HOME": str(cache_folder().parent)}


def command(kernel: Kernel, folder: Path, more: Sequence[str] = (), *, words: str = "") -> list[str]:
    """QEMU for a guest over this machine's files, whose job is in ``folder``/job; ``words`` are more for the kernel."""
    # One thread for all processors of a guest: with one each, Linux 6.12 at times panics where it writes over its own code.
    accel = "kvm" if acceleration() == "kvm" else "tcg,thread=single"
    model = "host" if acceleration() == "kvm" else "max"
    share = "security_model=passthrough,multidevs=remap"
    line = f"{_CMDLINE} meshproof.modules={kernel.folder / 'lib/modules'} {words}".strip()
    return [
        "setpriv", "--pdeathsig", "KILL", PROGRAM,
        "-M", "q35", "-accel", accel, "-cpu", model, "-smp", str(CPUS), "-m", MEMORY,
        "-nodefaults", "-no-reboot", "-display", "none", "-serial", f"file:{folder / 'console'}",
        "-kernel", str(kernel.image), "-initrd", str(initrd(kernel, THIS_MACHINE)), "-append", line,
        "-fsdev", f"local,id=host,path=/,readonly=on,{share}", "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
        "-fsdev", f"local,id=job,path={folder / 'job'},{share}", "-device", "virtio-9p-pci,fsdev=job,mount_tag=job",
        *more,
    ]  # fmt: skip


@contextmanager
def guest(
    kernel: Kernel, script: str, folder: Path, more: Sequence[str] = (), *, words: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """A guest that runs ``script`` at this checkout's path, and goes; left, it is gone. ``folder`` is its own."""
    required([(PROGRAM, "qemu-system-x86"), ("setpriv", "util-linux")])
    job = folder / "job"
    job.mkdir(parents=True)
    exports = "\n".join(f"export {name}='{value}'" for name, value in environment().items())
    (job / "init").write_text(_JOB.format(environment=exports, root=f"'{ROOT}'"))
    (job / "init").chmod(0o755)
    (job / "script").write_text(f"python='{sys.executable}'\n{script}\n")
    with (folder / "qemu.log").open("wb") as said:
        process = subprocess.Popen(
            command(kernel, folder, more, words=words),
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run_job(
    kernel: Kernel, script: str, *, seconds: float, told: Callable[[str], None] = lambda _line: None, back: Sequence[str] = ()
) -> JobDone:
    """Run a shell script as root on ``kernel``; ``$python`` is this Python. ``told`` hears each line as it is printed.

    Files called ``back`` that it leaves in /job are handed back, where they are there.
    Raises LabError where the guest does not come to an end in ``seconds``, with the last lines of its console.
    """
    began = time.monotonic()
    with workplace("qemu") as folder, guest(kernel, script, folder) as process:
        output = folder / "job" / "output"
        heard = 0
        while process.poll() is None:
            if time.monotonic() - began > seconds:
                raise LabError(f"Linux {kernel.release} in QEMU did not end within {seconds:g} s: {last_words(folder)}")
            time.sleep(_POLL)
            heard = _hear(output, heard, told)
        _hear(output, heard, told)
        status = folder / "job" / "status"
        if not status.exists():
            raise LabError(f"Linux {kernel.release} in QEMU went without an answer: {last_words(folder)}")
        files = {name: (folder / "job" / name).read_bytes() for name in back if (folder / "job" / name).exists()}
        return JobDone(int(status.read_text()), output.read_text(errors="replace"), files, time.monotonic() - began)


def _hear(output: Path, heard: int, told: Callable[[str], None]) -> int:
    """Tell of the lines beyond the first ``heard`` bytes that are whole; how many bytes have been told of."""
    try:
        with output.open("rb") as file:
            file.seek(heard)
            data = file.read()
    except FileNotFoundError:
        return heard
    whole, newline, _ = data.rpartition(b"\n")
    for line in whole.decode(errors="replace").split("\n") if newline else ():
        told(line)
    return heard + len(whole) + len(newline)


def last_words(folder: Path, *names: str) -> str:
    """The last lines of what a guest, or QEMU itself, said: of the files ``names`` in its folder, else of all that it has.

    Of a kernel that panicked only the reason: what follows it is a trace.
    """
    lines: list[str] = []
    for name in names or ("qemu.log", "console", "job/output"):
        path = folder / name
        if path.exists():
            said = path.read_text(errors="replace").splitlines()
            panic = [line for line in said if "Kernel panic" in line]
            lines += panic[:1] or said[-TAIL_LINES:]
    return " | ".join(filter(None, map(str.strip, lines))) or "it said nothing"
