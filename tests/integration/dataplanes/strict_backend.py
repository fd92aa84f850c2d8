"""A backend that reads requests strictly, bodies too, and remembers each as it understood it.

Its sockets are non-blocking, as those of most servers: only such take part in the fast path with their own.
"""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import h11
from accepting import Accepting, accepting, listening

from harness.lab.port import LabPod


@dataclass(frozen=True, slots=True)
class Understood:
    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


CHUNK = 1000
MALFORMED = Understood(b"", b"malformed", (), b"")


@dataclass
class StrictBackend(Accepting):
    seen: list[Understood] = field(default_factory=list)

    def talk(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        state = h11.Connection(h11.SERVER)
        with suppress(OSError):
            while self._answered(state, connection):
                state.start_next_cycle()
            connection.shutdown(socket.SHUT_WR)

    def _answered(self, state: h11.Connection, connection: socket.socket) -> bool:
        """Read one request and answer it, in chunks if its target says so; whether another may follow."""
        request, body = None, b""
        while True:
            try:
                event = state.next_event()
            except h11.RemoteProtocolError:
                self.seen.append(MALFORMED)
                return False
            if event is h11.NEED_DATA:
                state.receive_data(read(connection))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None
                headers = tuple(request.headers.raw_items())
                self.seen.append(Understood(request.method, request.target, headers, body))
                answer = b"%s %s" % (request.target, body)
                chunked = ("Transfer-Encoding", "chunked") if b"chunked" in request.target else None
                lines = [("Server", "own"), chunked or ("Content-Length", str(len(answer)))]
                said = state.send(h11.Response(status_code=200, reason=b"OK", headers=lines)) or b""
                if request.method != b"HEAD":
                    for at in range(0, len(answer), CHUNK if chunked else len(answer)):
                        said += state.send(h11.Data(data=answer[at : at + (CHUNK if chunked else len(answer))])) or b""
                write(connection, said + (state.send(h11.EndOfMessage()) or b""))
                return state.our_state is h11.DONE
            else:
                return False


def read(connection: socket.socket) -> bytes:
    """What comes next, b"" at the end."""
    while True:
        try:
            return connection.recv(65536)
        except BlockingIOError:
            wait(connection, select.POLLIN)


def write(connection: socket.socket, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[connection.send(rest) :]
        except BlockingIOError:
            wait(connection, select.POLLOUT)


def wait(connection: socket.socket, event: int) -> None:
    waiting = select.poll()
    waiting.register(connection, event)
    waiting.poll()


@contextmanager
def strict_backend(pod: LabPod, port: int) -> Iterator[StrictBackend]:
    with accepting(StrictBackend(listening(pod, port))) as served:
        yield served
