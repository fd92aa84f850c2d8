"""What a frame is according to scapy: the faults of its headers, or the flow that it belongs to."""

from dataclasses import dataclass, field

import scapy.layers.ipsec
import scapy.layers.sctp  # noqa: F401  (the same)
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import NoPayload, Packet

_EXTENSIONS = {0: "hop-by-hop", 43: "routing", 44: "fragment", 51: "authentication", 60: "destination"}
_MOST_EXTENSIONS = 6
OPENS, CONTINUES, ANSWERS, ERROR, NEIGHBOUR = "opens", "continues", "answers", "error", "neighbour"


class NotJudged(Exception):
    """Scapy does not say what this is."""


@dataclass
class Seen:
    """``faults``: any of the reasons for which its headers alone condemn it. ``link``: "ip", "arp" or "other"."""

    link: str = "ip"
    family: int = 0
    source: str = ""
    destination: str = ""
    protocol: int = 0
    ports: tuple[int, int] = (0, 0)
    kind: str = OPENS
    icmp_type: int = 0
    hops_left: int = 0
    first: bool = False
    later: int = 0  # the fragment's offset in units of 8 bytes
    fragment: tuple[object, ...] = ()
    faults: set[str] = field(default_factory=set)
    base_fault: bool = False  # not even the addresses can be believed
    quoted: "Seen | None" = None


def dissect(frame: bytes) -> Seen:
    """Raises NotJudged."""
    ether = Ether(frame)
    kind = int.from_bytes(frame[12:14], "big")
    if kind not in (0x0800, 0x86DD):
        arp = ether.getlayer(ARP)
        if kind != 0x0806:
            return Seen("other")
        if arp is None or (arp.hwtype, arp.ptype, arp.hwlen, arp.plen) != (1, 0x0800, 6, 4):
            raise NotJudged("ARP that is not of Ethernet and IPv4")
        return Seen("arp", 4, arp.psrc, arp.pdst)
    ip = ether.payload
    if not isinstance(ip, IP if kind == 0x0800 else IPv6):
        raise NotJudged("no IP header to scapy")
    return _v4(ip, len(frame) - 14) if kind == 0x0800 else _v6(ip, len(frame) - 14)


def _v4(ip: Packet, available: int, quoted: bool = False) -> Seen:
    seen = Seen("ip", 4, ip.src, ip.dst, ip.proto, hops_left=ip.ttl)
    header = ip.ihl * 4
    if ip.version != 4 or ip.ihl < 5 or (not quoted and ip.len < header):
        seen.faults.add("malformed")
    if not quoted and ip.len > available:
        seen.faults.add("truncated")
    if seen.faults:
        seen.base_fault = True
        return seen
    seen.fragment = (ip.src, ip.dst, ip.id, ip.proto)
    seen.later, seen.first = ip.frag, bool(ip.flags.MF) and not ip.frag
    if not seen.later:
        _transport(seen, ip.payload, (available if quoted else ip.len) - header, quoted)
    return seen


def _v6(ip: Packet, available: int, quoted: bool = False) -> Seen:  # noqa: PLR0911, PLR0912 (each fault ends the walk)
    seen = Seen("ip", 6, ip.src, ip.dst, hops_left=ip.hlim)
    if ip.version != 6:
        seen.faults.add("malformed")
    if not quoted and ip.plen + 40 > available:
        seen.faults.add("truncated")
    if seen.faults:
        seen.base_fault = True
        return seen
    layer, following, left, count = ip, ip.nh, (available - 40 if quoted else ip.plen), 0
    while following in _EXTENSIONS:
        cut = "fragment_tiny" if seen.first else "truncated"
        if following == 43 or count == _MOST_EXTENSIONS:
            seen.faults.add("extension_headers")
            return seen
        layer = layer.payload
        if following == 0 and count:
            seen.faults.add("malformed")
        if left < 8:
            seen.faults.add(cut)
            return seen
        if seen.faults:
            return seen
        original = layer.original
        if following == 51 and not original[1]:
            seen.faults.add("malformed")
            return seen
        size = 8 if following == 44 else (original[1] + 2) * 4 if following == 51 else (original[1] + 1) * 8
        if left < size:
            seen.faults.add(cut)
            return seen
        if type(layer).__name__ in ("Raw", "NoPayload") or not hasattr(layer, "nh"):
            raise NotJudged("an extension header that scapy does not read")
        if following == 44:
            if seen.first:
                seen.faults.add("malformed")
                return seen
            seen.fragment = (ip.src, ip.dst, layer.id)
            seen.later, seen.first = layer.offset, bool(layer.m) and not layer.offset
            if seen.later:
                seen.protocol = layer.nh
                return seen
        left -= size
        following = layer.nh
        count += 1
    seen.protocol = following
    _transport(seen, layer.payload, left, quoted)
    return seen


