"""Real guests: QEMU by itself, and nodes that Vagrant brings up. What a machine lacks for it, `./toxw -e machines` installs."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.lab.vm.kernels import SUITES, Kernel
from harness.lab.vm.kernels import kernel as fetched
from harness.lab.vm.machines import RUN, owners
from harness.lab.vm.qemu import PROGRAM

MESHPROOF = Path(sys.executable).with_name("meshproof")
Guests = Callable[[], set[int]]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session", autouse=True)
def possible() -> None:
    """Fail, never skip, for want of root; skip where the kernels and the box are for another processor."""
    if platform.machine() != "x86_64":
        pytest.skip(f"Debian's kernels and the box are fetched for amd64; this machine is {platform.machine()}")
    if os.geteuid() != 0:
        pytest.fail("these tests start virtual machines: run them as root, `sudo ./toxw -e machines`")


@pytest.fixture(params=list(SUITES))
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return fetched(str(request.param))


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Whatever a test does, its machines and their folders are gone when it ends."""
    before = set(owners())
    yield
    assert set(owners()) <= before, f"left in {RUN}"


def _guests() -> set[int]:
    """The QEMU processes of this machine."""
    found = set()
    for process in Path("/proc").iterdir():
        try:
            argv = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
        except OSError:
            continue
        if Path(os.fsdecode(argv.split(b"\0")[0])).name == PROGRAM:
            found.add(int(process.name))
    return found


@pytest.fixture
def guests() -> Guests:
    """Tells which guests have begun since the test has."""
    before = _guests()
    return lambda: _guests() - before


@pytest.fixture
def meshproof() -> Run:
    """Runs the command as a user types it; the result has its status and both outputs."""

    def run(*arguments: str | Path, seconds: float = 900.0) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([MESHPROOF, *arguments], capture_output=True, text=True, timeout=seconds, check=False)

    return run
