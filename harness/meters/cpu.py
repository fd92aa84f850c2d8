"""CPU time by component, *as billed*: what cgroup v2 charges to each component's tasks.

The kernel bills softirq work (packets received, timers) to whichever task it interrupted, or to nobody where that was
the idle task. A component is thus charged for some of its neighbours' packets and spared some of its own.
Source: Linux, Documentation/admin-guide/cgroup-v2.rst, ``cpu.stat``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.lab.cgroups import CpuUsage, cpu_usage
from harness.meters.ledger import cgroups
from harness.meters.port import Subject
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.port import LoadResult

NOTHING = CpuUsage(0, 0, 0)
PER_REQUEST = frozenset(
    {
        LoadKind.COST.value,
        LoadKind.MAXIMUM.value,
        LoadKind.CLOSED.value,
        LoadKind.BLOCKING.value,
        LoadKind.CONNECTIONS.value,
    }
)
"""Loads that nothing else is read in and that do not poll."""


def _add(left: CpuUsage, right: CpuUsage, sign: int = 1) -> CpuUsage:
    return CpuUsage(left.usage + sign * right.usage, left.user + sign * right.user, left.system + sign * right.system)


def _read(folders: Sequence[Path]) -> CpuUsage:
    total = NOTHING
    for folder in folders:
        total = _add(total, cpu_usage(folder))
    return total


class CpuReading:
    """CPU time of each component between begin and end, for each ``per`` counted items of the load."""

    def __init__(self, components: Mapping[str, Sequence[Path]], noun: str, per: int) -> None:
        self._components = components
        self._noun = noun
        self._per = per
        self._before: dict[str, CpuUsage] = {}
        self._spent: dict[str, CpuUsage] = {}

    def begin(self) -> None:
        self._before = {name: _read(folders) for name, folders in self._components.items()}

    def end(self) -> None:
        after = {name: _read(folders) for name, folders in self._components.items()}
        self._spent = {name: _add(usage, self._before[name], -1) for name, usage in after.items()}

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        if not load.count:
            return ()
        total = NOTHING
        for usage in self._spent.values():
            total = _add(total, usage)
        share = self._per / load.count
        return [
            Metric(f"{name}_per_{self._noun}", seconds * share, "s", component)
            for component, usage in (*self._spent.items(), ("", total))
            for name, seconds in (("cpu", usage.usage), ("cpu_user", usage.user), ("cpu_system", usage.system))
        ]

    def attachments(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU-seconds as billed, for each request or, where the load counts bytes, for each gigabyte (10^9 B)."""

    name: str
    kinds: frozenset[str]
    noun: str
    per: int

    def available(self) -> str | None:
        return None

    def open(self, subject: Subject) -> CpuReading:
        return CpuReading(cgroups(subject), self.noun, self.per)


METERS = (
    Cpu("cpu", PER_REQUEST, "request", 1),
    Cpu("cpu-bulk", frozenset({LoadKind.BULK.value}), "gigabyte", 1_000_000_000),
)
