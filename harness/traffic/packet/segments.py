"""Well-formed packets, and TCP segments that belong to no connection or that no stack would send."""

from collections.abc import Callable

from scapy.layers.inet import ICMP, TCP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest

from harness.traffic.packet.headers import datagram, framed, network, segment
from harness.traffic.packet.shot import Frames, Shot

SERVER_PORT = 1000
"""A port that no client is given (net.ipv4.ip_local_port_range), plus the shot's number modulo a thousand times ten."""


def _flags(flags: str) -> Callable[[Shot], Frames]:
    return lambda shot: framed(shot, network(shot) / segment(shot, flags))


def _udp(shot: Shot) -> Frames:
    return framed(shot, network(shot) / datagram(shot))


def _echo(shot: Shot) -> Frames:
    if shot.family == 4:
        return framed(shot, network(shot) / ICMP(type=8, id=shot.number) / shot.marker)
    return framed(shot, network(shot) / ICMPv6EchoRequest(id=shot.number, data=shot.marker))


def _echo_reply(shot: Shot) -> Frames:
    if shot.family == 4:
        return framed(shot, network(shot) / ICMP(type=0, id=shot.number) / shot.marker)
    return framed(shot, network(shot) / ICMPv6EchoReply(id=shot.number, data=shot.marker))


def _ack_low_port(shot: Shot) -> Frames:
    return framed(shot, network(shot) / segment(shot, "A", sport=SERVER_PORT + shot.number % 10_000))


def _syn_ack(shot: Shot) -> Frames:
    """As an answer of the client's port to a connection that the server never opened."""
    answer = TCP(sport=shot.port, dport=shot.number, flags="SA", seq=1, ack=1) / shot.marker
    return framed(shot, network(shot) / answer)


CRAFTS = {
    "tcp-syn": _flags("S"),
    "udp": _udp,
    "icmp-echo": _echo,
    "icmp-echo-reply": _echo_reply,
    "tcp-syn-fin": _flags("SF"),
    "tcp-syn-rst": _flags("SR"),
    "tcp-syn-ecn": _flags("SEC"),
    "tcp-all-flags": _flags("FSRPAU"),
    "tcp-null": _flags(""),
    "tcp-xmas": _flags("FPU"),
    "tcp-fin": _flags("F"),
    "tcp-ack": _flags("A"),
    "tcp-ack-low-port": _ack_low_port,
    "tcp-syn-ack": _syn_ack,
    "tcp-rst": _flags("R"),
}
