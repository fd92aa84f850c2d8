"""A job in QEMU: its status and its files come back, and nothing of it stays, whatever becomes of it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Guests, Run

from harness.lab.build import BPF_SOURCES
from harness.lab.port import LabError
from harness.lab.vm.kernels import Kernel, kernel
from harness.lab.vm.machines import RUN
from harness.lab.vm.qemu import run_job

SECONDS = 120.0


def test_status_lines_and_files_of_a_job_come_back(kernel: Kernel) -> None:
    heard: list[str] = []
    script = "uname -r; echo two; printf kept >/job/kept; printf lost >/etc/lost; exit 3"
    done = run_job(kernel, script, seconds=SECONDS, told=heard.append, back=("kept", "never"))
    assert done.status == 3
    assert heard == done.output.splitlines() == [kernel.release, "two"]
    assert done.files == {"kept": b"kept"}
    assert not Path("/etc/lost").exists()


def test_every_program_loads(kernel: Kernel, meshproof: Run) -> None:
    """Packet programs, socket programs and those of benches: what 6.1 and 6.12 do not have is not needed."""
    done = meshproof("kernels", kernel.name, "--programs", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (check,) = json.loads(done.stdout)["kernels"]
    names = [source.name.removesuffix(".bpf.c") for source in sorted(BPF_SOURCES.glob("*.bpf.c"))]
    assert [(each["name"], each["refused"]) for each in check["objects"]] == [(name, "") for name in names]
    assert (check["release"], check["hook"]) == (kernel.release, "clsact" if kernel.name == "6.1" else "tcx")


def test_a_guest_that_hangs_is_ended_and_told_of(guests: Guests) -> None:
    began = time.monotonic()
    with pytest.raises(LabError, match=r"did not end within 15 s.*begun"):
        run_job(kernel("6.1"), "echo begun; sleep 1000", seconds=15.0)
    assert time.monotonic() - began < 30
    assert not guests()


def test_a_kernel_that_panics_is_told_of_with_its_last_words() -> None:
    with pytest.raises(LabError, match=r"went without an answer.*Kernel panic"):
        run_job(kernel("6.1"), "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 100", seconds=SECONDS)


def test_a_harness_that_is_killed_takes_its_guest_along_and_clean_removes_the_rest(meshproof: Run, guests: Guests) -> None:
    program = (
        "from harness.lab.vm.kernels import kernel\n"
        "from harness.lab.vm.qemu import run_job\n"
        "run_job(kernel('6.1'), 'echo begun; sleep 1000', seconds=900, told=lambda line: print(line, flush=True))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == "begun\n"
        assert len(guests()) == 1
        (folder,) = (path for path in RUN.iterdir() if path.name.startswith("qemu-"))
        assert f"left, for process {harness.pid}" in meshproof("clean").stdout
        os.kill(harness.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while guests():
        assert time.monotonic() < deadline, "the guest is still there"
        time.sleep(0.05)
    assert folder.exists()
    assert f"virtual machines {folder.name}: removed" in meshproof("clean").stdout
    assert not folder.exists()
