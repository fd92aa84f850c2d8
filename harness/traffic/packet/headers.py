"""The headers that all crafts begin with, as they should be unless a craft says otherwise."""

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from harness.traffic.packet.shot import Frames, Shot


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
