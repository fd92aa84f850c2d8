"""Requests that go past the proxy: which do, what becomes of them when backends or policies change, and that none is lost."""

import random
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse

import pytest
from fast_clients import PORT, Connection, counted, settled
from http_ends import Answer, ask
from request_policies import http, ingress, rule
from strict_backend import StrictBackend, strict_backend

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.lab.port import Lab, LabPod

LONG = 400_000
OPEN = [http("/public/.*", method) for method in ("GET", "POST", "HEAD")]
PLANE = EbpfL7()


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
def plane(attached: EbpfL7Attachment, backend: StrictBackend, app: str) -> EbpfL7Attachment:
    attached.apply([ingress(app, rule("client", *OPEN, port=PORT))])
    backend.seen.clear()
    return attached


@pytest.mark.parametrize("family", [4, 6])
def test_requests_go_past_the_proxy_and_denied_ones_do_not(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, backend: StrictBackend, app: str, family: int
) -> None:
    connection = Connection(client, pair_lab.pod(f"shop/{app}"), family)
    settled(plane, connection)
    backend.seen.clear()
    before = plane.path_counts()
    for number in range(20):
        assert ask(connection, f"/public/{number}") == Answer(200, b"/public/%d " % number)
        assert ask(connection, f"/private/{number}") == Answer(403, b"Access denied\r\n")
    assert [each.target for each in backend.seen] == [b"/public/%d" % number for number in range(20)]
    found = counted(plane, before)
    assert (found["fast"], found["slow_not_allowed"]) == (20, 20)
    assert found["direct_asked"] > 0, "the backend's node judges, and its socket takes part"
    assert found["direct_answered"] > 0
    connection.close()


def test_an_open_connection_is_judged_by_the_policy_in_force(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, backend: StrictBackend, app: str
) -> None:
    connection = Connection(client, pair_lab.pod(f"shop/{app}"))
    settled(plane, connection)
    plane.apply([ingress(app, rule("client", http("/other"), port=PORT))])
    backend.seen.clear()
    assert ask(connection, "/public/revoked").status == 403
    assert ask(connection, "/other").status == 200
    plane.apply([ingress(app, rule("client", *OPEN, port=PORT))])
    settled(plane, connection)
    plane.apply([ingress(app, rule("nobody", port=PORT))])
    connection.sock.settimeout(1)
    with pytest.raises(TimeoutError):
        ask(connection, "/public/revoked")
    assert b"/public/revoked" not in [each.target for each in backend.seen]
    connection.abort()


def test_long_answers_arrive_whole(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, backend: StrictBackend, app: str
) -> None:
    connection = Connection(client, pair_lab.pod(f"shop/{app}"))
    settled(plane, connection)
    for size in (1, 60_000, LONG, 10, LONG):
        body = random.Random(size).randbytes(size)
        connection.request("POST", "/public/", body=body)
        assert connection.getresponse().read() == b"/public/ " + body
    connection.close()


def test_a_client_may_ask_again_as_soon_as_it_has_an_answer_that_the_agent_passed_on(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, app: str
) -> None:
    """What is held back is lost to TCP, and comes 200 ms later."""
    connection = Connection(client, pair_lab.pod(f"shop/{app}"))
    settled(plane, connection)
    before = plane.path_counts()
    for _ in range(100):
        assert ask(connection, "/public/chunked") == Answer(200, b"/public/chunked ")
    found = counted(plane, before)
    assert found["fast"] == found["relayed"] == 100
    assert "held" not in found
    connection.close()


def test_a_backend_that_ends_its_connections_loses_only_what_was_in_flight(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, backend: StrictBackend, app: str
) -> None:
    connection = Connection(client, pair_lab.pod(f"shop/{app}"))
    settled(plane, connection)
    for each in backend.open:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
    backend.open.clear()
    statuses = [ask(connection, "/public/again").status for _ in range(20)]
    assert set(statuses) <= {200, 503}
    assert statuses[-10:] == [200] * 10
    settled(plane, connection)
    connection.close()


