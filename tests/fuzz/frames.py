"""Valid frames made by scapy: conversations between ends of a world, each frame where it enters or leaves the node."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from policy_worlds import PORTS, WORLD
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from fuzz.worlds import HOST, WIRES, World

PODS = (11, 12, 13)  # interfaces of the node's pods
_WIRES = tuple(WIRES.values())
EDGES = {4: ("10.0.0.3", "10.0.0.4", "192.0.2.127", "192.0.2.128", "9.255.255.255", "11.0.0.0"),
         6: ("fd00::3", "fd00::4", "2001:db8:7fff::ffff", "2001:db8:8000::", "fcff::1")}  # fmt: skip
"""Addresses beside the edges of the policies' blocks."""


@dataclass(frozen=True)
class Sent:
    """A frame, the program that meets it, and the interface by which it came."""

    program: str
    interface: int
    frame: bytes
    kind: str


class Conversations:
    """Draws conversations; the same ``chance`` draws the same."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._chance = chance
        self._interface, self._pods = {}, {4: [], 6: []}
        for pod in world.topology.pods:
            where = world.interfaces.get(pod.ref) or WIRES[pod.node]
            for ip in pod.ips:
                self._interface[ip] = ("pod" if pod.ref in world.interfaces else "wire", where)
                self._pods[ip_address(ip).version].append(ip)

    def next(self) -> Iterator[Sent]:
        chance = self._chance
        family = chance.choice((4, 6))
        if not self._pods[family]:
            return
        source = chance.choice(self._pods[family])
        others = (*self._pods[family], *self._pods[family], *WORLD[family], *EDGES[family], HOST[family])
        destination = chance.choice([other for other in others if other != source])
        if chance.random() < 0.3:
            source, destination = destination, source
        ports = (chance.choice((40000, 50000, 1024, 32767, 32768)), chance.choice((*PORTS, 52, 54, 79, 82, 444, 481, 482)))
        kind = chance.choice((_tcp, _tcp, _tcp, _udp, _udp, _echo, _fragments, _error, _options, _other))
        for packet, back in kind(chance, family, source, destination, ports):
            yield self._placed(bytes(packet), kind.__name__[1:], *((destination, source) if back else (source, destination)))

    def _placed(self, frame: bytes, kind: str, source: str, destination: str) -> Sent:
        chance = self._chance
        how, interface = self._interface.get(source, ("wire", chance.choice(_WIRES)))
        to_how, _ = self._interface.get(destination, ("wire", 0))
        if chance.random() < 0.03:  # from where it cannot come
            program, interfaces = chance.choice((("from_pod", PODS), ("from_wire", _WIRES), ("to_pod", (*PODS, *_WIRES))))
            return Sent(program, chance.choice(interfaces), frame, kind)
        if to_how == "pod" and chance.random() < 0.3:
            return Sent("to_pod", interface, frame, kind)
        return Sent("from_pod" if how == "pod" else "from_wire", interface, frame, kind)


def _ip(family: int, source: str, destination: str, **fields: object) -> Packet:
    frame = Ether(src="02:00:00:00:00:0a", dst="00:00:00:00:00:00")
    return frame / (IP if family == 4 else IPv6)(src=source, dst=destination, **fields)


def _tcp(chance, family, source, destination, ports):
    for flags, back in (("S", 0), ("SA", 1), ("A", 0), ("PA", 1), ("R", 0) if chance.random() < 0.2 else ("FA", 0)):
        if chance.random() < 0.6:
            ends, way = ((destination, source), ports[::-1]) if back else ((source, destination), ports)
            options = [("MSS", 1460), ("NOP", None), ("WScale", 7)] if "S" in flags else []
            yield _ip(family, *ends) / TCP(sport=way[0], dport=way[1], flags=flags, options=options) / b"data", back


def _udp(chance, family, source, destination, ports):
    for back in (0, 1, 0):
        if chance.random() < 0.6:
            ends, way = ((destination, source), ports[::-1]) if back else ((source, destination), ports)
            yield _ip(family, *ends) / UDP(sport=way[0], dport=way[1]) / b"question", back


def _echo(chance, family, source, destination, ports):
    number = ports[0]
    for back in (0, 1):
        if chance.random() < 0.7:
            ends = (destination, source) if back else (source, destination)
            if family == 4:
                yield _ip(4, *ends) / ICMP(type=0 if back else 8, id=number) / b"ping", back
            else:
                yield _ip(6, *ends) / (ICMPv6EchoReply if back else ICMPv6EchoRequest)(id=number, data=b"ping"), back


def _fragments(chance, family, source, destination, ports):
    number, protocol = chance.randrange(1 << 16), chance.choice((6, 17))
    whole = TCP(sport=ports[0], dport=ports[1], flags="S") if protocol == 6 else UDP(sport=ports[0], dport=ports[1])
    payload = bytes(_ip(family, source, destination) / whole / bytes(40))[34 if family == 4 else 54 :]
    for first, last in ((0, 24), (24, 48)):
        part, more = payload[first:last], last < 48
        if chance.random() < 0.15:
            continue
        if family == 4:
            flags = "MF" if more else 0
            yield _ip(4, source, destination, id=number, proto=protocol, flags=flags, frag=first // 8) / Raw(part), 0
        else:
            header = IPv6ExtHdrFragment(nh=protocol, m=int(more), offset=first // 8, id=number)
            yield _ip(6, source, destination) / header / Raw(part), 0


def _error(chance, family, source, destination, ports):
    inner = UDP(sport=ports[0], dport=ports[1]) if chance.random() < 0.5 else TCP(sport=ports[0], dport=ports[1], flags="S")
    sent = _ip(family, source, destination) / inner / b"quoted"
    yield sent, 0
    quoted = bytes(sent)[14:]
    if family == 4:
        yield _ip(4, destination, source) / ICMP(type=chance.choice((3, 11, 12)), code=1) / Raw(quoted[:28]), 1
    else:
        yield _ip(6, destination, source) / ICMPv6DestUnreach(type=chance.choice((1, 2, 3, 4))) / Raw(quoted), 1


def _options(chance, family, source, destination, ports):
    last = TCP(sport=ports[0], dport=ports[1], flags="S")
    if family == 4:
        yield _ip(4, source, destination, options=[IPOption_Router_Alert()]) / last, 0
        return
    packet = _ip(6, source, destination)
    if chance.random() < 0.3:
        packet /= IPv6ExtHdrHopByHop()
    for _ in range(chance.choice((1, 2, 5, 6, 7))):
        packet /= IPv6ExtHdrDestOpt()
    if chance.random() < 0.1:
        packet /= IPv6ExtHdrRouting(addresses=[destination])
    yield packet / last, 0


def _other(chance, family, source, destination, ports):
    last = UDP(sport=ports[0], dport=ports[1])
    match chance.randrange(4):
        case 0:
            yield (
                Ether(dst="00:00:00:00:00:00")
                / Dot1Q(vlan=5)
                / (IP if family == 4 else IPv6)(src=source, dst=destination)
                / last,
                0,
            )
        case 1 if family == 4:
            yield Ether(dst="00:00:00:00:00:00") / ARP(psrc=source, pdst=destination), 0
        case 2 if family == 6:
            yield _ip(6, source, "ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt=destination), 0
        case _:
            yield _ip(family, source, "224.0.0.251" if family == 4 else "ff02::fb") / last, 0
