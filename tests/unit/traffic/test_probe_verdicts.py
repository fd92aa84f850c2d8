"""What a probe makes of what it met."""

import socket
import time

import pytest
from hostile import Answer, reset, say, serving
from loopback import LocalPod

from harness.lab.port import Completed
from harness.model.flow import Flow, Verdict
from harness.traffic.port import LoadFailed
from harness.traffic.probe import judge, probe

CUT_SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntest"


def answer(status: str, body: bytes) -> Answer:
    return say(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body))


@pytest.mark.parametrize(
    ("behaviour", "verdict", "detail"),
    [
        (answer("200 OK", b"test/local"), Verdict.FORWARDED, "status 200 from test/local"),
        (answer("200 OK", b"test/local\n"), Verdict.FORWARDED, "status 200 from test/local"),
        (answer("200 OK", b"test/other"), Verdict.REDIRECTED, "answered by test/other, not by test/local"),
        (answer("302 Found", b""), Verdict.REDIRECTED, "status 302"),
        (answer("403 Forbidden", b"RBAC: access denied"), Verdict.REJECTED, "status 403"),
        (answer("503 Service Unavailable", b"reset"), Verdict.REJECTED, "status 503"),
        (say(close=True), Verdict.REJECTED, "connection closed while waiting"),
        (say(CUT_SHORT, close=True), Verdict.REJECTED, "connection closed while answering"),
        (reset, Verdict.REJECTED, "ECONNRESET after "),
        (say(b"220 smtp ready\r\n\r\n"), Verdict.REJECTED, "an answer that is not HTTP"),
        (say(), Verdict.DROPPED, "silence while waiting"),
        (say(CUT_SHORT), Verdict.DROPPED, "silence while answering"),
    ],
)  # fmt: skip
def test_verdict_is_what_the_client_saw(behaviour: Answer, verdict: Verdict, detail: str, local: LocalPod) -> None:
    with serving(behaviour) as port:
        seen = probe(Flow("test/local", "test/local", port), local, local, seconds=0.2)
    assert seen.verdict is verdict
    assert seen.detail.startswith(detail)


def test_refused_connection_is_a_rejection_and_says_how_soon(local: LocalPod) -> None:
    with serving(say()) as port:
        pass
    seen = probe(Flow("test/local", "test/local", port, family=6), local, local)
    assert seen.verdict is Verdict.REJECTED
    assert seen.detail.startswith("ECONNREFUSED")
    assert 0 <= seen.seconds < 1


def test_probe_is_sent_once(local: LocalPod) -> None:
    requests = []

    def count(client: socket.socket) -> None:
        requests.append(time.monotonic())

    with serving(count) as port:
        probe(Flow("test/local", "test/local", port), local, local, seconds=0.3)
    assert len(requests) == 1


def test_flow_that_cannot_be_probed_has_no_verdict(local: LocalPod) -> None:
    with pytest.raises(LoadFailed, match="only TCP can be probed"):
        probe(Flow("test/local", "test/local", 53, protocol="UDP"), local, local)
    local.pod = type(local.pod)("v4", "test", "n1", ips=("127.0.0.1",))
    with pytest.raises(LoadFailed, match="pod test/v4 has no IPv6 address"):
        probe(Flow("test/v4", "test/v4", 80, family=6), local, local)


@pytest.mark.parametrize(
    "said", ["", "answered\n", "answered x 0.1\n", "vanished ECONNRESET 0.1\n", "silent connecting soon\n"]
)
def test_output_that_is_none_of_the_probers_is_refused(said: str) -> None:
    with pytest.raises(LoadFailed, match="probe printed what cannot be understood"):
        judge(Completed(("probe",), 0, said, ""), "test/local")
