"""Checksums and lengths that are wrong, or unusual."""

from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoRequest

from harness.traffic.packet.headers import datagram, ethernet, framed, network, segment
from harness.traffic.packet.shot import Frames, Shot

WRONG = 0x1BAD
BEYOND = 1000  # bytes after the end


def _tcp_checksum(shot: Shot) -> Frames:
    return framed(shot, network(shot) / segment(shot, chksum=WRONG))


def _udp_checksum(shot: Shot) -> Frames:
    return framed(shot, network(shot) / datagram(shot, chksum=WRONG))


def _udp_no_checksum(shot: Shot) -> Frames:
    return framed(shot, network(shot) / datagram(shot, chksum=0))


def _icmp_checksum(shot: Shot) -> Frames:
    if shot.family == 4:
        return framed(shot, network(shot) / ICMP(type=8, id=shot.number, chksum=WRONG) / shot.marker)
    return framed(shot, network(shot) / ICMPv6EchoRequest(id=shot.number, data=shot.marker, cksum=WRONG))


def _header_short(shot: Shot) -> Frames:
    return framed(shot, network(shot, ihl=4) / segment(shot))


def _udp_short(shot: Shot) -> Frames:
    return framed(shot, network(shot) / datagram(shot, len=4))


def _tcp_offset_long(shot: Shot) -> Frames:
    return framed(shot, network(shot) / segment(shot, dataofs=15))


def _ip_checksum(shot: Shot) -> Frames:
    return framed(shot, network(shot, chksum=WRONG) / segment(shot))


def _ip_short(shot: Shot) -> Frames:
    return framed(shot, network(shot, len=10) / segment(shot))


def _ip_long(shot: Shot) -> Frames:
    length = {"len": BEYOND} if shot.family == 4 else {"plen": BEYOND}
    return framed(shot, network(shot, **length) / segment(shot))


def _udp_long(shot: Shot) -> Frames:
    return framed(shot, network(shot) / datagram(shot, len=BEYOND))


def _tcp_offset(shot: Shot) -> Frames:
    return framed(shot, network(shot) / segment(shot, dataofs=4))


def _trailer(shot: Shot) -> Frames:
    return Frames((bytes(ethernet(shot) / network(shot) / segment(shot)) + bytes(32),))


CRAFTS = {
    "tcp-bad-checksum": _tcp_checksum,
    "udp-bad-checksum": _udp_checksum,
    "udp-zero-checksum": _udp_no_checksum,
    "icmp-bad-checksum": _icmp_checksum,
    "ip-header-short": _header_short,
    "udp-length-short": _udp_short,
    "tcp-offset-long": _tcp_offset_long,
    "ip-bad-checksum": _ip_checksum,
    "ip-length-short": _ip_short,
    "ip-length-long": _ip_long,
    "udp-length-long": _udp_long,
    "tcp-offset-short": _tcp_offset,
    "ip-trailer": _trailer,
}
