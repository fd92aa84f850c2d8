"""What a probe makes of what it met."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from hostile import Answer, reset, say, serving
from loopback import LocalPod

from harness.model.flow import ICMP, Flow, Verdict
from harness.model.request import GRPCRequest, HTTPRequest
from harness.traffic.port import LoadFailed
from harness.traffic.probe import judge, probe, probe_all

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


@pytest.mark.parametrize(
    ("flow", "why"),
    [
        (Flow("test/v4", "test/v4", 80, family=6), "pod test/v4 has no IPv6 address"),
        (Flow("test/v4", "test/v4", 80, "SCTP"), "only TCP, UDP and ICMP with a type can"),
        (Flow("test/v4", "test/v4", 0, "ICMP", icmp=ICMP(13)), "only echo requests, type 8, are answered"),
        (Flow("test/v4", "test/v4", 0, "ICMP"), "only TCP, UDP and ICMP with a type can"),
        (Flow("test/v4", "test/v4", 80, request=GRPCRequest("a/b")), "of requests only those of HTTP/1.1 can"),
    ],
)
def test_flow_that_cannot_be_probed_has_no_verdict(flow: Flow, why: str, local: LocalPod) -> None:
    local.pod = type(local.pod)("v4", "test", "n1", ips=("127.0.0.1",))
    with pytest.raises(LoadFailed, match=why):
        probe(flow, local, local)


@pytest.mark.parametrize(
    ("request_", "lines"),
    [
        (HTTPRequest(), ["GET / HTTP/1.1", "Host: local.test"]),
        (HTTPRequest(path="/a?b", host="shop.example"), ["GET /a?b HTTP/1.1", "Host: shop.example"]),
        (HTTPRequest("POST", "/", "x", (("A", "b"), ("a", ""))),
         ["POST / HTTP/1.1", "Host: x", "A: b", "a: ", "Content-Length: 0"]),
    ],
)  # fmt: skip
def test_a_request_is_sent_as_the_flow_has_it(request_: HTTPRequest, lines: list[str], local: LocalPod) -> None:
    requests: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            requests.append(connection.recv(4096))
            answer("200 OK", b"test/local")(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        seen = probe(Flow("test/local", "test/local", listener.getsockname()[1], request=request_), local, local)
        thread.join()
    head, _, last = requests[0].decode().removesuffix("\r\n\r\n").rpartition("\r\n")
    assert (head.split("\r\n"), last) == (lines, f"Probe: {seen.nonce:016x}")
    assert (seen.verdict, seen.status) == (Verdict.FORWARDED, 200)


@pytest.mark.parametrize(("status", "verdict"), [(200, Verdict.FORWARDED), (403, Verdict.REJECTED)])
def test_an_answer_to_head_is_over_with_its_head(status: int, verdict: Verdict, local: LocalPod) -> None:
    with serving(say(b"HTTP/1.1 %d Status\r\nContent-Length: 9\r\n\r\n" % status)) as port:
        seen = probe(Flow("test/local", "test/local", port, request=HTTPRequest("HEAD")), local, local)
    assert (seen.verdict, seen.status) == (verdict, status)


def test_flow_of_an_unknown_pod_is_named() -> None:
    def unknown(ref: str) -> LocalPod:
        raise KeyError(f"lab x has no pod {ref}")

    with pytest.raises(LoadFailed, match="flows of test/local cannot be probed: lab x has no pod test/gone"):
        probe_all([Flow("test/local", "test/gone", 80)], SimpleNamespace(pod=unknown))


@contextmanager
def answering(answer: Callable[[bytes], list[bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    """A UDP server on loopback, as its port and what it got; each datagram meets the answers that ``answer`` makes of it."""
    got: list[bytes] = []
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while data_from := server.recvfrom(2048):
                if data_from[0] == b"end":
                    return
                got.append(data_from[0])
                for datagram in answer(data_from[0]):
                    server.sendto(datagram, data_from[1])

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], got
        server.sendto(b"end", server.getsockname())
        thread.join()


@pytest.mark.parametrize(
    ("answers", "verdict", "detail"),
    [
        ([b"test/local\n%s"], Verdict.FORWARDED, "datagram from test/local"),
        ([b"test/other\n%s"], Verdict.REDIRECTED, "answered by test/other, not by test/local"),
        ([b"who is there?"], Verdict.REDIRECTED, "answered by who is there?, not by test/local"),
        ([b""], Verdict.REDIRECTED, "answered by nobody in particular, not by test/local"),
        ([b"test/local\n0123456789abcdef"], Verdict.DROPPED, "silence while waiting"),
        ([b"test/other\n0123456789abcdef", b"test/local\n%s"], Verdict.FORWARDED, "datagram from test/local"),
        ([], Verdict.DROPPED, "silence while waiting"),
    ],
)
def test_datagrams_verdict_is_what_the_client_saw(answers: list[bytes], verdict: Verdict, detail: str, local: LocalPod) -> None:
    with answering(lambda data: [answer.replace(b"%s", data) for answer in answers]) as (port, got):
        seen = probe(Flow("test/local", "test/local", port, "UDP"), local, local, seconds=0.1)
    assert seen.verdict is verdict
    assert seen.detail == detail
    assert len(got) == 1


@pytest.mark.parametrize("family", [4, 6])
def test_datagram_to_a_closed_port_is_a_rejection(family: int, local: LocalPod) -> None:
    seen = probe(Flow("test/local", "test/local", 1, "UDP", family), local, local)
    assert seen.verdict is Verdict.REJECTED
    assert seen.detail.startswith("ECONNREFUSED")


def test_flows_are_asked_at_once_and_answered_in_their_order(local: LocalPod) -> None:
    lab = SimpleNamespace(pod=lambda ref: local)
    with (
        serving(answer("200 OK", b"test/local")) as good,
        serving(say()) as silent,
        answering(lambda data: [b"test/local\n" + data]) as (udp, got),
    ):
        flows = [
            Flow("test/local", "test/local", *asked)
            for asked in [(good,), (1,), (silent,), (udp, "UDP"), (silent,), (good,)] * 20
        ]
        seen = probe_all(flows, lab, seconds=0.1)
    wanted = [Verdict.FORWARDED, Verdict.REJECTED, Verdict.DROPPED, Verdict.FORWARDED, Verdict.DROPPED, Verdict.FORWARDED]
    assert [each.verdict for each in seen] == wanted * 20
    assert len(set(got)) == len(got) == 20


def test_silence_is_not_over_while_others_are_still_answered(local: LocalPod) -> None:
    """A server that is busy with others for longer than the silence has not refused anybody."""
    lab = SimpleNamespace(pod=lambda ref: local)

    def slowly(data: bytes) -> list[bytes]:
        time.sleep(0.04)
        return [b"test/local\n" + data]

    with answering(slowly) as (port, _):
        seen = probe_all([Flow("test/local", "test/local", port, "UDP")] * 10, lab, seconds=0.2)
    assert {each.verdict for each in seen} == {Verdict.FORWARDED}
    assert max(each.seconds for each in seen) > 0.3


@pytest.mark.parametrize(
    "said",
    ["", "answered", "answered x 0.1 -", "vanished ECONNRESET 0.1 -", "silent connecting soon -", "answered 200 0.1 xyz"],
)
def test_output_that_is_none_of_the_probers_is_refused(said: str) -> None:
    with pytest.raises(LoadFailed, match="probe printed what cannot be understood"):
        judge(said, "test/local")
