"""Answers to routed requests that the agent passes on, and what becomes of those that it leaves when it dies."""

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import IncompleteRead

import pytest
from accepting import Accepting, accepting, listening
from fast_clients import counted
from http_ends import SECONDS
from service_clients import ask, connection
from service_world import PORT, SERVICES
from strict_backend import read, write

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.dataplanes.port import RestartKind
from harness.lab.port import Lab
from harness.model.routing import Routing

LONG = random.Random(7).randbytes(2 << 20).hex().encode()


@dataclass
class Chunking(Accepting):
    """Answers GET in chunks, with the target or with LONG; of ``/late`` the end comes when ``go`` is set."""

    go: threading.Event = field(default_factory=threading.Event)

    def talk(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        heads = b""
        with suppress(OSError):
            while data := read(connection):
                heads += data
                while b"\r\n\r\n" in heads:
                    head, _, heads = heads.partition(b"\r\n\r\n")
                    self._answer(connection, head.split(b" ", 2)[1])

    def _answer(self, connection: socket.socket, target: bytes) -> None:
        if target == b"/plain":
            write(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
            return
        said = LONG if target == b"/long" else target
        write(connection, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(said), said))
        if target == b"/late":
            self.go.wait(SECONDS)
        write(connection, b"0\r\n\r\n")


@pytest.fixture(scope="module", params=["v1", "v2"])
def chunking(routed_lab: Lab, request: pytest.FixtureRequest) -> Iterator[tuple[str, Chunking]]:
    """A Service, and its only pod: on the other node than the client, and on its own."""
    with accepting(Chunking(listening(routed_lab.pod(f"shop/{request.param}"), PORT))) as served:
        yield f"shop/{request.param}", served


@pytest.fixture(scope="module")
def plane(routed_lab: Lab, chunking: tuple[str, Chunking]) -> Iterator[EbpfL7Attachment]:
    with EbpfL7().attach(routed_lab) as attachment:
        assert isinstance(attachment, EbpfL7Attachment)
        attachment.apply((), Routing(SERVICES))
        yield attachment


def settled(plane: EbpfL7Attachment, lab: Lab, service: str, family: int = 4) -> None:
    """The agent has connections to the backend."""
    with closing(connection(lab, "shop/client", SERVICES, service, 80, family)) as asked:
        for _ in range(200):
            before = plane.path_counts()
            assert ask(asked, "/plain").body == "plain"
            if counted(plane, before).get("routed"):
                return
            time.sleep(0.005)
    raise AssertionError(f"none of 200 requests took the fast path: {plane.path_counts()}")


@pytest.mark.parametrize("family", [4, 6])
def test_answers_that_the_agent_passes_on_arrive_whole(
    plane: EbpfL7Attachment, routed_lab: Lab, chunking: tuple[str, Chunking], family: int
) -> None:
    service, _ = chunking
    settled(plane, routed_lab, service, family)
    with closing(connection(routed_lab, "shop/client", SERVICES, service, 80, family)) as asked:
        assert ask(asked, "/plain").body == "plain"
        before = plane.path_counts()
        for target in ("/a", "/long", "/b"):
            assert ask(asked, target).body == (LONG.decode() if target == "/long" else target)
            assert ask(asked, "/plain").body == "plain"
        found = counted(plane, before)
        assert (found["routed"], found["relayed"]) == (6, 3)


def test_a_client_that_waits_for_an_agent_that_died_has_its_connection_ended(
    plane: EbpfL7Attachment, routed_lab: Lab, chunking: tuple[str, Chunking]
) -> None:
    service, served = chunking
    settled(plane, routed_lab, service)
    with closing(connection(routed_lab, "shop/client", SERVICES, service, 80, 4)) as asked:
        assert ask(asked, "/plain").body == "plain"
        before = plane.path_counts()
        asked.request("GET", "/late")
        answer = asked.getresponse()
        assert answer.read(len("/late")) == b"/late"
        assert counted(plane, before)["routed"] == 1
        plane.restart("l7-agent", RestartKind.KILL)
        with pytest.raises(IncompleteRead):
            answer.read()
        served.go.set()
    settled(plane, routed_lab, service)
