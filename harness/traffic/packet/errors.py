"""Messages of ICMP that quote a packet which the server sent, or should have sent, to the shot's port at the client."""

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6ND_Redirect, ICMPv6NDOptRedirectedHdr, IPv6
from scapy.packet import Packet

from harness.traffic.packet.headers import framed, network
from harness.traffic.packet.shot import Frames, Shot

PORT_UNREACHABLE = {4: 3, 6: 4}  # the codes: RFC 792, RFC 4443
REDIRECT_HOST = 1


def _quoted(shot: Shot, receiver: str, payload: bytes) -> Packet:
    """A datagram of the server's."""
    kind = IP if shot.family == 4 else IPv6
    return kind(src=shot.server, dst=receiver) / UDP(sport=shot.number, dport=shot.port) / payload


def _unreachable(shot: Shot, receiver: str) -> Packet:
    """The marker stands where the datagram's own bytes would: no receiver of the error compares those."""
    quoted = _quoted(shot, receiver, shot.marker)
    header = network(shot, src=shot.client)
    if shot.family == 4:
        return header / ICMP(type=3, code=PORT_UNREACHABLE[4]) / bytes(quoted)
    return header / ICMPv6DestUnreach(code=PORT_UNREACHABLE[6]) / bytes(quoted)


def _known(shot: Shot) -> Frames:
    """The server's datagram has another payload: what the client's own stack says about it is not what is judged."""
    sent = _quoted(shot, shot.client, shot.prelude)
    return Frames(framed(shot, _unreachable(shot, shot.client)).frames, prelude=(bytes(sent),))


def _unknown(shot: Shot) -> Frames:
    return framed(shot, _unreachable(shot, shot.client))


def _foreign(shot: Shot) -> Frames:
    return framed(shot, _unreachable(shot, shot.claimed))


def _redirect(shot: Shot) -> Frames:
    quoted = _quoted(shot, shot.client, shot.marker)
    if shot.family == 4:
        return framed(shot, network(shot) / ICMP(type=5, code=REDIRECT_HOST, gw=shot.client) / bytes(quoted))
    message = ICMPv6ND_Redirect(tgt=shot.client, dst=shot.client) / ICMPv6NDOptRedirectedHdr(pkt=bytes(quoted))
    return framed(shot, network(shot, hlim=255) / message)


CRAFTS = {
    "icmp-error-known": _known,
    "icmp-error-unknown": _unknown,
    "icmp-error-foreign": _foreign,
    "icmp-redirect": _redirect,
}
