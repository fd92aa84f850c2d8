"""What a client sends byte for byte, on loopback, and how answers are read."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest
from loopback import LocalPod

from harness.model.exchange import Exchange, HTTPAnswer, Sends
from harness.traffic.exchange import Received, answers, pieces, send
from harness.traffic.port import LoadFailed

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def serving(*answers_: bytes, reads: int, close: bool = True) -> Iterator[tuple[int, list[bytes]]]:
    """A server of one connection that answers every ``reads`` bytes, and what it read each time."""
    read: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            for answer in answers_:
                data = b""
                while len(data) < reads:
                    data += connection.recv(reads - len(data))
                read.append(data)
                connection.sendall(answer)
            if not close:
                with suppress(ConnectionResetError):
                    connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1], read
        thread.join(10)


def sent(local: LocalPod, port: int, *messages: bytes, sends: Sends | tuple[int, ...] = Sends.WHOLE) -> Received:
    lab = SimpleNamespace(pod=lambda _: local)
    return send(Exchange("test/local", "test/local", port, messages, sends), lab, 0.2)  # type: ignore[arg-type]


@pytest.mark.parametrize("sends", [Sends.WHOLE, Sends.BYTEWISE, (2, 1)])
def test_all_bytes_are_sent_and_all_answers_read(local: LocalPod, sends: Sends | tuple[int, ...]) -> None:
    with serving(OK + OK, reads=8) as (port, read):
        assert sent(local, port, b"ab\0\n", b"\xff\r\nz", sends=sends) == Received("closed", OK + OK)
    assert read == [b"ab\0\n\xff\r\nz"]


def test_in_turn_a_message_waits_for_the_answer_to_the_one_before(local: LocalPod) -> None:
    with serving(OK, OK, reads=3) as (port, read):
        assert sent(local, port, b"abc", b"def", sends=Sends.IN_TURN) == Received("closed", OK + OK)
    assert read == [b"abc", b"def"]


def test_in_turn_nothing_more_is_sent_where_no_answer_comes(local: LocalPod) -> None:
    with serving(b"", reads=3, close=False) as (port, read):
        assert sent(local, port, b"abc", b"def", sends=Sends.IN_TURN) == Received("silent", b"")
    assert read == [b"abc"]


def test_a_connection_that_is_refused_has_an_errors_name(local: LocalPod) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert sent(local, port, b"a") == Received("ECONNREFUSED", b"")


def test_an_exchange_that_cannot_be_tried_is_no_verdict(local: LocalPod) -> None:
    def nobody(_: str) -> LocalPod:
        raise KeyError("no pod")

    with pytest.raises(LoadFailed, match="could not be tried"):
        send(Exchange("a/b", "a/b", 1, (b"a",)), SimpleNamespace(pod=nobody), 0.2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sends", "cut"),
    [
        (Sends.WHOLE, [b"abcdef"]),
        (Sends.BYTEWISE, [b"a", b"b", b"c", b"d", b"e", b"f"]),
        (Sends.IN_TURN, [b"abc", b"def"]),
        ((2, 1), [b"ab", b"c", b"def"]),
        ((9,), [b"abcdef"]),
    ],
)
def test_pieces_are_cut_as_asked(sends: Sends | tuple[int, ...], cut: list[bytes]) -> None:
    assert list(pieces(Exchange("a/b", "a/b", 1, (b"abc", b"def"), sends))) == cut


CHUNKS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a\r\nok\r\n0\r\nX: y\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "methods", "found", "rest"),
    [
        (OK + OK, ["GET", "GET"], [HTTPAnswer(200, b"ok")] * 2, ""),
        (OK[:-2] + OK, ["HEAD", "GET"], [HTTPAnswer(200, b""), HTTPAnswer(200, b"ok")], ""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, ["POST"], [HTTPAnswer(200, b"ok")], ""),
        (CHUNKS + OK, ["GET", "GET"], [HTTPAnswer(200, b"ok")] * 2, ""),
        (CHUNKS.replace(b"X: y\r\n", b"") + OK, ["GET", "GET"], [HTTPAnswer(200, b"ok")] * 2, ""),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + OK, [], [HTTPAnswer(204, b""), HTTPAnswer(200, b"ok")], ""),
        (b"HTTP/1.0 400 Bad\r\n\r\nuntil the end", ["GET"], [HTTPAnswer(400, b"until the end")], ""),
        (OK + OK[:-1], ["GET", "GET"], [HTTPAnswer(200, b"ok")], "a part of an answer with status 200"),
        (CHUNKS[:-1], ["GET"], [], "a part of an answer with status 200"),
        (OK + b"nonsense", ["GET"], [HTTPAnswer(200, b"ok")], "b'nonsense', which is no answer"),
    ],
)
def test_answers_are_told_apart(data: bytes, methods: list[str], found: list[HTTPAnswer], rest: str) -> None:
    read, behind = answers(data, methods)
    assert ([replace(each, headers=()) for each in read], behind) == (found, rest)


def test_an_answer_has_its_headers_as_they_came() -> None:
    ((answer,), _) = answers(b"HTTP/1.1 200 OK\r\nX-A: one\r\ncontent-length:0\r\nX-A:  two \r\n\r\n", ["GET"])
    assert answer.headers == (("X-A", "one"), ("content-length", "0"), ("X-A", "two"))
