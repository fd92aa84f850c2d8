"""A second clock for the generator: when the kernel saw each numbered request and its answer at an interface.

The generator times its own calls on CLOCK_MONOTONIC. Here the kernel stamps packets as they pass an interface, on
CLOCK_REALTIME (``SO_TIMESTAMPNS``), by a socket that knows nothing of the generator. Which is whose is told by the number
in each request's head, and by the connection, which carries one request at a time.
"""

import ctypes
import re
import socket
import struct
import time
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt

from harness.lab.port import LabPod
from harness.traffic.port import LoadFailed

ROOM = 1 << 30  # bytes of packets that may wait: they are read when the load is over, as reading would disturb it
KEPT = 512  # bytes of each packet: a request's whole head, and of an answer what follows it on the same connection
_ALL_PROTOCOLS = 3  # ETH_P_ALL of linux/if_ether.h
_SOL_PACKET, _STATISTICS = 263, 6  # linux/if_packet.h
_SO_ATTACH_FILTER, _SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 26, 35, 33  # asm-generic/socket.h
_COUNTS = struct.Struct("=II")  # struct tpacket_stats
_TIME = struct.Struct("=qq")  # struct timespec
_NUMBER = re.compile(rb"\r\nx-request-id: (\d{10})\r\n")

# TCP over IPv4 that carries bytes, first fragments only; offsets are from the IP header on, as of SOCK_DGRAM.
_CARRIES = (
    (0x30, 0, 0, 0),  # ldb [0]
    (0x54, 0, 0, 0xF0),  # and #0xf0
    (0x15, 0, 16, 0x40),  # jeq #0x40: IPv4, else refused
    (0x30, 0, 0, 9),  # ldb [9]
    (0x15, 0, 14, 6),  # jeq #6: TCP
    (0x28, 0, 0, 6),  # ldh [6]
    (0x45, 12, 0, 0x1FFF),  # jset #0x1fff: a later fragment
    (0xB1, 0, 0, 0),  # ldxb 4*([0]&0xf)
    (0x50, 0, 0, 12),  # ldb [x+12]
    (0x54, 0, 0, 0xF0),  # and #0xf0
    (0x74, 0, 0, 2),  # rsh #2: the size of TCP's header
    (0x0C, 0, 0, 0),  # add x: of both headers
    (0x02, 0, 0, 0),  # st M[0]
    (0x80, 0, 0, 0),  # ld #pktlen: not the header's total, which is 0 for a large segment that waits to be cut
    (0x61, 0, 0, 0),  # ldx M[0]
    (0x1C, 0, 0, 0),  # sub x
    (0x15, 2, 0, 0),  # jeq #0: nothing carried
    (0x06, 0, 0, KEPT),  # ret
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0),
)


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that carried bytes: when it passed (ns of CLOCK_REALTIME), between whom, and the first bytes that it carried."""

    time: int
    sender: bytes
    receiver: bytes
    carried: bytes


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What an observer saw of a connection at a time (ns): a request with its number, or without one a part of its answer."""

    time: int
    connection: Hashable
    number: int | None


@dataclass(frozen=True, slots=True)
class Sightings:
    """What an observer saw of numbered requests; equal lengths, in order of ``number``.

    ``number`` is the request's place in the generator's records. ``asked`` and ``answered`` are ns of the observer's clock:
    when the request was seen first, and when its answer was seen last.
    """

    number: npt.NDArray[np.int64]
    asked: npt.NDArray[np.int64]
    answered: npt.NDArray[np.int64]


class Witness:
    """Keeps what passes ``interface`` of a pod, both ways, from when it is made until it is read. IPv4 only."""

    def __init__(self, pod: LabPod, interface: str) -> None:
        self._what = f"pod {pod.pod.ref}, interface {interface}"
        with pod.entered():
            # Without a protocol a socket hears nothing until it is bound to an interface.
            self._ears = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
        code = b"".join(struct.pack("=HBBI", *step) for step in _CARRIES)
        self._code = ctypes.create_string_buffer(code)
        program = struct.pack("@HP", len(_CARRIES), ctypes.addressof(self._code))
        self._ears.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        self._ears.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, ROOM)
        self._ears.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._ears.bind((interface, _ALL_PROTOCOLS))

    def __enter__(self) -> "Witness":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ears.close()

    def read(self) -> list[Packet]:
        """What passed, in order of time. Raises LoadFailed where packets found no room: nothing is known of those."""
        packets = list(self._read())
        _, lost = _COUNTS.unpack(self._ears.getsockopt(_SOL_PACKET, _STATISTICS, _COUNTS.size))
        if lost:
            raise LoadFailed(f"{self._what}: {lost} packets were not captured; make the load shorter or slower")
        return sorted(packets, key=lambda packet: packet.time)

    def _read(self) -> Iterator[Packet]:
        while True:
            try:
                data, messages, _, _ = self._ears.recvmsg(KEPT, socket.CMSG_SPACE(_TIME.size))
            except BlockingIOError:
                return
            second, nanosecond = _TIME.unpack(messages[0][2][: _TIME.size])
            tcp = (data[0] & 15) * 4
            carried = tcp + (data[tcp + 12] >> 4) * 4
            yield Packet(
                second * 1_000_000_000 + nanosecond, data[12:16] + data[tcp : tcp + 2], data[16:20] + data[tcp + 2 : tcp + 4],
                data[carried:],
            )  # fmt: skip


def number_in(carried: bytes) -> int | None:
    """The number in these bytes of a request's head, or None."""
    found = _NUMBER.search(carried)
    return int(found[1]) if found else None


def sightings(packets: Iterable[Packet]) -> Sightings:
    """Requests and their answers as an interface showed them, ns of CLOCK_REALTIME. ``packets`` are in order of time.

    Connections are told by the end that asks: a redirection may show the other under two addresses.
    """
    return joined(_glimpses(packets))


def _glimpses(packets: Iterable[Packet]) -> Iterator[Glimpse]:
    for packet in packets:
        number = number_in(packet.carried) if packet.carried.startswith(b"GET ") else None
        yield Glimpse(packet.time, packet.receiver if number is None else packet.sender, number)


def joined(glimpses: Iterable[Glimpse]) -> Sightings:
    """Each numbered request with all that came back before its connection's next one. ``glimpses`` are in order of time.

    A request that is seen twice, as on loopback, counts from its first time; an answer to its last. Requests that were never
    answered are left out, and so is what no numbered request came before.
    """
    latest: dict[Hashable, int] = {}
    asked: dict[int, int] = {}
    answered: dict[int, int] = {}
    for glimpse in glimpses:
        if glimpse.number is not None:
            asked.setdefault(glimpse.number, glimpse.time)
            latest[glimpse.connection] = glimpse.number
        elif glimpse.connection in latest:
            answered[latest[glimpse.connection]] = glimpse.time
    numbers = sorted(answered)
    return Sightings(
        np.array(numbers, dtype=np.int64),
        np.array([asked[number] for number in numbers], dtype=np.int64),
        np.array([answered[number] for number in numbers], dtype=np.int64),
    )


def realtime_offset() -> int:
    """ns that CLOCK_REALTIME is ahead of CLOCK_MONOTONIC now, from the quickest of some readings."""
    best = (1 << 62, 0)
    for _ in range(50):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        real = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        best = min(best, (after - before, real - (before + after) // 2))
    return best[1]
