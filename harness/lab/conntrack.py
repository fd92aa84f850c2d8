"""Netfilter's connection tracking of a network namespace, by ctnetlink (linux/netfilter/nfnetlink_conntrack.h)."""

import os
import socket
import struct
from collections.abc import Iterable, Iterator
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
_ORIGINAL = 1  # CTA_TUPLE_ORIG
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


def _tuples(netlink: socket.socket, family: int) -> Iterator[bytes]:
    """The original direction of each connection of a family, as the kernel names it."""
    _send(netlink, _GET, _REQUEST | _DUMP, family, b"")
    while True:
        for kind, body in _received(netlink):
            if kind == _DONE:
                return
            if kind == _ERROR:
                raise _refused(body, "list connections")
            yield from (value for name, value in _attributes(body[_FAMILY.size :]) if name == _ORIGINAL)


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
