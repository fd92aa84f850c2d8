"""What a pod's interface sends and gets, as AF_PACKET sockets see it."""

import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness.lab.port import LabPod
from harness.traffic.port import LoadFailed

INTERFACE = "eth0"
_ALL_PROTOCOLS = 3  # ETH_P_ALL of linux/if_ether.h
_SOL_PACKET, _STATISTICS, _AUXDATA = 263, 6, 8  # linux/if_packet.h, with the next lines
_STATUS = struct.Struct("=IIIHHHH")  # struct tpacket_auxdata
_VLAN_VALID, _TPID_VALID = 1 << 4, 1 << 6
_COUNTS = struct.Struct("=II")  # struct tpacket_stats
_DOT1Q = 0x8100
_ROOM = 4 << 20  # bytes of frames that may wait to be read
_LONGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame at an interface; ``leaving``: the pod sent it. ``time`` is the wall clock's when it was read."""

    time: float
    data: bytes
    leaving: bool


class Tap:
    """Captures from when it is made: what is sent afterwards is seen. ``frames`` are those that were read so far."""

    def __init__(self, pod: LabPod) -> None:
        self.ref = pod.pod.ref
        self.frames: list[Seen] = []
        with pod.entered():
            # Without a protocol a socket hears nothing until it is bound to an interface.
            self._ears = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
            self._mouth = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._ears.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), _ROOM)
        self._ears.setsockopt(_SOL_PACKET, _AUXDATA, 1)
        self._mouth.bind((INTERFACE, 0))
        self._ears.bind((INTERFACE, _ALL_PROTOCOLS))

    def __enter__(self) -> "Tap":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ears.close()
        self._mouth.close()

    def fileno(self) -> int:
        """Of the socket that can be read, for select(2)."""
        return self._ears.fileno()

    def send(self, frame: bytes) -> None:
        """Raises LoadFailed where the interface does not take it."""
        try:
            self._mouth.send(frame)
        except OSError as error:
            raise LoadFailed(f"pod {self.ref}: a frame of {len(frame)} bytes was not sent: {error.strerror}") from error

    def read(self) -> list[Seen]:
        """What has come since the last time. Raises LoadFailed where frames were lost."""
        fresh = []
        while True:
            try:
                data, messages, _, address = self._ears.recvmsg(_LONGEST, socket.CMSG_SPACE(_STATUS.size))
            except BlockingIOError:
                break
            fresh.append(Seen(time.time(), _whole(data, messages), address[2] == socket.PACKET_OUTGOING))
        _, lost = _COUNTS.unpack(self._ears.getsockopt(_SOL_PACKET, _STATISTICS, _COUNTS.size))
        if lost:
            raise LoadFailed(f"pod {self.ref}: {lost} frames were not captured; nothing is known of them")
        self.frames += fresh
        return fresh

    def save(self, file: Path) -> None:
        """Write what was captured as a pcap."""
        save(self.frames, file)


def save(frames: Iterable[Seen], file: Path) -> None:
    """Write frames as a pcap, in their order."""
    from scapy.utils import RawPcapWriter  # noqa: PLC0415 -- only for failures

    with RawPcapWriter(str(file), linktype=1, sync=True) as writer:
        writer.write_header(None)
        for each in frames:
            second = int(each.time)
            writer.write_packet(each.data, sec=second, usec=int((each.time - second) * 1_000_000))


def _whole(data: bytes, messages: list[tuple[int, int, bytes]]) -> bytes:
    """The frame with the VLAN tag that the kernel has taken out of it."""
    for level, kind, content in messages:
        if (level, kind) == (_SOL_PACKET, _AUXDATA):
            status, _, _, _, _, tag, protocol = _STATUS.unpack(content[: _STATUS.size])
            if status & _VLAN_VALID:
                kept = protocol if status & _TPID_VALID else _DOT1Q
                return data[:12] + struct.pack("!HH", kept, tag) + data[12:]
    return data
