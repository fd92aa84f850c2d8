"""Requests to Services as clients ask them and servers answer as they are told, on loopback."""

import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from loopback import LocalPod

from harness.lab.build import c_program
from harness.model.request import GRPCRequest, HTTPRequest
from harness.model.routed import Asked, RoutedAnswer, Told
from harness.model.routing import Call
from harness.oracle import wire
from harness.traffic.arrivals import RECORD, Responder, settle
from harness.traffic.port import LoadFailed
from harness.traffic.responder import SOURCE
from harness.traffic.routed import answer, ask, head
from harness.traffic.transcript import Transcript

ADDRESSES = {"test/web": ("127.0.0.1", "::1")}


def asked(port: int, *, family: int = 4, times: int = 1, told: Told = Told(), to: str = "test/web", **request: object) -> Asked:  # noqa: B008
    call = Call("test/local", to, port, HTTPRequest(**{"host": "web", **request}))  # type: ignore[arg-type]
    return Asked(call, family, times, told)


@pytest.fixture
def served(local: LocalPod, tmp_path: Path) -> Iterator[tuple[int, Responder]]:
    """A responder's port, and what it writes down."""
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    program, diary = str(c_program(SOURCE)), tmp_path / "diary"
    process = local.start([program, str(ready), str(diary), "-", "test/pod", str(port)], component="server")
    assert ready.read_bytes() == b"test/pod\n"
    yield port, Responder("the responder", process, diary, RECORD)
    process.stop()


@pytest.fixture
def lab(local: LocalPod) -> SimpleNamespace:
    return SimpleNamespace(pod=lambda ref: local)


def heads(transcript: Transcript, responder: Responder) -> list[HTTPRequest]:
    settle([responder])
    return [message.request for each in transcript.connections() for message in wire.read(each.data).messages]


def statuses(port: int, sent: bytes, count: int) -> list[int]:
    """Of so many answers to what is sent over one connection."""
    came = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(sent)
        while came.count(b"HTTP/1.1 ") < count or not came.endswith(b"test/pod"):
            came += client.recv(4096)
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d+)", came)]


@pytest.mark.parametrize("family", [4, 6])
def test_a_request_is_asked_as_often_as_said_over_one_connection(
    served: tuple[int, Responder], lab: SimpleNamespace, family: int
) -> None:
    port, responder = served
    transcript = Transcript(responder)
    many = asked(port, family=family, times=3, path="/a?b=c", headers=(("X-A", "one"), ("X-A", "two")))
    (answers,) = ask([many], lab, ADDRESSES, None)
    assert [(each.status, each.by, each.end) for _, each in answers] == [(200, "test/pod", "answered")] * 3
    read = heads(transcript, responder)
    assert len(transcript.connections()) == 1
    assert [(each.method, each.path, each.host) for each in read] == [("GET", "/a?b=c", "web")] * 3
    assert [each.headers[:2] for each in read] == [(("X-A", "one"), ("X-A", "two"))] * 3
    assert [int(dict(each.headers)["Probe"], 16) for each in read] == [nonce for nonce, _ in answers]


def test_a_server_answers_with_the_status_and_headers_that_it_is_told(
    served: tuple[int, Responder], lab: SimpleNamespace
) -> None:
    told = Told(503, (("X-A", "one"), ("X-B", "a: b"), ("X-A", "two")))
    (((_, found),),) = ask([asked(served[0], told=told)], lab, ADDRESSES, None)
    assert (found.status, found.by) == (503, "test/pod")
    assert {"x-a": "one,two", "x-b": "a: b"}.items() <= dict(found.headers).items()


def test_what_is_told_for_the_first_times_is_forgotten_then(served: tuple[int, Responder], lab: SimpleNamespace) -> None:
    """Of each nonce by itself, as of one request that is tried again."""
    port, _ = served
    lines = head(asked(port, told=Told(500, first=2))) + b"Probe: 00000000000000aa\r\n\r\n"
    other = lines.replace(b"aa\r\n", b"ab\r\n")
    assert statuses(port, lines + lines + other + lines, 4) == [500, 500, 500, 200]


def test_a_late_answer_comes_when_it_is_due_and_those_behind_it_after_it(
    served: tuple[int, Responder], lab: SimpleNamespace
) -> None:
    port, _ = served
    begun = time.monotonic()
    late, prompt = ask([asked(port, told=Told(delay=0.2)), asked(port)], lab, ADDRESSES, None)
    assert time.monotonic() - begun >= 0.2
    assert [late[0][1].status, prompt[0][1].status] == [200, 200]
    pipelined = head(asked(port, told=Told(404, delay=0.1, first=1))) + b"Probe: 0000000000000bbb\r\n\r\n"
    assert statuses(port, pipelined + pipelined, 2) == [404, 200]