CHUNKS = b"".join(b"%x\r\n%s\r\n" % (size, b"c" * size) for size in (5, 70_000, 1, 300)) + b"0\r\n\r\n"
SHORT_CHUNKS = b"1a\r\n%s\r\n001\r\n:\r\n0\r\n\r\n" % (b"c" * 26)
LEFT_TO_THE_PROXY = {
    "odd header": (b"GET /public/odd HTTP/1.1\r\nHost: b\r\nTE: trailers\r\n\r\n",),
    "odd header and a body": (b"POST /public/odd HTTP/1.1\r\nHost: b\r\nX-Envoy-A: b\r\nContent-Length: 3\r\n\r\nabc",),
    "escape": (b"GET /public/%61 HTTP/1.1\r\nHost: b\r\n\r\n",),
    "path that is not normal": (b"GET /public/./odd HTTP/1.1\r\nHost: b\r\n\r\n",),
    "another method": (b"TRACE /public/odd HTTP/1.1\r\nHost: b\r\n\r\n",),
    "bytes above 127": (b"GET /public/odd HTTP/1.1\r\nHost: b\r\nX-Name: \xc3\xa9\r\n\r\n",),
    "long head": (b"GET /public/odd HTTP/1.1\r\nHost: b\r\nCookie: a=%s\r\n\r\n" % (b"x" * 9000),),
    "head in pieces": (b"GET /pub", b"lic/odd HTTP/1.1\r\nHo", b"st: b\r\n\r", b"\n"),
    "body in pieces": (b"POST /public/odd HTTP/1.1\r\nHost: b\r\nContent-Length: 6\r\n\r\n", b"abc", b"def"),
    "head in pieces, and a body": (b"POST /public/odd HTTP/1.1\r\nHost: b\r\nContent-", b"Length: 6\r\n\r\nabc", b"def"),
    "chunks": (b"POST /public/odd HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,),
    "chunks apart": (
        b"POST /public/odd HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: Chunked\r\n\r\n",
        CHUNKS[:30_000],
        CHUNKS[30_000:],
    ),
    "chunks byte by byte": (
        b"POST /public/odd HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n",
        *(SHORT_CHUNKS[at : at + 1] for at in range(len(SHORT_CHUNKS))),
    ),
    "head in pieces, and chunks": (b"POST /public/odd HTTP/1.1\r\nHost: b\r\nTransfer-Enc", b"oding: chunked\r\n\r\n" + CHUNKS),
    "answer in chunks": (
        b"POST /public/chunked HTTP/1.1\r\nHost: b\r\nTE: trailers\r\nContent-Length: 5000\r\n\r\n" + b"a" * 5000,
    ),
    "no body in the answer": (b"HEAD /public/odd HTTP/1.1\r\nHost: b\r\nTE: trailers\r\n\r\n",),
    "denied": (b"GET /private/odd HTTP/1.1\r\nHost: b\r\nTE: trailers\r\n\r\n",),
}
REFUSED = ("another method", "denied")


@pytest.mark.parametrize("kind", LEFT_TO_THE_PROXY)
def test_what_is_left_to_the_proxy_leaves_the_connection_to_the_kernel(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, app: str, kind: str
) -> None:
    connection = Connection(client, pair_lab.pod(f"shop/{app}"))
    settled(plane, connection)
    steps = []
    for _ in range(3):
        before = plane.path_counts()
        said = LEFT_TO_THE_PROXY[kind]
        for piece in said:
            connection.sock.sendall(piece)
            time.sleep(0.01 if len(said) > 1 else 0)  # so that pieces are packets; joined ones are read as well
        response = HTTPResponse(connection.sock, method=said[0].split()[0].decode())
        response.begin()
        assert response.status == (403 if kind in REFUSED else 200)
        response.read()
        steps.append(counted(plane, before))
        before = plane.path_counts()
        assert ask(connection, "/public/plain") == Answer(200, b"/public/plain ")
        steps.append(counted(plane, before))
    ways = [(step.get("fast", 0), sum(count for name, count in step.items() if name.startswith("slow_"))) for step in steps]
    assert ways == [(0, 1), (1, 0)] * 3, steps
    connection.close()


def test_many_clients_get_each_their_own_answers(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, backend: StrictBackend, app: str
) -> None:
    """Random sizes, some denied, some that only the proxy understands; policies change meanwhile and say the same."""
    server, wrong = pair_lab.pod(f"shop/{app}"), []
    policy = [ingress(app, rule("client", *OPEN, port=PORT))]

    def work(seed: int) -> None:
        chance, connection = random.Random(seed), Connection(client, server)
        for number in range(150):
            target = f"/{chance.choice(['public', 'public', 'public', 'private'])}/{seed}/{number}"
            body = chance.randbytes(chance.choice([0, 3, 700, 20_000]))
            headers = {"X-Sum": str(zlib.crc32(body)), **({"Te": "trailers"} if chance.random() < 0.1 else {})}
            connection.pieces = chance.random() < 0.3
            connection.request("POST", target, body=body, headers=headers)
            response = connection.getresponse()
            got = response.status, response.read()
            if got != ((200, target.encode() + b" " + body) if "public" in target else (403, b"Access denied\r\n")):
                wrong.append((target, got[0], got[1][:200]))
                return
            if response.will_close:  # it refused a body that it had not read
                connection = Connection(client, server)
        connection.close()

    before = plane.path_counts()
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(12)]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        plane.apply(policy)
        threads[0].join(1.0)
    assert not wrong
    assert not [each for each in backend.seen if b"private" in each.target]
    assert counted(plane, before)["fast"] > 100
