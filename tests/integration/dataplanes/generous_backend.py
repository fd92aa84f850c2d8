"""A backend of long answers, and a client that reads them one after another."""

import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field

from accepting import Accepting
from halting_backend import LONG
from strict_backend import read, write


@dataclass
class Generous(Accepting):
    """Answers requests with their target, all but ``/public/short`` with ``more`` bytes behind it; ``seen`` are the targets."""

    more: int = 100_000
    seen: list[bytes] = field(default_factory=list)

    def talk(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        heads = b""
        with suppress(OSError):
            while said := read(connection):
                heads += said
                while b"\r\n\r\n" in heads:
                    head, _, heads = heads.partition(b"\r\n\r\n")
                    target = head.split(b" ", 2)[1]
                    self.seen.append(target)
                    body = self.body(target)
                    write(connection, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def body(self, target: bytes) -> bytes:
        """Of the answer to a request for ``target``."""
        return target if target == b"/public/short" else target + LONG[: self.more]


class Answers:
    """What comes on a connection, an answer's body at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._left = b""

    def body(self) -> bytes:
        """The next one's, whole."""
        while b"\r\n\r\n" not in self._left:
            self._more()
        head, _, self._left = self._left.partition(b"\r\n\r\n")
        size = int(re.search(rb"(?i)content-length: (\d+)", head)[1])  # type: ignore[index]
        while len(self._left) < size:
            self._more()
        body, self._left = self._left[:size], self._left[size:]
        return body

    def _more(self) -> None:
        piece = self._connection.recv(65536)
        assert piece, "the connection ended"
        self._left += piece
