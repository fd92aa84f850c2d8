"""Messages of ICMP that quote a packet which the server sent, or should have sent, to the shot's port at the client."""

from collections.abc import Callable

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6ND_NA,
    ICMPv6ND_Redirect,
    ICMPv6NDOptRedirectedHdr,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
)
from scapy.packet import Packet

from harness.traffic.packet.headers import framed, network
from harness.traffic.packet.shot import Frames, Shot

REDIRECT_HOST = 1
NARROWER = 1400  # bytes: what a link on the way is said to take
_NONCE = b"\x0e\x03"  # an option of 24 bytes (RFC 3971 5.3.2), which has room for the marker

_UNREACHABLE = {4: ICMP(type=3, code=3), 6: ICMPv6DestUnreach(code=4)}  # RFC 792, RFC 4443, as the next two
_TOO_BIG = {4: ICMP(type=3, code=4, nexthopmtu=NARROWER), 6: ICMPv6PacketTooBig(mtu=NARROWER)}
_TIME_EXCEEDED = {4: ICMP(type=11, code=0), 6: ICMPv6TimeExceeded(code=0)}


def _sent(shot: Shot, receiver: str, upper: Packet, payload: bytes) -> Packet:
    """A packet of the server's."""
    kind = IP if shot.family == 4 else IPv6
    return kind(src=shot.server, dst=receiver) / upper / payload


def _datagram(shot: Shot) -> Packet:
    return UDP(sport=shot.number, dport=shot.port)


def _connecting(shot: Shot) -> Packet:
    return TCP(sport=shot.number, dport=shot.port, seq=1, flags="S")


def _error(shot: Shot, receiver: str, message: dict[int, Packet], upper: Packet) -> Packet:
    """The marker stands where the quoted packet's own bytes would: no receiver of the error compares those."""
    quoted = bytes(_sent(shot, receiver, upper, shot.marker))
    return network(shot, src=shot.client) / message[shot.family].copy() / quoted


def _known(message: dict[int, Packet], upper: Callable[[Shot], Packet] = _datagram) -> Callable[[Shot], Frames]:
    """What the server sends has another payload: what the client's own stack says about it is not what is judged."""

    def make(shot: Shot) -> Frames:
        sent = _sent(shot, shot.client, upper(shot), shot.prelude)
        return Frames(framed(shot, _error(shot, shot.client, message, upper(shot))).frames, prelude=(bytes(sent),))

    return make


def _unknown(shot: Shot) -> Frames:
    return framed(shot, _error(shot, shot.client, _UNREACHABLE, _datagram(shot)))


def _foreign(shot: Shot) -> Frames:
    return framed(shot, _error(shot, shot.claimed, _UNREACHABLE, _datagram(shot)))


def _foreign_known(shot: Shot) -> Frames:
    return Frames(_foreign(shot).frames, prelude=(bytes(_sent(shot, shot.claimed, _datagram(shot), shot.prelude)),))


def _of_error(shot: Shot) -> Frames:
    """The server's error, which is quoted, would be about a datagram of the client's."""
    kind = IP if shot.family == 4 else IPv6
    asked = kind(src=shot.client, dst=shot.server) / UDP(sport=shot.port, dport=shot.number) / shot.marker
    quoted = kind(src=shot.server, dst=shot.client) / _UNREACHABLE[shot.family].copy() / bytes(asked)
    return framed(shot, network(shot) / _UNREACHABLE[shot.family].copy() / bytes(quoted))


def _redirect(shot: Shot) -> Frames:
    quoted = _sent(shot, shot.client, _datagram(shot), shot.marker)
    if shot.family == 4:
        return framed(shot, network(shot) / ICMP(type=5, code=REDIRECT_HOST, gw=shot.client) / bytes(quoted))
    message = ICMPv6ND_Redirect(tgt=shot.client, dst=shot.client) / ICMPv6NDOptRedirectedHdr(pkt=bytes(quoted))
    return framed(shot, network(shot, hlim=255) / message)


def _neighbour(shot: Shot) -> Frames:
    """Receivers believe only what has the highest hop limit, which a router that forwards it takes away."""
    advertisement = ICMPv6ND_NA(tgt=shot.client, R=0, S=1, O=1)
    return framed(shot, network(shot, hlim=255) / advertisement / (_NONCE + shot.marker + bytes(6)))


CRAFTS = {
    "icmp-error-known": _known(_UNREACHABLE),
    "icmp-error-connection": _known(_UNREACHABLE, _connecting),
    "icmp-too-big": _known(_TOO_BIG),
    "icmp-time-exceeded": _known(_TIME_EXCEEDED),
    "icmp-error-unknown": _unknown,
    "icmp-error-foreign": _foreign,
    "icmp-error-foreign-known": _foreign_known,
    "icmp-error-of-error": _of_error,
    "icmp-redirect": _redirect,
    "icmp-neighbour": _neighbour,
}
