"""What a craft is made from, and the headers that all begin with."""

from dataclasses import dataclass

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

MARKER = 16  # bytes


@dataclass(frozen=True, slots=True)
class Shot:
    """Everything that a craft may put into a packet. Addresses are of ``family``; ``claimed`` is the source that it bears.

    ``marker`` is unlike that of any other shot, and is in the payload of all that is judged. ``number`` is a port of the
    client's that no other shot uses at the time, and an echo's identifier.
    """

    family: int
    client: str
    server: str
    claimed: str
    mac: str
    gateway: str
    port: int
    cover: int
    number: int
    marker: bytes

    @property
    def identification(self) -> int:
        """Of the shot's fragments: 16 bits, as much as IPv4 has room for."""
        return int.from_bytes(self.marker[:2], "big") or 1

    @property
    def prelude(self) -> bytes:
        """The payload of what the server sends first: not what is judged."""
        return self.marker[::-1]


@dataclass(frozen=True, slots=True)
class Frames:
    """What a craft sends. ``prelude``: IP packets that the server sends first, and that are awaited at the client.

    ``fragments``: all of ``frames`` are fragments of one packet, so that each counts, with the marker or without.
    """

    frames: tuple[bytes, ...]
    prelude: tuple[bytes, ...] = ()
    fragments: bool = False


def ethernet(shot: Shot, **fields: object) -> Packet:
    """From the client's interface to its gateway."""
    return Ether(**{"src": shot.mac, "dst": shot.gateway} | fields)


def network(shot: Shot, **fields: object) -> Packet:
    """The IP header from the claimed source to the server. ``fields`` are scapy's, of either family."""
    kind = IP if shot.family == 4 else IPv6
    return kind(**{"src": shot.claimed, "dst": shot.server} | fields)


def segment(shot: Shot, flags: str = "S", **fields: object) -> Packet:
    """A TCP segment to the port that carries the marker; of a connection that does not exist."""
    given = {"sport": shot.number, "dport": shot.port, "seq": 1, "ack": 1 if "A" in flags else 0, "flags": flags} | fields
    return TCP(**given) / shot.marker


def datagram(shot: Shot, **fields: object) -> Packet:
    """A UDP datagram to the port that carries the marker."""
    return UDP(**{"sport": shot.number, "dport": shot.port} | fields) / shot.marker


def framed(shot: Shot, *packets: Packet) -> Frames:
    """IP packets in frames as they should be."""
    return Frames(tuple(bytes(ethernet(shot) / packet) for packet in packets))


def upper_bytes(shot: Shot, packet: Packet) -> bytes:
    """A transport header and its payload, with the checksum that it has when it is sent whole."""
    header = 20 if shot.family == 4 else 40
    return bytes(network(shot) / packet)[header:]
