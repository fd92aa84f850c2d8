"""Netfilter's connection tracking of a network namespace, by ctnetlink (linux/netfilter/nfnetlink_conntrack.h)."""

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from harness.lab.port import LabError

_NETLINK_NETFILTER = 12
_GET, _DELETE = 0x101, 0x102  # messages 1 and 2 of subsystem 1, ctnetlink
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.Struct("=BBH")  # nfgenmsg: family, version, resource
_ATTRIBUTE = struct.Struct("=HH")
_NESTED = 0x8000
_ORIGINAL, _REPLY = 1, 2  # CTA_TUPLE_ORIG, CTA_TUPLE_REPLY
_TUPLE_IP, _TUPLE_PROTOCOL = 1, 2  # within a tuple
_PROTOCOL, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3  # within CTA_TUPLE_PROTO
_ENDS = 2
_ENOENT = 2
_BUFFER = 1 << 18


def forget_connections(addresses: Iterable[str]) -> None:
    """Have the calling thread's namespace forget all connections that one of ``addresses`` began or was asked over.

    Raises LabError where the kernel refuses.
    """
    wanted = {ip_address(address).packed for address in addresses}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as netlink:
        netlink.bind((0, 0))
        for family, length in ((socket.AF_INET, 4), (socket.AF_INET6, 16)):
            mine = {address for address in wanted if len(address) == length}
            for tuple_ in list(_tuples(netlink, family)) if mine else ():
                if mine & set(_ends(tuple_, length)):
                    _delete(netlink, family, tuple_)


@dataclass(frozen=True, slots=True)
class Tracked:
    """A connection as it was opened, and, since it may have been translated, where its answers come from and go to."""

    source: str
    destination: str
    port: int
    answers_from_port: int
    answers_to: str
    answers_to_port: int


def tracked(protocol: int) -> list[Tracked]:
    """The connections of one protocol (IPPROTO_TCP) that the calling thread's namespace tracks. Raises LabError."""
    found = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as netlink:
        netlink.bind((0, 0))
        for family in (socket.AF_INET, socket.AF_INET6):
            for both in list(_listed(netlink, family)):
                opened, answers = (_way(both.get(kind, b"")) for kind in (_ORIGINAL, _REPLY))
                if opened and answers and opened[0] == protocol:
                    _, source, _, destination, port = opened
                    found.append(Tracked(source, destination, port, answers[2], answers[3], answers[4]))
    return found


def _way(tuple_: bytes) -> tuple[int, str, int, str, int] | None:
    """One direction of a connection: protocol, source, its port, destination, its port."""
    parts = dict(_attributes(tuple_))
    ends = [str(ip_address(value)) for _, value in _attributes(parts.get(_TUPLE_IP, b"")) if len(value) in (4, 16)]
    ports = dict(_attributes(parts.get(_TUPLE_PROTOCOL, b"")))
    if len(ends) != _ENDS or not {_PROTOCOL, _SOURCE_PORT, _DESTINATION_PORT} <= ports.keys():
        return None
    numbers = [int.from_bytes(ports[kind][:2], "big") for kind in (_SOURCE_PORT, _DESTINATION_PORT)]
    return ports[_PROTOCOL][0], ends[0], numbers[0], ends[1], numbers[1]


def _tuples(netlink: socket.socket, family: int) -> Iterator[bytes]:
    """The original direction of each connection of a family, as the kernel names it."""
    return (both[_ORIGINAL] for both in _listed(netlink, family) if _ORIGINAL in both)


def _listed(netlink: socket.socket, family: int) -> Iterator[dict[int, bytes]]:
    """What the kernel says of each connection of a family, by the kinds of attributes."""
    _send(netlink, _GET, _REQUEST | _DUMP, family, b"")
    while True:
        for kind, body in _received(netlink):
            if kind == _DONE:
                return
            if kind == _ERROR:
                raise _refused(body, "list connections")
            yield dict(_attributes(body[_FAMILY.size :]))


def _ends(tuple_: bytes, length: int) -> Iterator[bytes]:
    """Source and destination: the members of CTA_TUPLE_IP, the first attribute, that are as long as an address."""
    for name, value in _attributes(tuple_):
        if name == 1:
            yield from (address for _, address in _attributes(value) if len(address) == length)


def _delete(netlink: socket.socket, family: int, tuple_: bytes) -> None:
    padding = bytes(-len(tuple_) % 4)
    named = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(tuple_), _ORIGINAL | _NESTED) + tuple_ + padding
    _send(netlink, _DELETE, _REQUEST | _ACK, family, named)
    for _, body in _received(netlink):
        if struct.unpack_from("=i", body)[0] not in (0, -_ENOENT):  # it may have ended meanwhile
            raise _refused(body, "forget a connection")


def _send(netlink: socket.socket, kind: int, flags: int, family: int, attributes: bytes) -> None:
    body = _FAMILY.pack(family, 0, 0) + attributes
    netlink.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body)


def _received(netlink: socket.socket) -> list[tuple[int, bytes]]:
    data = netlink.recv(_BUFFER)
    found = []
    while data:
        length, kind, *_ = _HEADER.unpack_from(data)
        found.append((kind, data[_HEADER.size : length]))
        data = data[(length + 3) & ~3 :]
    return found


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind & 0x3FFF, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


def _refused(body: bytes, doing: str) -> LabError:
    (number,) = struct.unpack_from("=i", body)
    return LabError(f"the kernel would not {doing}: {os.strerror(-number)}")
