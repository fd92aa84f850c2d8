"""Control groups, version 2: one for each lab, node, pod and component, for billing and for killing."""

import os
import select
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.lab.port import LabError


@cache
def root() -> Path:
    """Where cgroup v2 is mounted; raises LabError where it is not."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(target)
    raise LabError("cgroup v2 is not mounted; mount it by `mount -t cgroup2 none /sys/fs/cgroup`")


@dataclass(frozen=True, slots=True)
class CpuUsage:
    """CPU time billed to a cgroup and all below it, in seconds (``cpu.stat`` of cgroup v2)."""

    usage: float
    user: float
    system: float


def cpu_usage(cgroup: Path) -> CpuUsage:
    """CPU time of ``cgroup`` so far. Read from every cgroup, whether or not the cpu controller is enabled."""
    found = dict(line.split() for line in (cgroup / "cpu.stat").read_text().splitlines())
    return CpuUsage(*(int(found[key]) / 1e6 for key in ("usage_usec", "user_usec", "system_usec")))


def pids(cgroup: Path) -> list[int]:
    """The processes of ``cgroup`` and of all below it."""
    found: list[int] = []
    for folder, _, _ in os.walk(cgroup):
        found += map(int, (Path(folder) / "cgroup.procs").read_text().split())
    return found


def kill(cgroup: Path, seconds: float = 10.0) -> int:
    """SIGKILL everything in ``cgroup`` and below; returns how many when all are gone. Raises LabError after ``seconds``."""
    try:
        with (cgroup / "cgroup.events").open() as events:
            if not _populated(events.fileno()):
                return 0
            count = len(pids(cgroup))
            (cgroup / "cgroup.kill").write_text("1")
            _await_empty(cgroup, events.fileno(), time.monotonic() + seconds)
    except FileNotFoundError:
        return 0  # it is gone with all that was in it
    return count


def _populated(events: int) -> bool:
    return b"populated 1" in os.pread(events, 256, 0)


def _await_empty(cgroup: Path, events: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(events, select.POLLPRI)
    while _populated(events):
        left = deadline - time.monotonic()
        if left <= 0:
            raise LabError(
                f"processes {pids(cgroup)} of {cgroup} survived SIGKILL; they wait in the kernel, see /proc/PID/stack"
            )
        poll.poll(min(left, 0.1) * 1000)


def remove(cgroup: Path) -> bool:
    """Remove an empty cgroup and all below it; False where there was none."""
    if not cgroup.exists():
        return False
    for folder, _, _ in os.walk(cgroup, topdown=False):
        Path(folder).rmdir()
    return True
