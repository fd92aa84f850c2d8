"""Memory of a data plane's processes as proportional set size (PSS): a page that n of them share counts 1/n for each.

Resident set size would count the text that all of Envoy's processes share once for each of them.
Source: Linux, Documentation/filesystems/proc.rst, ``smaps_rollup``.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.lab.cgroups import pids
from harness.meters.ledger import plane_cgroups
from harness.meters.port import MeterError, Subject
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.port import LoadResult


def pss(pid: int) -> int:
    """Proportional set size of a process in bytes; 0 for one that is gone. Raises MeterError where it may not be read."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except PermissionError:
        raise MeterError(f"memory of process {pid} may not be read; run as root") from None
    # A process that has exited but is not reaped yet has the file, but no memory.
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _total(folders: Iterable[Path]) -> int:
    return sum(pss(pid) for folder in folders for pid in pids(folder))


class MemoryReading:
    """Memory at the end of the load, when buffers and pools have grown to what the load needs."""

    def __init__(self, components: Mapping[str, Sequence[Path]]) -> None:
        self._components = components
        self._bytes: dict[str, int] = {}

    def begin(self) -> None: ...

    def end(self) -> None:
        self._bytes = {name: _total(folders) for name, folders in self._components.items()}

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        """A data plane without processes has 0 bytes in all; what it holds in the kernel is another metric."""
        parts = [Metric("pss", float(value), "B", name) for name, value in self._bytes.items()]
        return [*parts, Metric("pss", float(sum(self._bytes.values())), "B")]

    def attachments(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None: ...


class Memory:
    """PSS of the data plane's processes; client and server are not its cost."""

    name = "memory"
    kinds = frozenset({LoadKind.COST.value})

    def available(self) -> str | None:
        if Path("/proc/self/smaps_rollup").exists():
            return None
        return "the kernel lacks /proc/PID/smaps_rollup; it needs CONFIG_PROC_PAGE_MONITOR"

    def open(self, subject: Subject) -> MemoryReading:
        return MemoryReading(plane_cgroups(subject))


METERS = (Memory(),)
