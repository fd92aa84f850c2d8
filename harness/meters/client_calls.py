"""A third clock for the generator: when the kernel was called to send each numbered request, and when it gave the answer.

The generator reads its own clock around its calls. Here the kernel stamps the same calls on its side (client_calls.c): the
entry of send(2), and the exit of each recv(2) that brought something. Which request it was is read from the bytes that were
given to send(2), never from the generator's word. x86-64: registers of other machines have other names.
"""

import ctypes
import mmap
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any

from harness.lab.port import LabPod
from harness.meters.port import MeterError
from harness.meters.tracing import attached, compiled, offsets
from harness.traffic.sightings import Glimpse, Sightings, joined, number_in

REGISTERS = {
    "NUMBER": ("pt_regs", "orig_ax"),
    "FIRST": ("pt_regs", "di"),
    "SECOND": ("pt_regs", "si"),
    "THIRD": ("pt_regs", "dx"),
}
PROBES = ((b"sys_exit", b"on_exit"), (b"sys_enter", b"on_enter"))
COMPONENT = "client"  # what generators are billed to


class _Stamped(ctypes.Structure):
    """``struct call`` of client_calls.c."""

    _fields_ = (
        ("time", ctypes.c_uint64),
        ("fd", ctypes.c_uint32),
        ("sends", ctypes.c_uint32),
        ("tail", ctypes.c_ubyte * 32),
    )


@dataclass(frozen=True, slots=True)
class Call:
    """An entry of send(2) with the last bytes that it was given, or (without any) an exit of recv(2); ns of CLOCK_MONOTONIC."""

    time: int
    fd: int
    tail: bytes


class _Program:
    """The compiled and loaded probes, attached to nothing, and what was taken out of their ring."""

    def __init__(self) -> None:
        flags = [f"-DPAGE_SIZE={mmap.PAGESIZE}", *offsets(REGISTERS)]
        self.bpf: Any = compiled("client_calls.c", flags, [function for _, function in PROBES])
        self._taken: list[Call] = []
        self.bpf[b"calls"].open_ring_buffer(self._take)

    def _take(self, _context: object, data: int, _size: int) -> int:
        stamped = _Stamped.from_buffer_copy(ctypes.string_at(data, ctypes.sizeof(_Stamped)))
        self._taken.append(Call(stamped.time, stamped.fd, bytes(stamped.tail) if stamped.sends else b""))
        return 0

    def emptied(self) -> list[Call]:
        self.bpf.ring_buffer_consume()
        taken, self._taken = self._taken, []
        return taken


@cache
def _program() -> _Program:
    """Once a process: loading takes a second."""
    return _Program()


class CallWitness:
    """Keeps the calls of what runs as a pod's client, from when it is made until it is read. One at a time in a process.

    Raises MeterError where this machine cannot be traced.
    """

    def __init__(self, pod: LabPod) -> None:
        self._what = f"pod {pod.pod.ref}"
        self._program = _program()
        self._program.emptied()
        bpf = self._program.bpf
        bpf[b"client"][0] = ctypes.c_uint64(pod.component_cgroup(COMPONENT).stat().st_ino)
        bpf[b"lost"][0] = ctypes.c_uint64(0)
        self._attached = ExitStack()
        self._attached.enter_context(attached(bpf, PROBES))

    def __enter__(self) -> "CallWitness":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._attached.close()

    def read(self) -> list[Call]:
        """The calls so far, in order of time; none is kept after it. Raises MeterError where some found no room."""
        self._attached.close()
        calls = self._program.emptied()
        lost = self._program.bpf[b"lost"][0].value
        if lost:
            raise MeterError(f"{self._what}: {lost} system calls found no room; make the load shorter or slower")
        return sorted(calls, key=lambda call: call.time)


def sightings(calls: Iterable[Call]) -> Sightings:
    """Requests from the entry of their send(2) to the exit of the last recv(2) that brought something of the answer.

    ns of CLOCK_MONOTONIC. ``calls`` are in order of time.
    """
    return joined(
        Glimpse(call.time, call.fd, number) for call in calls if (number := number_in(call.tail)) is not None or not call.tail
    )
