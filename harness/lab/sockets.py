"""TCP connections that outlive their program, and would keep their namespace alive with them.

A connection that is closed while its last bytes cannot be delivered (a policy drops them, say) is an orphan: the kernel
goes on sending for about 100 s, and only then lets go of the namespace.
"""

import socket
import struct
from pathlib import Path

from harness.lab import kernel

DESTROYS_ORPHANS = (6, 11)
"""Since then SOCK_DESTROY ends orphans too; before, it took their data and left them for ever (commit bac76cf89816)."""

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY, _SOCK_DESTROY = 20, 21
_REQUEST, _DUMP = 0x1, 0x300
_ERROR, _DONE = 2, 3
_TIME_WAIT, _LISTEN = 6, 10
_STATES = 0xFFF & ~(1 << _TIME_WAIT | 1 << _LISTEN)
_HEADER = struct.Struct("=IHHII")
_QUERY = struct.Struct("=BBBxI48s")  # inet_diag_req_v2 of linux/inet_diag.h
_ID = slice(4, 52)  # inet_diag_sockid within inet_diag_msg
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
