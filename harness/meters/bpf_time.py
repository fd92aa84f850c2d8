"""How long each of the data plane's BPF programs runs, and how often, from the kernel's own statistics.

The statistics are switched on by a file descriptor and off with it. They cost each run about 20 ns, which is why they
are read only under a traced load, never beside latency or CPU figures.
Source: bpf(2), BPF_ENABLE_STATS; ``struct bpf_prog_info`` of linux/bpf.h.
"""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from harness.meters.libbpf import Held, checked, library, program_info
from harness.meters.port import MeterError, Subject
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.port import LoadResult

RUN_TIME = 0  # BPF_STATS_RUN_TIME


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of one program so far, and the time that they took, while statistics were on."""

    nanoseconds: int
    count: int

    def __add__(self, other: "Runs") -> "Runs":
        return Runs(self.nanoseconds + other.nanoseconds, self.count + other.count)

    def __sub__(self, other: "Runs") -> "Runs":
        return Runs(self.nanoseconds - other.nanoseconds, self.count - other.count)


def program_runs(fd: int) -> Runs:
    """Runs of a program so far."""
    info, _ = program_info(fd)
    return Runs(info.run_time_ns, info.run_cnt)


class BpfTimeReading:
    """Runs of each program between begin and end."""

    def __init__(self, held: Held, programs: Sequence[int]) -> None:
        self._held = held
        self._statistics = ExitStack()
        self._programs = {fd: program_info(fd)[0].name.decode() for fd in programs}
        self._before: dict[int, Runs] = {}
        self._spent: dict[str, Runs] = {}

    def begin(self) -> None:
        if self._programs:
            self._statistics.callback(os.close, checked(library().bpf_enable_stats(RUN_TIME), "switching BPF statistics on"))
        self._before = {fd: program_runs(fd) for fd in self._programs}

    def end(self) -> None:
        sums: dict[str, list[Runs]] = defaultdict(list)
        for fd, name in self._programs.items():
            after, before = program_runs(fd), self._before[fd]
            sums[name].append(Runs(after.nanoseconds - before.nanoseconds, after.count - before.count))
        self._statistics.close()
        self._spent = {
            name: Runs(sum(runs.nanoseconds for runs in each), sum(runs.count for runs in each)) for name, each in sums.items()
        }

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        """By program, programs of one name together; a program that never ran has no time for each run."""
        if not load.count or not self._spent:
            return ()
        metrics = [Metric("bpf_runs", runs.count / load.count, "1", name) for name, runs in self._spent.items()]
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
        held = Held()
        try:
            return BpfTimeReading(held, [held.program(program) for c in subject.components for program in c.programs])
        except MeterError:
            held.close()
            raise


METERS = (BpfTime(),)
