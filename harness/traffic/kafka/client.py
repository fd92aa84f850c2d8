"""A program for the inside of a pod: it sends bytes that are requests of Kafka, and reads their answers.

Usage: client.py SOCKET. It is told over that (told.py) to do things, many at the same time. Each has ``do``:
    ask      sends a request over a connection of its own, or over that called ``connection``, which is then kept
    close    ends ``connection``
A request has ``address``, ``port``, ``pieces`` (its bytes in hexadecimal, a send each) and ``seconds`` until it is given up.
Those over one connection are sent one behind another, and no answer is waited for in between. What came of each: ``end``,
which is answered, closed, silent, or an error's name, and ``data``, its answer with the length, or what there was of it.

A frame begins with its length in four bytes. Answers come in the order of the requests.
"""

import errno
import socket
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, Thread
from typing import Any

from harness.traffic.told import serve

LENGTH = 4
AT_ONCE = 32  # connections: a request's time begins with its own, however many are asked
CHUNK = 1 << 16
Thing = dict[str, Any]


class Connection:
    """A connection that is opened when it is first used, and what came over it that is no whole frame yet."""

    def __init__(self, address: str, port: int) -> None:
        self._to = address, port
        self._socket: socket.socket | None = None
        self._read = b""

    def ask(self, things: Sequence[Thing]) -> list[Thing]:
        """Send all, read an answer for each."""
        deadline = time.monotonic() + max(float(each["seconds"]) for each in things)
        try:
            spoken = self._opened(deadline)
        except OSError as error:
            return [{"end": _named(error), "data": ""} for _ in things]
        pieces = [bytes.fromhex(piece) for each in things for piece in each["pieces"]]
        sender = Thread(target=_send, args=(spoken, pieces), daemon=True)  # a peer that does not read holds up no answer
        sender.start()
        done: list[Thing] = []
        end = "answered"
        for _ in things:
            end = self._frame(spoken, deadline) if end == "answered" else end
            size = self._size() if end == "answered" else len(self._read)
            done.append({"end": end, "data": self._read[:size].hex()})
            self._read = self._read[size:]
        return done

    def close(self) -> None:
        """End it, if it is open."""
        if self._socket is not None:
            self._socket.close()

    def _opened(self, deadline: float) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._to, timeout=max(0.001, deadline - time.monotonic()))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a segment for each send
        return self._socket

    def _size(self) -> int:
        return LENGTH + int.from_bytes(self._read[:LENGTH], "big")

    def _frame(self, spoken: socket.socket, deadline: float) -> str:
        """Read until there is a whole frame, or there will be none: why."""
        while len(self._read) < LENGTH or len(self._read) < self._size():
            try:
                spoken.settimeout(max(0.001, deadline - time.monotonic()))
                came = spoken.recv(CHUNK)
            except OSError as error:
                return _named(error)
            if not came:
                return "closed"
            self._read += came
        return "answered"


def _send(spoken: socket.socket, pieces: Sequence[bytes]) -> None:
    try:
        for piece in pieces:
            spoken.sendall(piece)
    except OSError:  # who reads hears of it
        return


def _named(error: OSError) -> str:
    return "silent" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno or 0, type(error).__name__)


class Client:
    """Connections that are kept, by the names that they were given."""

    def __init__(self) -> None:
        self._kept: dict[str, Connection] = {}
        self._naming = Lock()

    def do(self, things: Sequence[Thing]) -> list[Thing]:
        """Many of them at the same time; what came of each, in order."""
        together: dict[object, list[int]] = {}
        for place, thing in enumerate(things):
            together.setdefault(thing["connection"] or place, []).append(place)
        done: dict[int, Thing] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            came = pool.map(lambda places: self._over_one([things[place] for place in places]), together.values())
            for places, each in zip(together.values(), came, strict=True):
                done.update(zip(places, each, strict=True))
        return [done[place] for place in range(len(things))]

    def _over_one(self, things: Sequence[Thing]) -> list[Thing]:
        name = things[0]["connection"]
        with self._naming:
            if things[0]["do"] == "close":
                if name in self._kept:
                    self._kept.pop(name).close()
                return [{} for _ in things]
            connection = self._kept.get(name) or Connection(things[0]["address"], things[0]["port"])
            if name is not None:
                self._kept[name] = connection
        try:
            return connection.ask(things)
        finally:
            if name is None:
                connection.close()


if __name__ == "__main__":
    serve(sys.argv[1], Client().do)
