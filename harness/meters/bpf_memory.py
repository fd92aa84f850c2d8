"""Kernel memory of the data plane's BPF programs and of the maps that they use.

A mesh in the kernel has next to no processes whose memory could be counted, but it is not free.
Source: ``memlock`` of /proc/PID/fdinfo, the kernel's own account of each object; of maps it is their memory in full
from Linux 6.4 (``map_mem_usage``), and an estimate from their sizes before.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.meters.libbpf import Held, library, program_info
from harness.meters.port import MeterError, Subject
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.port import LoadResult

MOST_MAPS = 64  # of one program; the verifier's own limit (MAX_USED_MAPS)


def _memory(descriptors: Iterable[int]) -> int:
    lines = [line for fd in descriptors for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("memlock:"))


class BpfMemoryReading:
    """Memory at the end of the load: a map without preallocation has grown by then."""

    def __init__(self, held: Held, programs: Sequence[int]) -> None:
        self._held = held
        self._programs = programs
        identities = {identity for fd in programs for identity in program_info(fd, MOST_MAPS)[1]}
        self._maps = [held.map(identity) for identity in sorted(identities)]
        self._bytes: dict[str, int] = {}

    def begin(self) -> None: ...

    def end(self) -> None:
        self._bytes = {"programs": _memory(self._programs), "maps": _memory(self._maps)}

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        parts = [Metric("bpf_memory", float(value), "B", name) for name, value in self._bytes.items()]
        return [*parts, Metric("bpf_memory", float(sum(self._bytes.values())), "B")]

    def attachments(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None:
        self._held.close()


class BpfMemory:
    """Bytes that the kernel holds for the data plane's programs and maps; a map that several use counts once."""

    name = "bpf-memory"
    kinds = frozenset({LoadKind.COST.value})

    def available(self) -> str | None:
        try:
            library()
        except MeterError as error:
            return str(error)
        return None

    def open(self, subject: Subject) -> BpfMemoryReading:
        held = Held()
        try:
            return BpfMemoryReading(held, [held.program(program) for c in subject.components for program in c.programs])
        except MeterError:
            held.close()
            raise


METERS = (BpfMemory(),)
