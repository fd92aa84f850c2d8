"""Frames: hops, tags, types and MAC addresses."""

from collections.abc import Callable

from scapy.layers.l2 import Dot1AD, Dot1Q
from scapy.packet import Packet

from harness.traffic.packet.headers import ethernet, network, segment
from harness.traffic.packet.shot import Frames, Shot

ETHERTYPES = {4: 0x0800, 6: 0x86DD}
LLDP = 0x88CC
NO_VLAN, OTHER_VLAN = 0, 5
BROADCAST, STRANGER = "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01"


def _frame(shot: Shot, *tags: Packet, **fields: object) -> Frames:
    frame = ethernet(shot, **fields)
    for tag in tags:
        frame /= tag
    return Frames((bytes(frame / network(shot) / segment(shot)),))


def _tagged(*numbers: int) -> Callable[[Shot], Frames]:
    return lambda shot: _frame(shot, *(Dot1Q(vlan=number) for number in numbers))


def _in_service(number: int, *inner: int) -> Callable[[Shot], Frames]:
    return lambda shot: _frame(shot, Dot1AD(vlan=number), *(Dot1Q(vlan=each) for each in inner))


def _lives(hops: Callable[[Shot], int]) -> Callable[[Shot], Frames]:
    """As long as ``hops`` says."""

    def make(shot: Shot) -> Frames:
        lifetime = {"ttl" if shot.family == 4 else "hlim": hops(shot)}
        return Frames((bytes(ethernet(shot) / network(shot, **lifetime) / segment(shot)),))

    return make


CRAFTS = {
    "ttl-zero": _lives(lambda shot: 0),
    "ttl-one": _lives(lambda shot: 1),
    "ttl-spent": _lives(lambda shot: shot.hops),
    "ttl-enough": _lives(lambda shot: shot.hops + 1),
    "vlan-priority": _tagged(NO_VLAN),
    "vlan-priority-twice": _tagged(NO_VLAN, NO_VLAN),
    "vlan-service": _in_service(NO_VLAN),
    "vlan-q-in-q": _in_service(NO_VLAN, NO_VLAN),
    "vlan-q-in-q-tagged": _in_service(OTHER_VLAN, OTHER_VLAN),
    "vlan-tagged": _tagged(OTHER_VLAN),
    "ethertype-wrong": lambda shot: _frame(shot, type=LLDP),
    "ethertype-swapped": lambda shot: _frame(shot, type=ETHERTYPES[10 - shot.family]),
    "mac-broadcast": lambda shot: _frame(shot, dst=BROADCAST),
    "mac-source-foreign": lambda shot: _frame(shot, src=STRANGER),
}
