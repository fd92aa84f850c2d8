"""Addresses that are not the sender's."""

from dataclasses import replace

from harness.traffic.packet.headers import datagram, framed, network, segment
from harness.traffic.packet.shot import Frames, Shot


def _tcp(shot: Shot) -> Frames:
    return framed(shot, network(shot) / segment(shot))


def _udp(shot: Shot) -> Frames:
    return framed(shot, network(shot) / datagram(shot))


def _reset(shot: Shot) -> Frames:
    return framed(shot, network(shot) / segment(shot, "R"))


def _land(shot: Shot) -> Frames:
    """Source and destination are the same, the ports too."""
    own = replace(shot, claimed=shot.server)
    return framed(own, network(own) / segment(own, sport=shot.port))


CRAFTS = {"tcp-spoofed": _tcp, "udp-spoofed": _udp, "tcp-rst-injected": _reset, "tcp-land": _land}
