"""The responder as a program, on loopback."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import LocalPod

from harness.lab.build import c_program
from harness.traffic.arrivals import RECORD, Kind, Responder, settle
from harness.traffic.responder import SOURCE
from harness.traffic.transcript import Transcript

NAME = b"test/local"
GET = b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


@pytest.fixture
def serving(local: LocalPod, tmp_path: Path) -> Iterator[tuple[list[int], Responder]]:
    """The ports of a responder that serves, and what it writes down."""
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    ports = [free_port(), free_port()]
    program, diary = str(c_program(SOURCE)), tmp_path / "diary"
    process = local.start([program, str(ready), str(diary), "-", NAME.decode(), *map(str, ports)], component="server")
    assert ready.read_bytes() == NAME + b"\n"
    yield ports, Responder("the responder", process, diary, RECORD)
    process.stop()


@pytest.fixture
def ports(serving: tuple[list[int], Responder]) -> list[int]:
    """The ports of a responder that serves."""
    return serving[0]


def exchange(port: int, *pieces: bytes) -> bytes:
    """Everything that comes back until the responder ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_every_port_answers_datagrams_from_the_address_that_was_asked(address: str, ports: list[int]) -> None:
    for port in ports:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.sendto(b"hello", (address, port))
            answer, source = asking.recvfrom(100)
        assert answer == NAME + b"\nhello"
        assert source[:2] == (address, port)


def test_an_answer_is_not_answered(ports: list[int]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.connect(("127.0.0.1", ports[0]))
        asking.send(NAME + b"\nhello")
        asking.send(b"again")
        assert asking.recv(100) == NAME + b"\nagain"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_every_port_answers_requests_and_keeps_the_connection(address: str, ports: list[int]) -> None:
    for port in ports:
        with socket.create_connection((address, port), timeout=5) as connection:
            for _ in range(3):
                connection.sendall(GET)
                answer = connection.recv(4096)
                assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
                assert answer.endswith(b"\r\nContent-Length: 10\r\n\r\n" + NAME)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /name HTTP/1.1\r\nHost: x\r\nconnection:close\r\n\r\n", b"200 OK"),
        (b"GET /name HTTP/1.1\r\nConnection: Close\r\nHost: x\r\n\r\n", b"200 OK"),
        (b"GET /name HTTP/1.0\r\n\r\n", b"200 OK"),
        (b"POST /a?b HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab", b"200 OK"),
        (b"POST /a HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", b"501 Not Implemented"),
        (b"POST /a HTTP/1.1\r\nContent-Length: 100000\r\n\r\n", b"413 Content Too Large"),
        (b"GET HTTP/1.1\r\n\r\n", b"400 Bad Request"),
        (b"\r\n\r\n", b"400 Bad Request"),
        (b"\n\n\r\n\r\n", b"400 Bad Request"),
    ],
)
def test_connection_ends_where_it_must(request_: bytes, status: bytes, ports: list[int]) -> None:
    answer = exchange(ports[0], request_)
    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert b"\r\nConnection: close\r\n" in answer


def test_a_body_is_no_request(ports: list[int]) -> None:
    last = b"GET /name HTTP/1.0\r\n\r\n"
    post = b"POST /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(GET)
    answer = exchange(ports[0], post, GET[:5], GET[5:] + last)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2


@pytest.mark.parametrize("cut", [1, 60, 75, 90, 96, 100])
def test_chunks_their_extensions_and_trailers_are_no_requests(cut: int, ports: list[int]) -> None:
    last = b"GET /name HTTP/1.0\r\n\r\n"
    chunks = b"%x;a=b\r\n%s\r\n0\r\nX-Sum: 1\r\n\r\n" % (len(GET), GET)
    sent = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + last
    assert exchange(ports[0], sent[:cut], sent[cut:]).count(b"HTTP/1.1 200 OK\r\n") == 2


def test_what_is_no_chunk_ends_the_connection(ports: list[int]) -> None:
    assert exchange(ports[0], b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") == b""


def test_all_bytes_that_are_read_are_in_the_transcript(serving: tuple[list[int], Responder]) -> None:
    ports, responder = serving
    transcript = Transcript(responder)
    exchange(ports[0], GET[:9], GET[9:] + b"GET /name HTTP/1.0\r\n\r\n")
    exchange(ports[1], b"GET /other HTTP/1.0\r\n\r\n")
    settle([responder])
    read = [(each.port, each.family, each.data) for each in transcript.connections()]
    assert read == [
        (ports[0], 4, GET + b"GET /name HTTP/1.0\r\n\r\n"),
        (ports[1], 4, b"GET /other HTTP/1.0\r\n\r\n"),
    ]
    assert Transcript(responder).connections() == []


def test_a_body_that_does_not_fit_beside_its_head_ends_the_connection(ports: list[int]) -> None:
    assert exchange(ports[0], b"POST /a HTTP/1.1\r\nContent-Length: 65530\r\n\r\n") == b""


def test_the_answer_to_head_has_no_body(ports: list[int]) -> None:
    answer = exchange(ports[0], b"HEAD /a HTTP/1.1\r\n\r\nGET /name HTTP/1.0\r\n\r\n")
    assert answer.count(b"\r\nContent-Length: 10\r\n") == 2
    assert answer.count(NAME) == 1


def test_requests_may_come_in_pieces_and_in_one(ports: list[int]) -> None:
    last = b"GET /name HTTP/1.0\r\n\r\n"
    answer = exchange(ports[0], GET[:9], GET[9:-1], GET[-1:] + GET + GET + last)
    assert answer.count(b"\r\n\r\n" + NAME) == 4


def test_head_without_end_ends_the_connection(ports: list[int]) -> None:
    assert exchange(ports[0], b"x" * 65536) == b""


def test_port_that_is_taken_is_named(local: LocalPod, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [str(tmp_path / "ready"), str(tmp_path / "diary"), "-", "x", str(port)]
        process = local.start([str(c_program(SOURCE)), *words], component="server")
        assert process.wait(10) == 1
    assert process.log.read_text() == f"responder: TCP over IPv4, port {port}: Address already in use\n"


@pytest.mark.parametrize("name", [b"Probe", b"probe"])  # a proxy writes names in lower case
def test_what_is_read_is_written_down_with_what_it_says_of_itself(name: bytes, serving: tuple[list[int], Responder]) -> None:
    ports, responder = serving
    exchange(ports[0], b"GET /name HTTP/1.1\r\n" + name + b": 00000000000000ff\r\nConnection: close\r\n\r\n")
    with socket.socket(type=socket.SOCK_DGRAM) as asking:
        asking.sendto(b"deadbeef00000001", ("127.0.0.1", ports[1]))
        settle([responder])
        own = asking.getsockname()[1]
    (request,), (datagram,) = responder.of(Kind.REQUEST), responder.of(Kind.DATAGRAM)
    assert (request["nonce"], request["port"], request["family"]) == (0xFF, ports[0], 4)
    assert (datagram["nonce"], datagram["port"], datagram["source_port"]) == (0xDEADBEEF00000001, ports[1], own)


def test_settling_waits_for_what_has_come(serving: tuple[list[int], Responder]) -> None:
    ports, responder = serving
    with socket.socket(type=socket.SOCK_DGRAM) as asking:
        for number in range(500):
            asking.sendto(f"{number + 1:016x}".encode(), ("127.0.0.1", ports[0]))
    settle([responder])
    assert responder.of(Kind.DATAGRAM)["nonce"].tolist() == list(range(1, 501))
