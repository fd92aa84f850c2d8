"""The same check on several kernels: this machine's, and those of guests."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from harness.campaign.kernel_check import ADAPTER, CASES, DATA_PLANES
from harness.campaign.observer import Observer
from harness.lab.addressing import plan
from harness.lab.build import BPF_SOURCES, bpf_object
from harness.lab.command import run
from harness.lab.port import LabError
from harness.lab.vm.kernels import SUITES, Kernel, kernel
from harness.lab.vm.qemu import acceleration, run_job
from harness.model.kernels import HOST, KernelCheck
from harness.model.topology import Topology

CHECK = "harness.campaign.kernel_check"
GUEST_SECONDS = 3600.0
HOST_SECONDS = 1800.0
FILE = "check.json"
NODE_FILE = f"/tmp/{FILE}"  # noqa: S108 -- of a machine of its own


@dataclass(frozen=True, slots=True)
class Asked:
    """What is checked beside the programs: conformance's core on ``dataplanes``, and the ``tests`` of programs."""

    dataplanes: tuple[str, ...] = DATA_PLANES
    tests: bool = False


def names() -> tuple[str, ...]:
    """The kernels that there are, this machine's first."""
    return (HOST, *SUITES)


def check_kernels(kernels: Sequence[str], observer: Observer, asked: Asked, *, lab: str) -> list[KernelCheck]:
    """Check each of ``kernels``, in their order; guests by ``qemu`` or ``vagrant``. Raises LabError."""
    observer.planned(len(kernels) * len(CASES) * len(asked.dataplanes), 0, 0.0)
    guests = {"qemu": _in_guest, "vagrant": _in_node}
    return [(_on_host if name == HOST else guests[lab])(name, observer, asked) for name in kernels]


def _arguments(name: str, accel: str, file: str, asked: Asked) -> list[str]:
    return ["-m", CHECK, name, accel, file, ",".join(asked.dataplanes) or "-", *(["--tests"] if asked.tests else [])]


def _on_host(name: str, observer: Observer, asked: Asked) -> KernelCheck:
    observer.began("this machine's kernel")
    with tempfile.TemporaryDirectory(prefix="meshproof-") as folder:
        file = Path(folder) / FILE
        done = run([sys.executable, "-P", *_arguments(name, "none", str(file), asked)], seconds=HOST_SECONDS, ending=30.0)
        for line in done.stdout.splitlines():
            _tell(observer, name, line)
        return ADAPTER.validate_json(file.read_bytes())


def _in_guest(name: str, observer: Observer, asked: Asked) -> KernelCheck:
    fetched = build_for(name, observer)
    observer.began(f"Linux {fetched.release}: {acceleration()}")
    script = " ".join(['exec "$python" -P', *_arguments(name, acceleration(), f"/job/{FILE}", asked)])
    job = run_job(fetched, script, seconds=GUEST_SECONDS, told=lambda line: _tell(observer, name, line), back=(FILE,))
    if job.status != 0 or FILE not in job.files:
        last = " | ".join(filter(None, job.output.splitlines()[-5:]))
        raise LabError(f"the check ended with status {job.status} on Linux {fetched.release}: {last or 'it said nothing'}")
    return ADAPTER.validate_json(job.files[FILE])


def _in_node(name: str, observer: Observer, asked: Asked) -> KernelCheck:
    """In a node that Vagrant brings up, in which everything is as in one that a user does."""
    from harness.lab.vm.vagrant import vagrant_nodes  # noqa: PLC0415 -- which few runs need

    build_for(name, observer)
    alone = plan(Topology("node", ("node",), (), ())).nodes
    with vagrant_nodes(name, alone, observer.began) as (node,), tempfile.TemporaryFile() as log:
        argv = [sys.executable, "-P", *_arguments(name, acceleration(), NODE_FILE, asked)]
        process = node.start(argv, log)
        end = Timer(GUEST_SECONDS, process.kill)
        end.start()
        try:
            for line in process.stdout or ():
                _tell(observer, name, line.rstrip())
            status = process.wait()
        finally:
            end.cancel()
            process.kill()
        if status != 0:
            log.seek(0)
            last = " | ".join(log.read().decode(errors="replace").splitlines()[-5:])
            raise LabError(f"the check ended with status {status} in the node: {last or 'it said nothing'}")
        return ADAPTER.validate_json(node.run(["cat", NODE_FILE], seconds=60.0).stdout)


def build_for(name: str, observer: Observer) -> Kernel:
    """A kernel, with its programs built: a guest that is interpreted would take minutes for it."""
    fetched = kernel(name)
    observer.began(f"Linux {fetched.release}: building its programs")
    for source in BPF_SOURCES.glob("*.bpf.c"):
        bpf_object(source, btf=fetched.btf)
    return fetched


def _tell(observer: Observer, name: str, line: str) -> None:
    if " on " in line:
        observer.finished(f"{name}: {line}")
    else:
        observer.began(f"{name}: {line}")
