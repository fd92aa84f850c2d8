"""Each request has one flow event, on whichever path: who asked whom for what, what became of it, and which way it took."""

import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from fast_clients import PORT, Connection, counted, settled
from http_ends import ask, connected
from request_policies import POLICY, http, ingress, rule
from strict_backend import StrictBackend, strict_backend

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.lab.port import Lab, LabPod

OPEN = [http("/public/.*", method) for method in ("GET", "POST", "HEAD")]
PLANE = EbpfL7().tuned("flows=true")
SECONDS = 10.0
Record = dict[str, Any]


class Told:
    """The records of an attachment, up to a request that is asked for to mark an end."""

    def __init__(self, plane: EbpfL7Attachment) -> None:
        self._plane = plane
        self._left: list[Record] = []

    def until(self, mark: str) -> list[Record]:
        """All records up to that of ``mark``. The kernel and Envoy tell of requests in order, and the agent files them so."""
        deadline = time.monotonic() + SECONDS
        while True:
            self._left += self._plane.flows()
            urls = [each["flow"]["l7"]["http"]["url"] if "flow" in each else "" for each in self._left]
            if mark in urls:
                found, self._left = self._left[: urls.index(mark)], self._left[urls.index(mark) + 1 :]
                return found
            assert time.monotonic() < deadline, f"{mark} is not among {urls}"
            time.sleep(0.02)


def brief(record: Record) -> tuple[object, ...]:
    flow, own = record["flow"], record["meshproof"]
    asked = flow["l7"]["http"]
    return asked["method"], asked["url"], asked.get("code"), flow["verdict"], own["path"], own.get("why"), own.get("answer")


@pytest.fixture(scope="module", params=["neighbour", "server"])
def app(request: pytest.FixtureRequest) -> str:
    """On the client's node, and on the other."""
    return str(request.param)


@pytest.fixture(scope="module")
def backend(pair_lab: Lab, app: str) -> Iterator[StrictBackend]:
    with strict_backend(pair_lab.pod(f"shop/{app}"), PORT) as served:
        yield served


@pytest.fixture(scope="module")
def attached(pair_lab: Lab, backend: StrictBackend) -> Iterator[EbpfL7Attachment]:
    with PLANE.attach(pair_lab) as attachment:
        assert isinstance(attachment, EbpfL7Attachment)
        yield attachment


@pytest.fixture
def plane(attached: EbpfL7Attachment, app: str) -> EbpfL7Attachment:
    attached.apply([ingress(app, rule("client", *OPEN, port=PORT))])
    return attached


@pytest.fixture
def server(pair_lab: Lab, app: str) -> LabPod:
    return pair_lab.pod(f"shop/{app}")


@pytest.mark.parametrize("family", [4, 6])
def test_a_mixed_sequence_over_one_connection_has_one_record_each(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod, app: str, family: int
) -> None:
    told = Told(plane)
    connection = Connection(client, server, family)
    settled(plane, connection)
    ask(connection, "/public/begin")
    told.until("/public/begin")
    long = "/public/" + "x" * 100
    for target in ("/public/1", "/private/1", long, "/private/2", "/public/2"):
        ask(connection, target)
    connection.request("POST", "/public/posted", body=b"whole")
    assert connection.getresponse().read() == b"/public/posted whole"
    connection.pieces = True
    connection.request("POST", "/public/pieces", body=b"pieces")
    assert connection.getresponse().read() == b"/public/pieces pieces"
    ask(connection, "/public/3", "HEAD")
    ask(connection, "/public/strange", headers={"Te": "trailers"})
    ask(connection, "/public/4")
    ask(connection, "/public/end")
    found = told.until("/public/end")
    fast = {"fast"} if app == "neighbour" else {"past"}
    assert {each["meshproof"]["path"] for each in found} == {*fast, "slow"}
    quick = ("fast", None, "socket") if app == "neighbour" else ("past", "client-socket", "tcp")
    denied = ("slow", "slow_not_allowed", None)
    expected = [
        ("GET", "/public/1", 200, "FORWARDED", *quick),
        ("GET", "/private/1", 403, "DROPPED", *denied),
        ("GET", long[:96], 200, "FORWARDED", *quick),
        ("GET", "/private/2", 403, "DROPPED", *denied),
        ("GET", "/public/2", 200, "FORWARDED", *quick),
        ("POST", "/public/posted", 200, "FORWARDED", *quick),
        ("POST", "/public/pieces", 200, "FORWARDED", "slow", "slow_in_pieces", None),
        ("HEAD", "/public/3", 200, "FORWARDED", *quick),
        ("GET", "/public/strange", 200, "FORWARDED", "slow", "slow_strange", None),
        ("GET", "/public/4", 200, "FORWARDED", "slow", "slow_unframed", None),
    ]
    assert [brief(each) for each in found] == expected
    for each in found:
        flow, asked = each["flow"], each["flow"]["l7"]["http"]
        assert flow["source"] == {"namespace": "shop", "pod_name": "client"}
        assert flow["destination"] == {"namespace": "shop", "pod_name": app}
        assert flow["IP"]["source"] == client.pod.ip(family)
        assert flow["l4"]["TCP"] == {"source_port": connection.sock.getsockname()[1], "destination_port": PORT}
        assert flow["node_name"] == server.node.name
        assert flow["traffic_direction"] == "INGRESS"
        assert asked["protocol"] == "HTTP/1.1"
        assert 0 < flow["l7"]["latency_ns"] < SECONDS * 1e9
        assert each["meshproof"].get("url_cut", False) is (asked["url"] == long[:96])
        assert each["meshproof"].get("rule") == (str(POLICY) if flow["verdict"] == "DROPPED" else None)
    assert [each["time"] for each in found] == sorted(each["time"] for each in found)
    connection.close()