def test_a_client_that_does_not_wait_for_a_late_answer_is_not_missed(
    served: tuple[int, Responder], lab: SimpleNamespace
) -> None:
    port, _ = served
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(head(asked(port, told=Told(delay=0.05))) + b"Probe: 00000000000000cc\r\n\r\n")
    (((_, found),),) = ask([asked(port, told=Told(delay=0.1))], lab, ADDRESSES, None)
    assert found.status == 200


def test_head_has_an_answer_without_a_body_and_post_a_length(served: tuple[int, Responder], lab: SimpleNamespace) -> None:
    port, responder = served
    transcript = Transcript(responder)
    seen = ask([asked(port, method="HEAD"), asked(port, method="POST")], lab, ADDRESSES, None)
    assert [(times[0][1].status, times[0][1].by) for times in seen] == [(200, None), (200, "test/pod")]
    assert [dict(each.headers).get("Content-Length") for each in heads(transcript, responder)] == [None, "0"]


def test_nobody_there_is_no_answer(lab: SimpleNamespace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    (answers,) = ask([asked(port, times=2)], lab, ADDRESSES, None)
    assert [(each.status, each.end) for _, each in answers] == [(None, "ECONNREFUSED")] * 2


def test_a_service_without_an_address_cannot_be_asked(lab: SimpleNamespace) -> None:
    with pytest.raises(LoadFailed, match="Service test/other has no address"):
        ask([asked(80, to="test/other")], lab, ADDRESSES, None)


def test_calls_need_their_programs(lab: SimpleNamespace) -> None:
    call = Asked(Call("test/local", "test/web", 80, GRPCRequest("a.B/C")))
    with pytest.raises(LoadFailed, match="no client of gRPC runs"):
        ask([call], lab, ADDRESSES, None)


@pytest.mark.parametrize(
    ("came", "found"),
    [
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", RoutedAnswer(404, "", (("content-length", "0"),), "answered")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nme", RoutedAnswer(200, "me", (), "answered")),
        (b"HTTP/1.1 200 OK", RoutedAnswer(None, end="answered, then b'HTTP/1.1 200 OK', which is no answer")),
    ],
)  # fmt: skip
def test_what_came_is_read_as_an_answer(came: bytes, found: RoutedAnswer) -> None:
    assert answer(f"answered 1500000 2000000 {came.hex()}", asked(80)) == replace(found, began=1.5, ended=2.0)


@pytest.mark.parametrize("line", ["", "answered", "answered zz"])
def test_what_the_program_never_prints_is_refused(line: str) -> None:
    with pytest.raises(LoadFailed, match="requests printed what cannot be understood"):
        answer(line, asked(80))


def test_requests_that_go_together_do_not_wait_for_each_others_answers(
    served: tuple[int, Responder], lab: SimpleNamespace
) -> None:
    port, responder = served
    transcript = Transcript(responder)
    begun = time.monotonic()
    (answers,) = ask([replace(asked(port, times=12, told=Told(delay=0.5)), together=True)], lab, ADDRESSES, None)
    assert time.monotonic() - begun < 12 * 0.5
    assert [(each.status, each.by) for _, each in answers] == [(200, "test/pod")] * 12
    assert max(each.began for _, each in answers) < min(each.ended for _, each in answers)
    assert all(each.ended - each.began >= 0.5 for _, each in answers)
    assert sorted(nonce for nonce, _ in answers) == sorted(
        int(dict(request.headers)["Probe"], 16) for request in heads(transcript, responder)
    )
    assert len(transcript.connections()) == 12


def test_requests_that_were_not_there_at_one_time_are_no_answer(served: tuple[int, Responder], lab: SimpleNamespace) -> None:
    late = replace(asked(served[0], times=100, told=Told(delay=0.001)), together=True)
    with pytest.raises(LoadFailed, match="the first was answered before the last was sent"):
        ask([late], lab, ADDRESSES, None)


def test_time_passes_before_a_request_that_comes_after_a_while(served: tuple[int, Responder], lab: SimpleNamespace) -> None:
    port, _ = served
    (((_, first),), ((_, second),)) = ask([asked(port), replace(asked(port, path="/b"), after=0.4)], lab, ADDRESSES, None)
    assert (first.status, second.status) == (200, 200)
    assert second.began - first.ended >= 0.39


@pytest.mark.parametrize(("only", "status"), [("test/pod", 503), ("test/po", 200), ("test/pods", 200), ("other/pod", 200)])
def test_what_one_server_is_told_no_other_does(
    served: tuple[int, Responder], lab: SimpleNamespace, only: str, status: int
) -> None:
    (((_, found),),) = ask([asked(served[0], told=Told(503, only=only))], lab, ADDRESSES, None)
    assert found.status == status
