"""Reads what the agent of a fast path has filed about requests (``harness.mesh.l7collect``), also while it files more."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.mesh.l7 import names
from harness.mesh.l7flowlayout import EVENTS, FLOW, FRAME, RECORD_BYTES, SUFFIX, Way
from harness.mesh.l7layout import PAIR, TUPLE, Pair

_FAST = "fast"
_WORD = RECORD_BYTES - FLOW.size


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request that the kernel saw. ``time`` and ``latency`` are in ns, the first of the wall clock.

    ``slow`` says why it went to the proxy, and then nothing is known but its connection; None where it did not. ``path`` is
    cut where the whole has more bytes (``path_bytes``). ``status`` is 0 where it is not known.
    """

    time: int
    latency: int
    pair: Pair
    client_port: int
    method: str
    path: str
    path_bytes: int
    status: int
    slow: str | None
    ways: Way


@dataclass(frozen=True, slots=True)
class Lost:
    """Events of which nothing is known but their number, and when that was seen (ns of the wall clock)."""

    time: int
    count: int
    overwritten: bool = False
    """They were filed, and their file made room for later ones; else the kernel's ring was full."""


Filed = SeenRequest | Lost | bytes
"""The last is a line of the proxy's log."""


def decode(record: bytes, offset: int) -> SeenRequest:
    """An event as the kernel wrote it; ``offset`` is the wall clock less the kernel's, in ns."""
    time, latency, name, method, status, path_bytes, slow, ways, path = FLOW.unpack(record)
    client, backend, client_port, backend_port, family = TUPLE.unpack(name)
    why = names()[slow]
    return SeenRequest(
        time=time + offset,
        latency=latency,
        pair=Pair.unpack(PAIR.pack(client, backend, backend_port, family)),
        client_port=int.from_bytes(client_port, "big"),
        method=method.rstrip(b"\0").decode("ascii"),
        path=path[:path_bytes].decode("ascii", "replace"),
        path_bytes=path_bytes,
        status=status,
        slow=None if why == _FAST else why,
        ways=Way(ways),
    )


class FlowLog:
    """The files of one node's agents, each of which follows the one before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._at = 0
        self._next = {EVENTS: 0}
        """Where in the ring, or the proxy's log, what has not been read begins. What an agent filed just before it was killed
        is filed by the next one again."""
        self._lost = 0

    def new(self) -> Iterator[Filed]:
        """What was filed since the last call, in that order."""
        numbers = sorted(int(path.stem) for path in self._folder.glob(f"*{SUFFIX}"))
        for number in numbers:
            if number < self._number:
                continue
            if number > self._number:
                self._number, self._at = number, 0
            yield from self._frames(self._folder / f"{number:08}{SUFFIX}")

    def _frames(self, path: Path) -> Iterator[Filed]:
        try:
            with path.open("rb") as file:
                file.seek(self._at)
                data = file.read()
        except FileNotFoundError:  # it has made room for others
            return
        at = 0
        while at + FRAME.size <= len(data):
            kind, size, position, offset, filed, lost = FRAME.unpack_from(data, at)
            if at + FRAME.size + size > len(data):
                return  # the rest is being written, or never will be
            found = data[at + FRAME.size : at + FRAME.size + size]
            at += FRAME.size + size
            self._at += FRAME.size + size
            yield from self._frame(kind, found, position, offset, Lost(filed, lost))

    def _frame(self, kind: bytes, data: bytes, position: int, offset: int, lost: Lost) -> Iterator[Filed]:
        due = self._next.get(kind, position)
        self._next[kind] = max(due, position + len(data))
        data = data[max(0, due - position) :]
        if kind != EVENTS:
            yield from data.split(b"\n")[:-1]
            return
        if position > due:
            yield Lost(lost.time, (position - due) // RECORD_BYTES, overwritten=True)
        for (record,) in struct.iter_unpack(f"{_WORD}x{FLOW.size}s", data):
            yield decode(record, offset)
        if lost.count > self._lost:
            yield Lost(lost.time, lost.count - self._lost)
            self._lost = lost.count
