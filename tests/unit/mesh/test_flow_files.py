"""Flow events on their way from the kernel's ring and the proxy's log into files, and out of them: each once, in order."""

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.mesh import l7collect
from harness.mesh.l7 import names
from harness.mesh.l7collect import Collector, Log, Ring, Segments
from harness.mesh.l7flowlayout import EVENTS, FLOW, FRAME, RECORD_BYTES, SUFFIX, Way
from harness.mesh.l7flowlog import Filed, FlowLog, Lost, SeenRequest, decode
from harness.mesh.l7layout import TUPLE, Pair

PAGE = mmap.PAGESIZE
BUSY = 1 << 31
PAIR = Pair("10.0.0.1", "10.0.0.2", 8080)


def event(number: int, path: bytes = b"/a", slow: str = "fast", ways: Way = Way.CLIENT) -> bytes:
    name = PAIR.connection(40000)
    return FLOW.pack(number, 7, name, b"GET", 200, len(path), names().index(slow), ways, path[:96])


@dataclass
class Kernel:
    """A ring as the kernel shows it, in a file: positions of both sides, and the data twice."""

    size: int = PAGE
    lost: int = 0
    fd: int = field(default_factory=lambda: os.memfd_create("ring"))
    produced: int = 0

    def __post_init__(self) -> None:
        os.truncate(self.fd, 2 * PAGE + 2 * self.size)
        self.max_entries = self.size

    @property
    def consumed(self) -> int:
        return int.from_bytes(os.pread(self.fd, 8, 0), "little")

    def tell(self, record: bytes, *, busy: bool = False) -> bool:
        """Whether there was room."""
        if self.produced + RECORD_BYTES - self.consumed > self.size:
            self.lost += 1
            return False
        self._put(self.produced, struct.pack("=II", len(record) | (BUSY if busy else 0), 0) + record)
        self.produced += RECORD_BYTES
        os.pwrite(self.fd, self.produced.to_bytes(8, "little"), PAGE)
        return True

    def commit(self, at: int) -> None:
        self._put(at, struct.pack("=I", FLOW.size))

    def _put(self, at: int, data: bytes) -> None:
        for index, byte in enumerate(data):
            for copy in range(2):
                os.pwrite(self.fd, bytes([byte]), 2 * PAGE + copy * self.size + (at + index) % self.size)

    def per_cpu(self, key: bytes) -> list[bytes]:
        return [self.lost.to_bytes(8, "little"), bytes(8)]


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    made = Kernel()
    yield made
    os.close(made.fd)


def collector(kernel: Kernel, folder: Path) -> Collector:
    counts: Any = SimpleNamespace(per_cpu=kernel.per_cpu)
    ring: Any = kernel
    return Collector(ring, counts, 0, folder / "proxy.log", folder / "flows")


def test_an_event_is_read_as_the_kernel_wrote_it() -> None:
    path = b"/public/" + b"x" * 200
    seen = decode(event(5, path, ways=Way.CLIENT | Way.ASKED), 1000)
    assert seen == SeenRequest(1005, 7, PAIR, 40000, "GET", path[:96].decode(), 208, 200, None, Way.CLIENT | Way.ASKED)
    assert decode(event(5, b"", "slow_not_allowed"), 0).slow == "slow_not_allowed"
    assert FLOW.size % 8 == 0, "the kernel rounds up"
    assert TUPLE.size == 40


def test_records_are_taken_up_to_the_first_that_is_being_written(kernel: Kernel) -> None:
    ring: Any = kernel
    reader = Ring(ring)
    kernel.tell(event(1))
    kernel.tell(event(2), busy=True)
    kernel.tell(event(3))
    assert len(reader.complete()) == RECORD_BYTES
    reader.taken(RECORD_BYTES)
    assert reader.complete() == b""
    kernel.commit(RECORD_BYTES)
    found = reader.complete()
    assert [FLOW.unpack(found[at + 8 : at + RECORD_BYTES])[0] for at in (0, RECORD_BYTES)] == [2, 3]


@given(st.lists(st.sampled_from(("event", "line", "collect", "killed", "read")), max_size=60))
def test_everything_is_read_once_and_in_order_whenever_agents_die(tmp_path_factory: Any, steps: list[str]) -> None:
    """An agent that is killed between filing and taking files the same again, or the next does."""
    folder = tmp_path_factory.mktemp("flows")
    kernel = Kernel()
    agent, log = collector(kernel, folder), FlowLog(folder / "flows")
    told: list[int] = []
    lines: list[bytes] = []
    read: list[Filed] = []
    for number, step in enumerate([*steps, "collect", "read"]):
        if step == "event":
            told += [number] if kernel.tell(event(number)) else []
        elif step == "line":
            lines.append(b"line %d" % number)
            with (folder / "proxy.log").open("ab") as proxy:
                proxy.write(lines[-1] + b"\n")
        elif step == "collect":
            with patch.object(l7collect, "clocks", lambda: (0, 0)):
                agent.collect()
        elif step == "killed":
            with (
                patch.object(l7collect, "clocks", lambda: (0, 0)),
                patch.object(Ring, "taken"),
                patch.object(Log, "taken"),
            ):
                agent.collect()
            agent = collector(kernel, folder)
        else:
            read += log.new()
    os.close(kernel.fd)
    lost = sum(each.count for each in read if isinstance(each, Lost))
    shown = [each for each in read if isinstance(each, SeenRequest)]
    assert [each.time for each in shown] == told
    assert [each for each in read if isinstance(each, bytes)] == lines
    assert lost == kernel.lost


def test_what_a_log_has_been_read_of_takes_no_space(tmp_path: Path) -> None:
    path = tmp_path / "proxy.log"
    log = Log(path)
    path.write_bytes(b"line\n" * 4096 + b"begun")
    said = log.complete()
    assert said == b"line\n" * 4096
    log.taken(len(said))
    assert path.stat().st_blocks * 512 < len(said)
    with path.open("ab") as writer:
        writer.write(b" ended\n")
    assert log.complete() == b"begun ended\n"
    assert Log(path).complete() == b"begun ended\n", "the next agent goes on where this one ended"


def test_files_are_bounded_and_what_made_room_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(l7collect, "SEGMENT_BYTES", 1)
    monkeypatch.setattr(l7collect, "SEGMENTS", 3)
    segments = Segments(tmp_path)
    for number in range(10):
        record = bytes(8) + event(number)
        segments.write([FRAME.pack(EVENTS, len(record), number * RECORD_BYTES, 0, 99, 0), record])
    assert len(list(tmp_path.glob(f"*{SUFFIX}"))) == 3
    found = list(FlowLog(tmp_path).new())
    assert found[0] == Lost(99, 7, overwritten=True)
    assert [each.time for each in found[1:] if isinstance(each, SeenRequest)] == [7, 8, 9]


def test_half_a_frame_is_left_until_it_is_whole(tmp_path: Path) -> None:
    record = bytes(8) + event(1)
    whole = FRAME.pack(EVENTS, len(record), 0, 0, 0, 0) + record
    path, log = tmp_path / f"00000001{SUFFIX}", FlowLog(tmp_path)
    path.write_bytes(whole[:100])
    assert list(log.new()) == []
    path.write_bytes(whole)
    assert len(list(log.new())) == 1
    assert list(log.new()) == []
