"""The part of a fast path's agent that takes flow events out of the kernel's ring, and lines out of the proxy's log.

Both are written as they are into files of bounded size, which whoever wants to know reads (``harness.mesh.l7flowlog``):
an agent that made text of 100,000 events a second would cost more than the requests do.
"""

import ctypes
import mmap
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.mesh.l7flowlayout import EVENTS, FRAME, LINES, RECORD_BYTES, SUFFIX
from harness.mesh.l7layout import U32
from harness.mesh.maps import Map

SECONDS = 0.1
"""Between two looks at the ring: a full one of the default size holds what comes in three times as long."""

SEGMENT_BYTES = 4 << 20
SEGMENTS = 8
"""Files that are kept, the oldest of which goes: 32 MiB a node, some 180,000 requests."""

READ_BYTES = 1 << 20
PUNCH_HOLE = 1 | 2
"""FALLOC_FL_KEEP_SIZE and FALLOC_FL_PUNCH_HOLE: what has been read of a log takes no space, and its writer does not notice."""

LOOKS = 8
"""At both clocks, for each collection."""

_WORD = 8
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


class Ring:
    """A ring buffer of the kernel's whose records are all of one size.

    libbpf would call a function for each record. Here as many as are complete are copied at once.
    """

    def __init__(self, ring: Map) -> None:
        self._size = ring.max_entries
        page = mmap.PAGESIZE
        self._consumer = mmap.mmap(ring.fd, page)
        # the producer's position, and the data twice, so that a record goes on behind the end
        self._data = mmap.mmap(ring.fd, page + 2 * self._size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        self._position = ctypes.c_uint64.from_buffer(self._consumer)

    @property
    def position(self) -> int:
        """How many bytes have been taken, by all agents."""
        return self._position.value

    def complete(self) -> bytes:
        """All records that are complete, up to the first that is not; each with the kernel's word before it."""
        begin = self._position.value
        end = int.from_bytes(self._data[:_WORD], "little")
        at = mmap.PAGESIZE + begin % self._size
        busy = self._data[at + 3 : at + end - begin : RECORD_BYTES]  # the highest byte of each word, before anything behind it
        count = len(busy) - len(busy.lstrip(b"\0"))
        return self._data[at : at + count * RECORD_BYTES]

    def taken(self, size: int) -> None:
        """The kernel may write over the next ``size`` bytes."""
        self._position.value += size


class Log:
    """Lines that a proxy appends to a file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self.position = os.lseek(self._file, 0, os.SEEK_DATA)
        except OSError:  # there is none
            self.position = os.lseek(self._file, 0, os.SEEK_END)
        begin = os.pread(self._file, READ_BYTES, self.position)
        self.position += len(begin) - len(begin.lstrip(b"\0"))  # the rest of a page of which a part was read

    def complete(self) -> bytes:
        """The lines behind ``position`` that have ended."""
        read = os.pread(self._file, READ_BYTES, self.position)
        return read[: read.rfind(b"\n") + 1]

    def taken(self, size: int) -> None:
        """The next ``size`` bytes are wanted no more."""
        self.position += size
        _LIBC.fallocate(self._file, PUNCH_HOLE, 0, self.position)  # where that cannot be, the file is as long as it is


class Segments:
    """The files of one node. Each agent begins with a new one: the last of an agent that was killed may have half a frame."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._number = max((int(path.stem) for path in folder.glob(f"*{SUFFIX}")), default=0)
        self._file = -1
        self._left = 0

    def write(self, frames: Sequence[bytes]) -> None:
        """Append all of ``frames``. Raises OSError."""
        size = sum(map(len, frames))
        if self._left <= 0:
            self._next()
        self._left -= size
        while size > 0:  # a write is cut short only where there is no room, and the next one says so
            written = os.writev(self._file, frames)
            size, frames = size - written, [b"".join(frames)[written:]]

    def _next(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._number += 1
        path = self._folder / f"{self._number:08}{SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._left = SEGMENT_BYTES
        with suppress(FileNotFoundError):
            (self._folder / f"{self._number - SEGMENTS:08}{SUFFIX}").unlink()


class Collector:
    """Takes what there is, when it is time."""

    def __init__(self, ring: Map, counts: Map, lost: int, log: Path, folder: Path) -> None:
        """``counts`` has the number of lost events at ``lost``; files are written into ``folder``. Raises OSError."""
        self._ring = Ring(ring)
        self._counts = counts
        self._lost = U32.pack(lost)
        self._log = Log(log)
        self._segments = Segments(folder)
        self._due = 0.0
        self._told = 0

    def wait(self) -> float:
        """Seconds until it is time."""
        return max(0.0, self._due - time.monotonic())

    def collect(self) -> None:
        """Take all that is complete. Raises OSError: then nothing of it is taken.

        The log first, and written last: whoever reads a line of it has read what the kernel saw of its request.
        """
        lines = self._log.complete()
        events = self._ring.complete()
        lost = sum(int.from_bytes(each, "little") for each in self._counts.per_cpu(self._lost))
        offset, now = clocks()
        frames = []
        for kind, position, data in ((EVENTS, self._ring.position, events), (LINES, self._log.position, lines)):
            if data or (kind == EVENTS and lost != self._told):
                frames += [FRAME.pack(kind, len(data), position, offset, now, lost), data]
        if frames:
            self._segments.write(frames)
        self._told = lost
        self._ring.taken(len(events))
        if lines:
            self._log.taken(len(lines))
        more = len(lines) > READ_BYTES // 2
        self._due = time.monotonic() + (0.0 if more else SECONDS)


def clocks() -> tuple[int, int]:
    """The wall clock less CLOCK_MONOTONIC, which is the programs', and the wall clock, in ns.

    Of several looks the quickest: one that was interrupted would put what the kernel saw behind what came of it.
    """
    looks = []
    for _ in range(LOOKS):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        looks.append((after - before, wall - (before + after) // 2, wall))
    _, offset, wall = min(looks)
    return offset, wall
