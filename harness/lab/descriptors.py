"""Sockets of a running process, as another one of this machine can have them too."""

import ctypes
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

PIDFD_GETFD = 438
_LIBC = ctypes.CDLL(None, use_errno=True)
_ESTABLISHED = ("01", "08")  # and CLOSE_WAIT: the client has nothing more to say, and may wait


def connection(pids: Iterable[int], own: tuple[str, int], peer: tuple[str, int]) -> socket.socket | None:
    """The socket of one of ``pids`` for the connection between ``own`` and ``peer`` (address, port); None if there is none.

    It is the same socket, not a copy: what is written goes between what its owner writes, and closing it closes nothing.
    """
    wanted = (_hexadecimal(*own), _hexadecimal(*peer))
    table = "tcp6" if ":" in own[0] else "tcp"
    for pid in pids:
        for inode in _inodes(Path(f"/proc/{pid}/net/{table}"), wanted):
            found = _duplicate(pid, f"socket:[{inode}]")
            if found is not None:
                return socket.socket(fileno=found)
    return None


def _inodes(table: Path, wanted: tuple[str, str]) -> Iterator[str]:
    with suppress(OSError):
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if (fields[1], fields[2]) == wanted and fields[3] in _ESTABLISHED:
                yield fields[9]


def _duplicate(pid: int, target: str) -> int | None:
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if str(entry.readlink()) == target:
                    return _taken(pid, int(entry.name))
    return None


def _taken(pid: int, descriptor: int) -> int | None:
    process = os.pidfd_open(pid)
    try:
        found = _LIBC.syscall(PIDFD_GETFD, process, descriptor, 0)
        return found if found >= 0 else None
    finally:
        os.close(process)


def _hexadecimal(address: str, port: int) -> str:
    """As /proc/net/tcp writes it: words of the address in the machine's order, then the port."""
    packed = ip_address(address).packed
    words = [int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
