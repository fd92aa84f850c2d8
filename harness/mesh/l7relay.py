"""Passes one answer on from a backend to the proxy's socket towards the client, whatever its framing."""

import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import h11

READ_BYTES = 256 << 10
_HOP_BY_HOP = (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te")
_UNANSWERED = b"upstream connect error or disconnect/reset before headers. reset reason: connection termination"


class Answer(Enum):
    """What a client gets whose backend went away."""

    UNANSWERED = "before the first byte of its answer"
    BROKEN = "in the middle of its answer"


UNANSWERED, BROKEN = Answer.UNANSWERED, Answer.BROKEN


class Passed(Enum):
    """What became of both connections."""

    BOTH_GO_ON = "the answer is whole, and either may be used again"
    CLIENT_GOES_ON = "the answer is whole, and the backend has ended its connection, or will"
    NEITHER = "it ended too early, and so did the client's connection"


@dataclass(slots=True)
class _Outgoing:
    """What is written to a client, the latest piece last: that it is an answer's end has to be known before it is written."""

    client: socket.socket
    ending: Callable[[int], object]
    piece: bytes = b""

    def put(self, piece: bytes) -> None:
        self.flush()
        self.piece = piece

    def flush(self) -> None:
        _write(self.client, self.piece)
        self.piece = b""

    def end(self, piece: bytes = b"") -> None:
        self.piece += piece
        self.ending(len(self.piece))
        self.flush()


def relay(
    backend: socket.socket,
    client: socket.socket,
    *,
    head: bool,
    ending: Callable[[int], object],
    instead: Answer | None = None,
) -> Passed:
    """Write the answer that ``backend`` gives to one request, of method HEAD or another, to ``client``.

    Its framing is made anew where it was the end of the connection (RFC 9112 section 6.3); bodies pass unchanged. Where it
    ends too early, ``client`` is shut down. ``ending`` is told how many bytes are left before the last of an answer are
    written: as soon as the client has them, it may ask again. ``instead`` of reading anything, says what has become of the
    backend. Raises OSError where the client has gone.
    """
    outgoing = _Outgoing(client, ending)
    if instead is UNANSWERED:
        outgoing.end(
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: %d\r\ncontent-type: text/plain\r\n\r\n%s"
            % (len(_UNANSWERED), b"" if head else _UNANSWERED)
        )
        return Passed.CLIENT_GOES_ON
    if instead is BROKEN:
        client.shutdown(socket.SHUT_RDWR)
        return Passed.NEITHER
    try:
        return _passed_on(backend, outgoing, head)
    except h11.RemoteProtocolError:
        client.shutdown(socket.SHUT_RDWR)
        return Passed.NEITHER


def _passed_on(backend: socket.socket, outgoing: _Outgoing, head: bool) -> Passed:
    state = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    state.send(h11.Request(method="HEAD" if head else "GET", target="/", headers=[("Host", "any")]))
    state.send(h11.EndOfMessage())
    chunked = ended = False
    while True:
        event = state.next_event()
        if event is h11.NEED_DATA:
            outgoing.flush()
            data = backend.recv(READ_BYTES)
            ended = not data
            state.receive_data(data)
        elif isinstance(event, h11.InformationalResponse):
            outgoing.put(_head(event, chunked=False))
        elif isinstance(event, h11.Response):
            chunked = not head and not _bodiless(event.status_code) and not _has_length(event)
            outgoing.put(_head(event, chunked=chunked))
        elif isinstance(event, h11.Data):
            piece = bytes(event.data)
            outgoing.put(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        elif isinstance(event, h11.EndOfMessage):
            outgoing.end(b"0\r\n%s\r\n" % _lines(event.headers.raw_items()) if chunked else b"")
            return Passed.BOTH_GO_ON if state.their_state is h11.DONE and not ended else Passed.CLIENT_GOES_ON
        else:  # the connection ended, and no answer has come
            outgoing.client.shutdown(socket.SHUT_RDWR)
            return Passed.NEITHER


def _bodiless(status: int) -> bool:
    return status in (204, 304)


def _has_length(event: h11.Response) -> bool:
    names = [name for name, _ in event.headers]
    return b"content-length" in names and b"transfer-encoding" not in names


def _head(event: h11.Response | h11.InformationalResponse, *, chunked: bool) -> bytes:
    kept = [(name, value) for name, value in event.headers.raw_items() if name.lower() not in _HOP_BY_HOP]
    if chunked:
        kept.append((b"transfer-encoding", b"chunked"))
    return b"HTTP/1.1 %d %s\r\n%s\r\n" % (event.status_code, event.reason, _lines(kept))


def _lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%s: %s\r\n" % header for header in headers)


def _write(client: socket.socket, data: bytes) -> None:
    """The proxy's socket is non-blocking, and stays so."""
    view = memoryview(data)
    while view:
        try:
            view = view[client.send(view) :]
        except BlockingIOError:
            waiting = select.poll()
            waiting.register(client, select.POLLOUT)
            waiting.poll()
