"""Fragments: of a datagram that is well formed, and of ones that say different things in different fragments."""

from scapy.layers.inet import UDP
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, PadN
from scapy.packet import Packet

from harness.traffic.packet.headers import datagram, framed, network, segment, upper_bytes
from harness.traffic.packet.options import discard
from harness.traffic.packet.shot import Frames, Shot

UNIT = 8  # bytes; offsets are in such units
LAST = 8190  # the last offset but one, in units
_NUMBERS = {"TCP": 6, "UDP": 17}
_DESTINATION_OPTIONS = 60


def fragment(shot: Shot, data: bytes, offset: int, *, more: bool, protocol: str = "UDP") -> Packet:
    """One fragment; ``offset`` in units."""
    if shot.family == 4:
        header = network(shot, proto=_NUMBERS[protocol], id=shot.identification, flags="MF" if more else 0, frag=offset)
        return header / data
    return network(shot) / fragment_header(shot, _NUMBERS[protocol], offset, more=more) / data


def fragment_header(shot: Shot, following: int, offset: int, *, more: bool) -> Packet:
    """The extension header of IPv6; ``following`` is the protocol of what it carries."""
    return IPv6ExtHdrFragment(nh=following, offset=offset, m=int(more), id=shot.identification)


def cut(shot: Shot, data: bytes, *at: int, protocol: str = "UDP") -> list[Packet]:
    """Fragments of ``data``, cut at these units."""
    places = [0, *at]
    ends = [*(unit * UNIT for unit in at), len(data)]
    return [
        fragment(shot, data[begin * UNIT : end], begin, more=end < len(data), protocol=protocol)
        for begin, end in zip(places, ends, strict=True)
    ]


def _all_of_one(shot: Shot, packets: list[Packet]) -> Frames:
    return Frames(framed(shot, *packets).frames, fragments=True)


def _in_order(shot: Shot) -> Frames:
    return _all_of_one(shot, cut(shot, _large(shot), 3, 6))


def _reversed_order(shot: Shot) -> Frames:
    return _all_of_one(shot, cut(shot, _large(shot), 3, 6)[::-1])


def _tiny(shot: Shot) -> Frames:
    return _all_of_one(shot, cut(shot, _large(shot), *range(1, len(_large(shot)) // UNIT)))


def _large(shot: Shot) -> bytes:
    """A datagram of 72 bytes."""
    return upper_bytes(shot, datagram(shot) / (shot.marker * 3))


def _last_only(shot: Shot) -> Frames:
    return _all_of_one(shot, cut(shot, _large(shot), 3, 6)[-1:])


def _tcp_first_only(shot: Shot) -> Frames:
    whole = upper_bytes(shot, segment(shot) / shot.marker)
    return _all_of_one(shot, cut(shot, whole, 5, protocol="TCP")[:1])


def _tcp_tiny(shot: Shot) -> Frames:
    return _all_of_one(shot, cut(shot, upper_bytes(shot, segment(shot)), 1, protocol="TCP"))


def _tcp_no_ports(shot: Shot) -> Frames:
    """The first fragment has 2 bytes, the source port: legal lengths are multiples of 8, so nobody sends it."""
    whole = upper_bytes(shot, segment(shot))
    first = fragment(shot, whole[:2], 0, more=True, protocol="TCP")
    return _all_of_one(shot, [first, fragment(shot, whole[UNIT:], 1, more=False, protocol="TCP")])


def _rewritten(shot: Shot) -> Frames:
    """Judged is what rewrites; the fragments that belong to the cover port are free to arrive."""
    shown = upper_bytes(shot, datagram(shot, dport=shot.cover))[:UNIT] + bytes(16)
    judged = upper_bytes(shot, datagram(shot))
    rest = fragment(shot, bytes(16), 3, more=False)
    return framed(shot, fragment(shot, shown, 0, more=True), fragment(shot, judged, 0, more=True), rest)


def _overlap(shot: Shot) -> Frames:
    """The first fragment is an ACK, and is free to arrive; the second makes a SYN of it."""
    shown = upper_bytes(shot, segment(shot, "A"))[:20] + bytes(4)
    judged = upper_bytes(shot, segment(shot))[UNIT:]
    first = fragment(shot, shown, 0, more=True, protocol="TCP")
    return framed(shot, first, fragment(shot, judged, 1, more=False, protocol="TCP"))


def _payload_overlap(shot: Shot) -> Frames:
    """The last 8 bytes of the first fragment come again, and are others."""
    data = _large(shot)
    return _all_of_one(shot, [fragment(shot, data[:32], 0, more=True), fragment(shot, bytes(8) + data[32:], 3, more=False)])


def _too_long(shot: Shot) -> Frames:
    """What puts them together has no room for the last one, which is where the packet ends."""
    data = _large(shot)
    return _all_of_one(shot, [fragment(shot, data[:24], 0, more=True), fragment(shot, data[24:], LAST, more=False)])


def _injected(shot: Shot) -> Frames:
    """The claimed pod begins its datagram itself; the first fragment has the ports, by which the later ones are judged."""
    begun = upper_bytes(shot, UDP(sport=shot.number, dport=shot.port) / (shot.prelude * 4))
    end = fragment(shot, shot.marker + bytes(8), 6, more=False)
    return Frames(framed(shot, end).frames, prelude=(bytes(fragment(shot, begun[:48], 0, more=True)),))


def _atomic(shot: Shot) -> Frames:
    return framed(shot, network(shot) / fragment_header(shot, 6, 0, more=False) / segment(shot))


def _after_options(shot: Shot) -> Frames:
    return _behind(shot, IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))]))


def _after_discard(shot: Shot) -> Frames:
    return _behind(shot, discard())


def _behind(shot: Shot, options: Packet) -> Frames:
    """Two fragments, with the same extension header before both fragment headers."""
    data = _large(shot)
    parts = ((0, True, data[:24]), (3, False, data[24:]))
    return _all_of_one(
        shot, [network(shot) / options / fragment_header(shot, 17, at, more=more) / part for at, more, part in parts]
    )


def _hidden_ports(shot: Shot) -> Frames:
    """The fragmentable part begins with options of 24 bytes, which are all that is in the first fragment."""
    options = bytes(IPv6ExtHdrDestOpt(nh=17, options=[PadN(optdata=bytes(20))]))
    data = options + upper_bytes(shot, datagram(shot))
    first, rest = (
        network(shot) / fragment_header(shot, _DESTINATION_OPTIONS, at, more=more) / part
        for at, more, part in ((0, True, data[:24]), (3, False, data[24:]))
    )
    return _all_of_one(shot, [first, rest])


CRAFTS = {
    "hop-by-hop-discard-fragments": _after_discard,
    "udp-fragments": _in_order,
    "udp-fragments-tiny": _tiny,
    "udp-fragments-reversed": _reversed_order,
    "udp-fragment-last": _last_only,
    "tcp-fragment-first": _tcp_first_only,
    "tcp-fragments-tiny": _tcp_tiny,
    "tcp-fragments-no-ports": _tcp_no_ports,
    "udp-fragments-rewritten": _rewritten,
    "tcp-fragments-overlap": _overlap,
    "udp-fragments-overlap": _payload_overlap,
    "udp-fragments-too-long": _too_long,
    "udp-fragment-injected": _injected,
    "fragment-atomic": _atomic,
    "udp-fragments-after-options": _after_options,
    "udp-fragments-hidden-ports": _hidden_ports,
}
