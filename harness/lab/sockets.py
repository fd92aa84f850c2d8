"""TCP connections that the kernel is to end: of programs that are gone, which would keep their namespace alive, and of pods.

A connection that is closed while its last bytes cannot be delivered (a policy drops them, say) is an orphan: the kernel
goes on sending for about 100 s, and only then lets go of the namespace.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterable
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
_BUFFER = 1 << 18


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
            found = [(family, each) for family in (socket.AF_INET, socket.AF_INET6) for each in _connections(diag, family)]
            for family, identity in found:
                # A refusal (it has ended by itself; a kernel without CONFIG_INET_DIAG_DESTROY) leaves it to the sysctl.
                diag.send(_request(_SOCK_DESTROY, _REQUEST, family, identity))


def end_connections(addresses: Iterable[str]) -> None:
    """Have the kernel end all TCP connections of the calling thread's namespace that have one of ``addresses`` at an end.

    Their programs see them aborted. Raises LabError where the kernel refuses (CONFIG_INET_DIAG_DESTROY).
    """
    wanted = {ip_address(address).packed for address in addresses}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as diag:
        for family, length in ((socket.AF_INET, 4), (socket.AF_INET6, 16)):
            for identity in _connections(diag, family) if wanted else ():
                if wanted & {identity[at : at + length] for at in _ENDS}:
                    _destroy(diag, family, identity)


def _destroy(diag: socket.socket, family: int, identity: bytes) -> None:
    diag.send(_request(_SOCK_DESTROY, _REQUEST | _ACK, family, identity))
    (number,) = struct.unpack_from("=i", diag.recv(_BUFFER), _HEADER.size)
    if number not in (0, -errno.ENOENT):  # it may have ended meanwhile
        raise LabError(f"the kernel would not end a connection: {os.strerror(-number)}")


def _connections(diag: socket.socket, family: int) -> list[bytes]:
    diag.send(_request(_SOCK_DIAG_BY_FAMILY, _REQUEST | _DUMP, family, bytes(48)))
    found: list[bytes] = []
    while True:
        data = diag.recv(_BUFFER)
        while data:
            length, kind, *_ = _HEADER.unpack_from(data)
            if kind in (_DONE, _ERROR):
                return found
            if kind == _SOCK_DIAG_BY_FAMILY:
                found.append(data[_HEADER.size : length][_ID])
            data = data[(length + 3) & ~3 :]


def _request(kind: int, flags: int, family: int, identity: bytes) -> bytes:
    body = _QUERY.pack(family, socket.IPPROTO_TCP, 0, _STATES, identity)
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body
