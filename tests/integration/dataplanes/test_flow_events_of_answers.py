"""Requests whose answers do not come, or come by way of an agent, have their flow event too."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import RemoteDisconnected

import pytest
from accepting import accepting, listening
from fast_clients import PORT, Connection
from flow_records import brief, flowing, marked
from halting_backend import Halting
from http_ends import SECONDS, ask

from harness.dataplanes.ebpf_l7 import EbpfL7Attachment
from harness.dataplanes.port import RestartKind
from harness.lab.port import Lab, LabPod

AGENT = "l7-agent"


@pytest.fixture(scope="module")
def attached(pair_lab: Lab) -> Iterator[EbpfL7Attachment]:
    with flowing(pair_lab, "flows=true") as attachment:
        yield attachment


@pytest.fixture
def plane(attached: EbpfL7Attachment) -> EbpfL7Attachment:
    return attached


@pytest.fixture(scope="module")
def backend(pair_lab: Lab) -> Iterator[Halting]:
    with accepting(Halting(listening(pair_lab.pod("shop/neighbour"), PORT))) as served:
        yield served


@pytest.fixture
def server(pair_lab: Lab, backend: Halting) -> LabPod:
    backend.go.set()
    return pair_lab.pod("shop/neighbour")


@pytest.mark.parametrize("target", ["/public/chunks", "/public/long"])
def test_an_answer_that_the_agent_passes_on_has_its_status(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod, backend: Halting, target: str
) -> None:
    told, connection = marked(plane, client, server)
    connection.request("GET", target)
    connection.getresponse().read()
    connection.close()
    other = Connection(client, server)
    ask(other, "/public/end")
    (found,) = told.until("/public/end")
    assert brief(found) == ("GET", target, 200, "FORWARDED", "fast", None, "relayed")
    other.close()


def test_a_backend_that_goes_away_before_its_answer_is_told_of_with_the_status_that_the_client_got(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod, backend: Halting
) -> None:
    told, connection = marked(plane, client, server)
    backend.asked.clear()
    backend.go.clear()
    connection.request("GET", "/public/late")
    assert backend.asked.wait(SECONDS)
    for each in backend.open:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    backend.open.clear()
    assert connection.getresponse().status == 503
    backend.go.set()
    connection.close()
    other = Connection(client, server)
    ask(other, "/public/end")
    (found,) = told.until("/public/end")
    assert brief(found) == ("GET", "/public/late", 503, "FORWARDED", "fast", None, "lost")
    assert "latency_ns" not in found["flow"]["l7"]
    other.close()


def test_a_request_that_was_under_way_when_its_agent_died_has_one_record_and_the_next_agent_files_on(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod, backend: Halting
) -> None:
    told, connection = marked(plane, client, server)
    for number in range(5):
        ask(connection, f"/public/{number}")
    backend.asked.clear()
    backend.go.clear()
    connection.request("GET", "/public/late")
    assert backend.asked.wait(SECONDS)
    plane.restart(AGENT, RestartKind.KILL)
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        connection.getresponse()
    backend.go.set()
    other = Connection(client, server)
    ask(other, "/public/end")
    found = told.until("/public/end")
    assert [brief(each)[1:4] for each in found] == [
        *((f"/public/{number}", 200, "FORWARDED") for number in range(5)),
        ("/public/late", None, "FORWARDED"),
    ]
    assert found[-1]["meshproof"]["answer"] == "lost"
    connection.close()
    other.close()
