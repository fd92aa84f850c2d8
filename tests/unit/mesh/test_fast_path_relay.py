"""Answers of every framing reach a client of HTTP/1.1 whole, and the connection after them is as it should be."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import h11
import pytest

from harness.mesh.l7relay import BROKEN, UNANSWERED, Answer, Passed, relay


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket, socket.socket, socket.socket]]:
    """A backend and the agent's end of its connection; the proxy's end of a client's, and the client."""
    backend, upstream = socket.socketpair()
    proxy, client = socket.socketpair()
    proxy.setblocking(False)
    client.settimeout(5)
    with backend, upstream, proxy, client:
        yield backend, upstream, proxy, client


def read(client: socket.socket, *, head: bool = False) -> tuple[int, dict[str, str], bytes, list[int]]:
    """Status, headers, body and statuses before it, as a strict client reads one answer."""
    state = h11.Connection(h11.CLIENT)
    state.send(h11.Request(method="HEAD" if head else "GET", target="/", headers=[("Host", "h")]))
    state.send(h11.EndOfMessage())
    body, before, final = b"", [], None
    while True:
        event = state.next_event()
        if event is h11.NEED_DATA:
            state.receive_data(client.recv(65536))
        elif isinstance(event, h11.InformationalResponse):
            before.append(event.status_code)
        elif isinstance(event, h11.Response):
            final = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert final is not None
            assert state.their_state is h11.DONE, "the client's connection goes on"
            return final.status_code, {k.decode(): v.decode() for k, v in final.headers}, body, before
        else:
            raise AssertionError(event)


def ignored(left: int) -> None:
    """Who relays an answer may be told when its last bytes are left."""


LONG = b"x" * 3_000_000
ANSWERS = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", True),
    "long": (b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + LONG, LONG, True),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc", True),
    "end": (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nabc", b"abc", False),
    "1.0": (b"HTTP/1.0 200 OK\r\n\r\nabc", b"abc", False),
    "close": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", b"abc", False),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b"", True),
    "early": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", b"a", True),
}


@pytest.mark.parametrize(("said", "body", "reusable"), ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_an_answer_arrives_whole(ends: tuple[socket.socket, ...], said: bytes, body: bytes, reusable: bool, piece: int) -> None:
    backend, upstream, proxy, client = ends

    def speak() -> None:
        step = piece if len(said) < 1000 else max(piece, 100_000)
        for at in range(0, len(said), step):
            backend.sendall(said[at : at + step])
        if not reusable:
            backend.close()

    results: list[Passed] = []
    threads = [
        threading.Thread(target=speak),
        threading.Thread(target=lambda: results.append(relay(upstream, proxy, ending=ignored, head=False))),
    ]
    for each in threads:
        each.start()
    status, headers, got, before = read(client)
    for each in threads:
        each.join()
    assert (got, results) == (body, [Passed.BOTH_GO_ON if reusable else Passed.CLIENT_GOES_ON])
    assert status in (200, 204, 304)
    assert "connection" not in headers
    assert before == ([103] if b" 103 " in said else [])


@pytest.mark.parametrize("kind", ["length", "chunks", "204", "early"])
def test_what_is_left_of_an_answer_is_told_before_it_is_written(ends: tuple[socket.socket, ...], kind: str) -> None:
    """Else a client that has all of it asks again before anybody knows that it may."""
    backend, upstream, proxy, client = ends
    told: list[int] = []

    def ending(left: int) -> None:
        told.append(left)
        client.setblocking(False)
        with suppress(BlockingIOError):
            while client.recv(65536):
                pass

    backend.sendall(ANSWERS[kind][0])
    assert relay(upstream, proxy, ending=ending, head=False) is Passed.BOTH_GO_ON
    assert told == [len(client.recv(65536))]
    assert told[0] > 0


def test_the_answer_to_head_has_no_body(ends: tuple[socket.socket, ...]) -> None:
    backend, upstream, proxy, client = ends
    backend.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
    assert relay(upstream, proxy, ending=ignored, head=True) is Passed.BOTH_GO_ON
    assert read(client, head=True)[:2] == (200, {"content-length": "3"})


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na", b"HTTP/1.1 2", b"nonsense\r\n\r\n", b""], ids=repr
)
def test_an_answer_that_ends_too_early_ends_the_clients_connection(ends: tuple[socket.socket, ...], said: bytes) -> None:
    backend, upstream, proxy, client = ends
    backend.sendall(said)
    backend.close()
    assert relay(upstream, proxy, ending=ignored, head=False) is Passed.NEITHER
    rest = b""
    while piece := client.recv(65536):
        rest += piece
    assert len(rest) <= len(said)


def test_a_backend_that_went_away_is_said(ends: tuple[socket.socket, ...]) -> None:
    _, upstream, proxy, client = ends
    assert relay(upstream, proxy, ending=ignored, head=False, instead=UNANSWERED) is Passed.CLIENT_GOES_ON
    status, _, body, _ = read(client)
    assert (status, body[:22]) == (503, b"upstream connect error")


def test_half_an_answer_is_no_answer(ends: tuple[socket.socket, ...]) -> None:
    _, upstream, proxy, client = ends
    assert relay(upstream, proxy, ending=ignored, head=False, instead=Answer.BROKEN) is Passed.NEITHER
    assert BROKEN is Answer.BROKEN
    assert client.recv(10) == b""
