"""The same check on several kernels: this machine's, and those of guests."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.campaign.kernel_check import ADAPTER, CASES, DATA_PLANES
from harness.campaign.observer import Observer
from harness.lab.build import BPF_SOURCES, bpf_object
from harness.lab.command import run
from harness.lab.port import LabError
from harness.lab.vm.kernels import SUITES, kernel
from harness.lab.vm.qemu import acceleration, run_job
from harness.model.kernels import HOST, KernelCheck

CHECK = "harness.campaign.kernel_check"
GUEST_SECONDS = 3600.0
HOST_SECONDS = 1800.0
FILE = "check.json"


def names() -> tuple[str, ...]:
    """The kernels that there are, this machine's first."""
    return (HOST, *SUITES)


def check_kernels(kernels: Sequence[str], observer: Observer, *, with_tests: bool) -> list[KernelCheck]:
    """Check each of ``kernels``, in their order. Raises LabError."""
    observer.planned(len(kernels) * len(CASES) * len(DATA_PLANES), 0, 0.0)
    return [_on_host(observer, with_tests) if name == HOST else _in_guest(name, observer, with_tests) for name in kernels]


def _arguments(name: str, accel: str, file: str, with_tests: bool) -> list[str]:
    return ["-m", CHECK, name, accel, file, *(["--tests"] if with_tests else [])]


def _on_host(observer: Observer, with_tests: bool) -> KernelCheck:
    observer.began("this machine's kernel")
    with tempfile.TemporaryDirectory(prefix="meshproof-") as folder:
        file = Path(folder) / FILE
        done = run([sys.executable, "-P", *_arguments(HOST, "none", str(file), with_tests)], seconds=HOST_SECONDS, ending=30.0)
        for line in done.stdout.splitlines():
            _tell(observer, HOST, line)
        return ADAPTER.validate_json(file.read_bytes())


def _in_guest(name: str, observer: Observer, with_tests: bool) -> KernelCheck:
    fetched = kernel(name)
    observer.began(f"Linux {fetched.release}: building its programs")
    for source in BPF_SOURCES.glob("*.bpf.c"):
        bpf_object(source, btf=fetched.btf)  # a guest that is interpreted would take minutes
    observer.began(f"Linux {fetched.release}: {acceleration()}")
    script = " ".join(['exec "$python" -P', *_arguments(name, acceleration(), f"/job/{FILE}", with_tests)])
    job = run_job(fetched, script, seconds=GUEST_SECONDS, told=lambda line: _tell(observer, name, line), back=(FILE,))
    if job.status != 0 or FILE not in job.files:
        last = " | ".join(filter(None, job.output.splitlines()[-5:]))
        raise LabError(f"the check ended with status {job.status} on Linux {fetched.release}: {last or 'it said nothing'}")
    return ADAPTER.validate_json(job.files[FILE])


def _tell(observer: Observer, name: str, line: str) -> None:
    if " on " in line:
        observer.finished(f"{name}: {line}")
    else:
        observer.began(f"{name}: {line}")
