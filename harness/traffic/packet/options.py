"""Options of IPv4, extension headers of IPv6, and packets inside packets: ports are not where they usually are."""

import struct
from collections.abc import Callable
from ipaddress import IPv4Address

from scapy.layers.inet import IPOption, IPOption_LSRR, IPOption_Router_Alert, IPOption_RR, IPOption_SSRR
from scapy.layers.inet6 import HAO, HBHOptUnknown, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN
from scapy.packet import Packet

from harness.traffic.packet.headers import framed, network, segment, upper_bytes
from harness.traffic.packet.shot import Frames, Shot

UNKNOWN = b"\x9e\x04\xab\xcd"  # copied, reserved class, number 30: assigned to nobody
TIMESTAMP = b"\x44\x08\x05\x00" + bytes(4)  # RFC 791: room for one, which the next router may fill
CHAIN = 8
_TCP, _AUTHENTICATION = 6, 51


def _with_option(make: Callable[[Shot], Packet | bytes]) -> Callable[[Shot], Frames]:
    return lambda shot: framed(shot, network(shot, options=[make(shot)]) / segment(shot))


def _with_header(make: Callable[[Shot], Packet]) -> Callable[[Shot], Frames]:
    return lambda shot: framed(shot, network(shot) / make(shot) / segment(shot))


def discard() -> Packet:
    """A hop-by-hop option for experiments (RFC 4727), which asks whoever does not know it to discard the packet."""
    return IPv6ExtHdrHopByHop(options=[HBHOptUnknown(otype=0x9E, optdata=bytes(4))])


def _chain(shot: Shot) -> Frames:
    packet = network(shot)
    for _ in range(CHAIN):
        packet /= IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])
    return framed(shot, packet / segment(shot))


def _authenticated(shot: Shot) -> Frames:
    """RFC 4302: the header's length in words of 4 bytes, less two; an index, a number, and a value that nobody can check."""
    header = struct.pack("!BBHII12x", _TCP, 4, 0, shot.number, 1)
    following = {"proto" if shot.family == 4 else "nh": _AUTHENTICATION}
    return framed(shot, network(shot, **following) / (header + upper_bytes(shot, segment(shot))))


def _tunnelled(shot: Shot) -> Frames:
    return framed(shot, network(shot) / network(shot) / segment(shot))


CRAFTS = {
    "ip-record-route": _with_option(lambda shot: IPOption_RR(length=11, pointer=4, routers=[str(IPv4Address(0))] * 2)),
    "ip-router-alert": _with_option(lambda shot: IPOption_Router_Alert()),
    "ip-source-route": _with_option(lambda shot: IPOption_LSRR(routers=[shot.server])),
    "ip-strict-source-route": _with_option(lambda shot: IPOption_SSRR(routers=[shot.server])),
    "ip-timestamp": _with_option(lambda shot: IPOption(TIMESTAMP)),
    "ip-option-long": _with_option(lambda shot: IPOption(copy_flag=0, optclass=0, option=7, length=255, value=b"\x04\x00")),
    "ip-option-unknown": _with_option(lambda shot: IPOption(UNKNOWN)),
    "hop-by-hop": _with_header(lambda shot: IPv6ExtHdrHopByHop(options=[PadN(optdata=bytes(4))])),
    "hop-by-hop-discard": _with_header(lambda shot: discard()),
    "destination-options": _with_header(lambda shot: IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])),
    "routing-header": _with_header(lambda shot: IPv6ExtHdrRouting(type=0, segleft=1, addresses=[shot.server])),
    "routing-header-spent": _with_header(lambda shot: IPv6ExtHdrRouting(type=0, segleft=0, addresses=[shot.server])),
    "home-address": _with_header(lambda shot: IPv6ExtHdrDestOpt(options=[HAO(hoa=shot.server)])),
    "authentication-header": _authenticated,
    "extension-chain": _chain,
    "tunnelled": _tunnelled,
}
