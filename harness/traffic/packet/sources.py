"""Addresses that are not the sender's."""

from dataclasses import replace

from scapy.layers.inet import ICMP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest

from harness.traffic.packet.headers import datagram, framed, network, segment
from harness.traffic.packet.shot import Frames, Shot


def _tcp(shot: Shot) -> Frames:
    return framed(shot, network(shot) / segment(shot))


def _udp(shot: Shot) -> Frames:
    return framed(shot, network(shot) / datagram(shot))


def _reset(shot: Shot) -> Frames:
    return framed(shot, network(shot) / segment(shot, "R"))


def _echo(shot: Shot) -> Frames:
    if shot.family == 4:
        return framed(shot, network(shot) / ICMP(type=8, id=shot.number) / shot.marker)
    return framed(shot, network(shot) / ICMPv6EchoRequest(id=shot.number, data=shot.marker))


def _udp_known(shot: Shot) -> Frames:
    begun = network(shot) / UDP(sport=shot.number, dport=shot.port) / shot.prelude
    return Frames(_udp(shot).frames, prelude=(bytes(begun),))


def _reset_known(shot: Shot) -> Frames:
    """The number is the one that the server expects next: it would end the connection (RFC 5961 3.2)."""
    begun = network(shot) / TCP(sport=shot.number, dport=shot.port, seq=1, flags="S") / shot.prelude
    return Frames(framed(shot, network(shot) / segment(shot, "R", seq=2)).frames, prelude=(bytes(begun),))


def _land(shot: Shot) -> Frames:
    """Source and destination are the same, the ports too."""
    own = replace(shot, claimed=shot.server)
    return framed(own, network(own) / segment(own, sport=shot.port))


CRAFTS = {
    "tcp-spoofed": _tcp,
    "udp-spoofed": _udp,
    "udp-spoofed-known": _udp_known,
    "icmp-echo-spoofed": _echo,
    "tcp-rst-injected": _reset,
    "tcp-rst-injected-known": _reset_known,
    "tcp-land": _land,
}
