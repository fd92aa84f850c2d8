"""Shares of paths and backends: differences between two looks, and nothing where there is nothing to count."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest

from harness.meters import registered
from harness.meters.backends import requests_read
from harness.meters.port import MeterError, Subject
from harness.model.bench import LoadKind
from harness.traffic.port import LoadResult

LOAD = LoadResult(1000, 0, 1.0)


def subject(**fields: object) -> Subject:
    return Subject(None, None, None, (), **fields)  # type: ignore[arg-type] # nothing else is read


def test_paths_are_counted_between_begin_and_end_for_each_request() -> None:
    looks = iter([{"fast": 40, "slow": 7}, {"fast": 940, "slow": 107, "new": 1}])
    reading = registered()["paths"].open(subject(path_counts=lambda: next(looks)))
    reading.begin()
    reading.end()
    found = {metric.component: metric.value for metric in reading.metrics(LOAD)}
    assert found == {"fast": 0.9, "slow": 0.1, "new": 0.001}


def test_a_plane_of_one_path_and_a_load_without_answers_give_nothing() -> None:
    without = registered()["paths"].open(subject())
    without.begin()
    without.end()
    assert not without.metrics(LOAD)
    unanswered = registered()["paths"].open(subject(path_counts=lambda: {"fast": 1}))
    unanswered.begin()
    unanswered.end()
    assert not unanswered.metrics(LoadResult(0, 5, 1.0))


@pytest.mark.parametrize("name", ["paths", "backends"])
def test_nothing_is_read_while_kernel_events_are_counted(name: str) -> None:
    assert LoadKind.TRACE.value not in registered()[name].kinds
    assert {LoadKind.MAXIMUM.value, LoadKind.CLOSED.value, LoadKind.BLOCKING.value} <= registered()[name].kinds


def test_backends_are_not_looked_at_while_latency_is_taken() -> None:
    assert LoadKind.LATENCY.value not in registered()["backends"].kinds


@contextmanager
def answering(answers: Iterator[bytes]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = next(answers)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextmanager
def entered() -> Iterator[None]:
    yield


def pod(name: str) -> SimpleNamespace:
    return SimpleNamespace(pod=SimpleNamespace(ref=f"shop/{name}"), entered=entered)


def status(requests: int) -> bytes:
    return (
        f"Active connections: 3 \nserver accepts handled requests\n 12 12 {requests} \nReading: 0 Writing: 1 Waiting: 2 \n"
    ).encode()


def test_backends_have_the_share_of_what_they_read_without_the_looks_themselves() -> None:
    counts = iter(status(count) for count in (10, 20, 311, 121))  # 300 and 100 in between, and a look each
    with answering(counts) as port:
        reading = registered()["backends"].open(subject(backends=(pod("a"), pod("b")), port=port))
        reading.begin()
        reading.end()
        found = {metric.component: metric.value for metric in reading.metrics(LOAD)}
    assert found == {"shop/a": 0.75, "shop/b": 0.25}


def test_where_no_service_is_asked_nobody_is_asked_for_shares() -> None:
    reading = registered()["backends"].open(subject())
    reading.begin()
    reading.end()
    assert not reading.metrics(LOAD)


def test_a_server_that_does_not_say_is_named() -> None:
    with answering(iter([b"hello"])) as port, pytest.raises(MeterError, match="shop/a: nginx's /status cannot be understood"):
        requests_read(pod("a"), port)  # type: ignore[arg-type] # a part of one
    with pytest.raises(MeterError, match=r"shop/a: nginx does not say how many requests it has read: .*refused"):
        requests_read(pod("a"), port)  # type: ignore[arg-type] # a part of one
