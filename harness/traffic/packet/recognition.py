"""Which frames at the server's interface are of a shot, also when a node has put its fragments together and cut them anew."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from harness.model.packet import Arrived
from harness.traffic.packet.shot import MARKER, Frames, Shot

_VLAN = (0x8100, 0x88A8)
_IPV4, _IPV6 = 0x0800, 0x86DD
_EXTENSIONS, _FRAGMENT = (0, 43, 60), 44
_MORE = 0x2000


@dataclass(frozen=True, slots=True)
class Piece:
    """A fragment: whose it is, and which bytes of its packet it has."""

    destination: bytes
    identification: int
    begin: int
    end: int
    last: bool


def arrived(shot: Shot, frames: Frames, seen: Sequence[bytes]) -> tuple[Arrived, int]:
    """What came of a shot, in how many frames.

    A packet is whole that came in one frame, or whose fragments all came or cover it without a gap.
    """
    came = recognised(shot, frames, seen)
    if not came:
        return Arrived.NOTHING, 0
    sent = recognised(shot, frames, frames.frames)
    if len(came) >= len(sent) or (frames.fragments and _covered(came)):
        return Arrived.WHOLE, len(came)
    return Arrived.PART, len(came)


def recognised(shot: Shot, frames: Frames, seen: Sequence[bytes]) -> list[bytes]:
    """Those frames that are of a shot: by its marker; of fragments also by half of it, and by their identification.

    A node that puts fragments of IPv6 together and cuts them anew gives them another identification than they had.
    """
    if not frames.fragments:
        return [frame for frame in seen if shot.marker in frame]
    server = ip_address(shot.server).packed
    halves = shot.marker[: MARKER // 2], shot.marker[MARKER // 2 :]
    found = [(frame, piece(frame), any(half in frame for half in halves)) for frame in seen]
    names = {shot.identification} | {each.identification for _, each, marked in found if each is not None and marked}
    return [
        frame
        for frame, each, marked in found
        if marked or (each is not None and each.identification in names and each.destination == server)
    ]


def _covered(frames: Iterable[bytes]) -> bool:
    pieces = sorted((found for found in map(piece, frames) if found is not None), key=lambda found: found.begin)
    if not pieces:
        return True
    reached = 0
    for found in pieces:
        if found.begin > reached:
            return False
        reached = max(reached, found.end)
    return any(found.last and found.end == reached for found in pieces)


def piece(frame: bytes) -> Piece | None:
    """The fragment in a frame, or None where there is none, or only pieces of headers."""
    try:
        at, kind = 12, int.from_bytes(frame[12:14], "big")
        while kind in _VLAN:
            at += 4
            kind = int.from_bytes(frame[at : at + 2], "big")
        packet = frame[at + 2 :]
        return _piece4(packet) if kind == _IPV4 else _piece6(packet) if kind == _IPV6 else None
    except (struct.error, IndexError):
        return None


def _piece4(packet: bytes) -> Piece | None:
    first, _, length, identification, fragment = struct.unpack_from("!BBHHH", packet)
    begin, more = (fragment & 0x1FFF) * 8, bool(fragment & _MORE)
    if not begin and not more:
        return None
    return Piece(packet[16:20], identification, begin, begin + length - (first & 15) * 4, not more)


def _piece6(packet: bytes) -> Piece | None:
    payload, following = struct.unpack_from("!HB", packet, 4)
    at, destination = 40, packet[24:40]
    while following in _EXTENSIONS:
        following, at = packet[at], at + (packet[at + 1] + 1) * 8
    if following != _FRAGMENT:
        return None
    _, _, fragment, identification = struct.unpack_from("!BBHI", packet, at)
    begin = fragment & ~7
    return Piece(destination, identification, begin, begin + 40 + payload - at - 8, not fragment & 1)
