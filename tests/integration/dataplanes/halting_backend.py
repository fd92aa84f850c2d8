"""A backend that answers at once, or halts: before its answer, or in the middle of it."""

import random
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from accepting import Accepting
from http_ends import SECONDS
from strict_backend import read, write

HALF = 40_000
LONG = random.Random(7).randbytes(16 << 20)


@dataclass
class Halting(Accepting):
    """Answers GET with the target; at once, or when ``go`` is set: from the beginning, or from somewhere in the middle."""

    seen: list[bytes] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    def talk(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with suppress(OSError):
            while head := self._head(connection):
                target = head.split(b" ", 2)[1]
                self.seen.append(target)
                begin, rest = _answer(target)
                self.asked.set()
                write(connection, begin)
                if rest:
                    self.go.wait(SECONDS)
                    write(connection, rest)

    def _head(self, connection: socket.socket) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            data = read(connection)
            if not data:
                return b""
            head += data
        return head


def _answer(target: bytes) -> tuple[bytes, bytes]:
    """What comes at once, and what comes later."""
    if target == b"/public/long":
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(LONG), LONG), b""
    if target == b"/public/endless":
        return b"HTTP/1.1 200 OK\r\n\r\nbegun", b"rest"
    if target == b"/public/late":
        return b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"
    if target == b"/public/half":
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (2 * HALF, b"a" * HALF), b"b" * HALF
    if target.startswith(b"/public/chunks"):
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n", b"4\r\nrest\r\n0\r\n\r\n"
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(target), target), b""
