"""How long the data plane's BPF programs run, and how often, from the kernel's own statistics.

The statistics are switched on by a file descriptor and off with it. They cost each run about 20 ns, which is why they
are read only under a traced load, never beside latency or CPU figures.
Source: bpf(2), BPF_ENABLE_STATS; ``struct bpf_prog_info`` of linux/bpf.h.
"""

import ctypes
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from harness.meters.libbpf import library
from harness.meters.port import MeterError, Subject
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.port import LoadResult

RUN_TIME = 0  # BPF_STATS_RUN_TIME


class _ProgramInfo(ctypes.Structure):
    """The head of ``struct bpf_prog_info``; only ``name``, ``run_time_ns`` and ``run_cnt`` are read."""

    _fields_ = (
        ("before_name", ctypes.c_uint8 * 64),
        ("name", ctypes.c_char * 16),
        ("before_run_time", ctypes.c_uint8 * 112),
        ("run_time_ns", ctypes.c_uint64),
        ("run_cnt", ctypes.c_uint64),
    )


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of one program so far, and the time that they took, while statistics were on."""

    nanoseconds: int
    count: int


def _checked(result: int, doing: str) -> int:
    if result < 0:
        raise MeterError(f"{doing}: {os.strerror(-result)}")
    return result


def _info(fd: int) -> _ProgramInfo:
    info = _ProgramInfo()
    size = ctypes.c_uint32(ctypes.sizeof(info))
    _checked(library().bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size)), "reading a BPF program's statistics")
    return info


def _runs(fd: int) -> Runs:
    info = _info(fd)
    return Runs(info.run_time_ns, info.run_cnt)


class BpfTimeReading:
    """Holds the programs open, so that one that is replaced meanwhile can still be read."""

    def __init__(self, subject: Subject) -> None:
        self._held = ExitStack()
        self._statistics = ExitStack()
        self._programs: dict[int, str] = {}
        self._before: dict[int, Runs] = {}
        self._spent: dict[str, Runs] = {}
        for component in subject.components:
            for program in component.programs:
                fd = self._opened(
                    library().bpf_prog_get_fd_by_id(program), f"opening BPF program {program} of {component.name}"
                )
                self._programs[fd] = f"{component.name}/{_info(fd).name.decode()}"

    def _opened(self, fd: int, doing: str) -> int:
        try:
            self._held.callback(os.close, _checked(fd, doing))
        except MeterError:
            self.close()
            raise
        return fd

    def begin(self) -> None:
        if self._programs:
            self._statistics.callback(os.close, _checked(library().bpf_enable_stats(RUN_TIME), "switching BPF statistics on"))
        self._before = {fd: _runs(fd) for fd in self._programs}

    def end(self) -> None:
        sums: dict[str, list[Runs]] = defaultdict(list)
        for fd, name in self._programs.items():
            after, before = _runs(fd), self._before[fd]
            sums[name].append(Runs(after.nanoseconds - before.nanoseconds, after.count - before.count))
        self._statistics.close()
        self._spent = {
            name: Runs(sum(runs.nanoseconds for runs in each), sum(runs.count for runs in each)) for name, each in sums.items()
        }

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        """By program, programs of one name together; a program that never ran has no time for each run."""
        if not load.count or not self._spent:
            return ()
        metrics = [Metric("bpf_runs", runs.count / load.count, "1/request", name) for name, runs in self._spent.items()]
        metrics += [
            Metric("bpf_run_time", runs.nanoseconds / runs.count / 1e9, "s", name)
            for name, runs in self._spent.items() if runs.count
        ]  # fmt: skip
        total = sum(runs.nanoseconds for runs in self._spent.values())
        metrics.append(Metric("bpf_time_per_request", total / load.count / 1e9, "s"))
        return metrics

    def attachments(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None:
        self._statistics.close()
        self._held.close()


class BpfTime:
    """Time for each run, and runs for each request, of the data plane's BPF programs."""

    name = "bpf-time"
    kinds = frozenset({LoadKind.TRACE.value})

    def available(self) -> str | None:
        if os.geteuid() != 0:
            return "BPF statistics need root"
        try:
            library()
        except MeterError as error:
            return str(error)
        return None

    def open(self, subject: Subject) -> BpfTimeReading:
        return BpfTimeReading(subject)


METERS = (BpfTime(),)
