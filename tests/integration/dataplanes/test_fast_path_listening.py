"""The proxy's sockets listen for the kernel's requests without the proxy, and are the proxy's own for all others."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

import pytest
from fast_clients import PORT, Connection, counted, settled
from http_ends import Answer, ask
from request_policies import http, ingress, rule
from strict_backend import StrictBackend, strict_backend

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.lab.port import Lab, LabPod

APP = "server"
"""On the other node, so that all requests come to its proxy's sockets."""

MANY = 500
PIECES = [b"%x\r\n%s\r\n" % (size, b"x" * size) for size in (900, 700, 500, 300)]


@pytest.fixture(scope="module")
def backend(pair_lab: Lab) -> Iterator[StrictBackend]:
    with strict_backend(pair_lab.pod(f"shop/{APP}"), PORT) as served:
        yield served


@pytest.fixture(scope="module")
def plane(pair_lab: Lab, backend: StrictBackend) -> Iterator[EbpfL7Attachment]:
    with EbpfL7().attach(pair_lab) as attachment:
        assert isinstance(attachment, EbpfL7Attachment)
        attachment.apply([ingress(APP, rule("client", http("/public/.*"), port=PORT))])
        yield attachment


@pytest.fixture
def connection(plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod) -> Iterator[Connection]:
    opened = Connection(client, pair_lab.pod(f"shop/{APP}"))
    settled(plane, opened)
    yield opened
    opened.close()


def proxies(plane: EbpfL7Attachment) -> list[int]:
    """The Envoys' pids."""
    return [pid for part in plane.components() for pid in part.pids if "envoy" in Path(f"/proc/{pid}/cmdline").read_text()]


def wakes(pids: list[int]) -> int:
    """How often Envoys' workers have been put on a processor so far (schedstat's third field)."""
    found = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            if (task / "comm").read_text().startswith("wrk:worker"):
                found += int((task / "schedstat").read_text().split()[2])
    assert found, "there are workers"
    return found


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def answer(connection: Connection) -> Answer:
    response = HTTPResponse(connection.sock, method="POST")
    response.begin()
    return Answer(response.status, response.read())


def test_the_proxy_sleeps_while_the_kernel_sends_requests_on(plane: EbpfL7Attachment, connection: Connection) -> None:
    pids = proxies(plane)
    before, slept = plane.path_counts(), wakes(pids)
    for number in range(MANY):
        assert ask(connection, f"/public/{number}") == Answer(200, b"/public/%d " % number)
    assert counted(plane, before)["fast"] == MANY
    assert wakes(pids) - slept < MANY / 5, "only for its own timers"


def test_the_proxy_answers_while_the_kernel_does_not(plane: EbpfL7Attachment, connection: Connection) -> None:
    """The other way round: else the test above would find the proxy asleep for any reason."""
    pids = proxies(plane)
    slept = wakes(pids)
    for number in range(MANY):
        assert ask(connection, f"/private/{number}").status == 403
    assert wakes(pids) - slept > MANY / 2


@pytest.mark.parametrize("turn", range(3))
def test_what_the_proxy_reads_late_is_all_there_and_what_follows_is_heard(
    plane: EbpfL7Attachment, connection: Connection, turn: int
) -> None:
    """A long request in pieces that nobody reads at first; then short ones, of fewer bytes than were unread."""
    for number in range(3):
        assert ask(connection, f"/public/{number}").status == 200
        with stopped(proxies(plane)):
            connection.sock.sendall(b"POST /public/long HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in PIECES:
                connection.sock.sendall(piece)
        connection.sock.sendall(b"0\r\n\r\n")
        assert answer(connection).status == 200
        for _ in range(3):
            connection.sock.sendall(b"GET /public/te HTTP/1.1\r\nHost: b\r\nTE: trailers\r\n\r\n")
            assert answer(connection).status == 200
    before = plane.path_counts()
    assert ask(connection, "/public/again").status == 200
    assert counted(plane, before).get("fast") == 1, "the connection is the kernel's again"