def _transport(seen: Seen, layer: Packet, left: int, quoted: bool) -> None:  # noqa: PLR0912 (each protocol has its faults)
    """``left``: the bytes of the packet from here on."""
    cut = "fragment_tiny" if seen.first and not quoted else "truncated"
    raw = b"" if isinstance(layer, NoPayload) else layer.original
    if quoted and left < 8:
        seen.faults.add(cut)
        return
    match seen.protocol:
        case 6 if not quoted:
            if left < 20:
                seen.faults |= {cut, "malformed"} if left >= 14 and raw[12] >> 4 < 5 else {cut}
                return
            offset = _field(layer, "dataofs")
            if offset < 5 or offset * 4 > left:
                seen.faults.add("malformed" if offset < 5 else cut)
                return
            seen.ports = _field(layer, "sport"), _field(layer, "dport")
            seen.kind = _tcp_kind(int(_field(layer, "flags")))
            if not seen.kind:
                seen.faults.add("tcp_flags")
        case 6 | 17 | 132:
            if left < 8:
                seen.faults.add(cut)
                return
            seen.kind = CONTINUES if seen.protocol == 6 else OPENS
            if quoted and not hasattr(layer, "sport"):
                seen.ports = int.from_bytes(raw[:2], "big"), int.from_bytes(raw[2:4], "big")
            else:
                seen.ports = _field(layer, "sport"), _field(layer, "dport")
        case 1 | 58:
            if (seen.protocol == 1) != (seen.family == 4):
                seen.faults.add("icmp_unrelated" if quoted else "malformed")
            elif left < 8:
                seen.faults.add(cut)
            else:
                _icmp(seen, layer, raw, left)


def _field(layer: Packet, name: str) -> int:
    if not hasattr(layer, name):
        raise NotJudged(f"no {name} to scapy")
    return getattr(layer, name)


def _tcp_kind(flags: int) -> str:
    """Of SYN (2), RST (4), FIN (1) and ACK (16), the combinations that stacks send (RFC 9293)."""
    known = {0x02: OPENS, 0x12: ANSWERS, 0x10: CONTINUES, 0x11: CONTINUES, 0x14: CONTINUES, 0x15: CONTINUES, 0x04: CONTINUES}
    return known.get(flags & 0x17, "")


def _icmp(seen: Seen, layer: Packet, raw: bytes, left: int) -> None:
    seen.icmp_type = kind = _field(layer, "type")
    asks, answers = (8, 0) if seen.family == 4 else (128, 129)
    if kind in (asks, answers):
        number = layer.id if hasattr(layer, "id") and layer.id is not None else int.from_bytes(raw[4:6], "big")
        seen.kind, seen.ports = (OPENS, (number, 0)) if kind == asks else (ANSWERS, (0, number))
    elif kind in ((3, 11, 12) if seen.family == 4 else (1, 2, 3, 4)):
        seen.kind = ERROR
        seen.quoted = _quoted(seen.family, raw[8:left])
    elif seen.family == 6 and (
        (133 <= kind <= 136 and seen.hops_left == 255) or (kind in (130, 131, 132, 143) and seen.hops_left == 1)
    ):
        seen.kind = NEIGHBOUR
    else:
        seen.faults.add("icmp_type")


def _quoted(family: int, raw: bytes) -> Seen:
    """The packet that an error quotes, of which it may carry as little as 8 bytes after the IP header."""
    if len(raw) < (20 if family == 4 else 40):
        return Seen(faults={"truncated"}, family=family)
    # What its length says is of the packet that was sent, not of the part that is quoted here.
    length = len(raw) if family == 4 else len(raw) - 40
    place = 2 if family == 4 else 4
    inner = (IP if family == 4 else IPv6)(raw[:place] + length.to_bytes(2, "big") + raw[place + 2 :])
    seen = _v4(inner, len(raw), True) if family == 4 else _v6(inner, len(raw), True)
    if seen.base_fault or seen.later or seen.kind in (ERROR, NEIGHBOUR):
        seen.faults = {"icmp_unrelated"}
    elif seen.family == 6 and seen.faults:
        seen.faults = {"icmp_unrelated", "truncated"}
    elif "icmp_type" in seen.faults:
        seen.faults = {"icmp_unrelated"}
    return seen
