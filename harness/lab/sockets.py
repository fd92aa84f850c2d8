"""TCP connections that the kernel is to end: of programs that are gone, which would keep their namespace alive, and of pods.

A connection that is closed while its last bytes cannot be delivered (a policy drops them, say) is an orphan: the kernel
goes on sending for about 100 s, and only then lets go of the namespace.
"""

import errno
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from harness.lab import kernel
from harness.lab.port import LabError

DESTROYS_ORPHANS = (6, 11)
"""Since then SOCK_DESTROY ends orphans too; before, it took their data and left them for ever (commit bac76cf89816)."""

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY, _SOCK_DESTROY = 20, 21
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_TIME_WAIT, _LISTEN = 6, 10
_STATES = 0xFFF & ~(1 << _TIME_WAIT | 1 << _LISTEN)
_HEADER = struct.Struct("=IHHII")
_QUERY = struct.Struct("=BBBxI48s")  # inet_diag_req_v2 of linux/inet_diag.h
_ID = slice(4, 52)  # inet_diag_sockid within inet_diag_msg
_ENDS = (4, 20)  # source and destination within inet_diag_sockid
_PORTS = struct.Struct(">HH")  # the same two's, before them
_ATTRIBUTES = 72  # where they begin: the size of inet_diag_msg
_ATTRIBUTE = struct.Struct("=HH")
_MARK = 15  # INET_DIAG_MARK, told to who has CAP_NET_ADMIN
_BUFFER = 1 << 18
_LENGTHS: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 16}


@dataclass(frozen=True, slots=True)
class Held:
    """A TCP connection as the socket of one end knows it, ``local`` being its own address."""

    local: str
    local_port: int
    remote: str
    remote_port: int


def orphans() -> int:
    """How many there are on this machine, in all namespaces: reading it is cheap, looking through each namespace is not."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        fields = line.split()
        if fields[0] == "TCP:":
            return int(fields[fields.index("orphan") + 1])
    return 0


def end_orphans() -> None:
    """Have the kernel end all TCP connections of the calling thread's namespace; for use when its programs are gone."""
    Path("/proc/sys/net/ipv4/tcp_orphan_retries").write_text("1")
    if kernel.version() >= DESTROYS_ORPHANS:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as diag:
            found = [(family, each) for family in _LENGTHS for each in _connections(diag, family)]
            for family, answer in found:
                # A refusal (it has ended by itself; a kernel without CONFIG_INET_DIAG_DESTROY) leaves it to the sysctl.
                diag.send(_request(_SOCK_DESTROY, _REQUEST, family, answer[_ID]))


def end_connections(addresses: Iterable[str]) -> None:
    """Have the kernel end all TCP connections of the calling thread's namespace that have one of ``addresses`` at an end.

    Their programs see them aborted. Raises LabError where the kernel refuses (CONFIG_INET_DIAG_DESTROY).
    """
    wanted = {ip_address(address).packed for address in addresses}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as diag:
        for family, length in _LENGTHS.items():
            for answer in _connections(diag, family) if wanted else ():
                identity = answer[_ID]
                if wanted & {identity[at : at + length] for at in _ENDS}:
                    _destroy(diag, family, identity)


def end_marked(mark: int, unwanted: Callable[[Held], bool]) -> None:
    """Have the kernel end those TCP connections of the calling thread's namespace whose sockets have ``mark`` (SO_MARK).

    Of these only the ``unwanted``; who is at either end sees them reset. Raises LabError as ``end_connections``.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as diag:
        for family in _LENGTHS:
            for answer in _connections(diag, family):
                if _mark(answer) == mark and unwanted(_held(family, answer[_ID])):
                    _destroy(diag, family, answer[_ID])


def end_held(unwanted: Callable[[Held], bool]) -> None:
    """Have the kernel end the ``unwanted`` TCP connections of the calling thread's namespace. Raises LabError as above."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as diag:
        for family in _LENGTHS:
            for answer in _connections(diag, family):
                if unwanted(_held(family, answer[_ID])):
                    _destroy(diag, family, answer[_ID])


def _mark(answer: bytes) -> int:
    for kind, value in _attributes(answer[_ATTRIBUTES:]):
        if kind == _MARK:
            return int.from_bytes(value, sys.byteorder)
    return 0


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


def _held(family: int, identity: bytes) -> Held:
    local, remote = (str(ip_address(identity[at : at + _LENGTHS[family]])) for at in _ENDS)
    local_port, remote_port = _PORTS.unpack_from(identity)
    return Held(local, local_port, remote, remote_port)


def _destroy(diag: socket.socket, family: int, identity: bytes) -> None:
    diag.send(_request(_SOCK_DESTROY, _REQUEST | _ACK, family, identity))
    (number,) = struct.unpack_from("=i", diag.recv(_BUFFER), _HEADER.size)
    if number not in (0, -errno.ENOENT):  # it may have ended meanwhile
        raise LabError(f"the kernel would not end a connection: {os.strerror(-number)}")


def _connections(diag: socket.socket, family: int) -> list[bytes]:
    """An inet_diag_msg with its attributes for each."""
    diag.send(_request(_SOCK_DIAG_BY_FAMILY, _REQUEST | _DUMP, family, bytes(48)))
    found: list[bytes] = []
    while True:
        data = diag.recv(_BUFFER)
        while data:
            length, kind, *_ = _HEADER.unpack_from(data)
            if kind in (_DONE, _ERROR):
                return found
            if kind == _SOCK_DIAG_BY_FAMILY:
                found.append(data[_HEADER.size : length])
            data = data[(length + 3) & ~3 :]


def _request(kind: int, flags: int, family: int, identity: bytes) -> bytes:
    body = _QUERY.pack(family, socket.IPPROTO_TCP, 0, _STATES, identity)
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body
