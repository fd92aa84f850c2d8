"""What the fast path must not do to others: hold memory without end, disturb blocking programs, run out, believe forgers."""

import json
import re
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from pathlib import Path

import pytest
from accepting import Accepting, accepting, listening
from fast_clients import PORT, Connection, counted, settled
from generous_backend import Answers, Generous
from halting_backend import LONG, Halting
from http_ends import SECONDS, ask
from records import recorded
from request_policies import http, ingress, rule
from strict_backend import read, strict_backend, write

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.port import Attachment
from harness.lab.port import Lab, LabPod, Place
from harness.model.flow import Flow

MIB = 1 << 20
STALLED = 8
SO_MARK, IP_TRANSPARENT, TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 36, 19, 19, 20, 21
POLICY = [ingress("neighbour", rule("client", http("/public/.*"), port=PORT))]


@pytest.fixture(scope="module")
def server(pair_lab: Lab) -> LabPod:
    return pair_lab.pod("shop/neighbour")


@pytest.fixture(scope="module", params=[NodeProxy(), EbpfL7()], ids=lambda plane: plane.name)
def either(pair_lab: Lab, request: pytest.FixtureRequest) -> Iterator[Attachment]:
    with request.param.attach(pair_lab) as attachment:
        attachment.apply(POLICY)
        yield attachment


@pytest.fixture
def plane(either: Attachment) -> EbpfL7Attachment:
    if not isinstance(either, EbpfL7Attachment):
        pytest.skip("about the fast path alone")
    return either


@pytest.fixture(scope="module")
def by_envoy() -> list[int]:
    """What was held with the node's Envoy alone."""
    return []


def held(places: Sequence[Place]) -> int:
    """Bytes of the kernel's in TCP sockets: received and not read, sent and not acknowledged."""
    said = [place.run(["ss", "-tmnHO"]).stdout for place in places]
    found = [re.findall(r"skmem:\(r(\d+),.*?,w(\d+),", text) for text in said]
    return sum(int(received) + int(sent) for each in found for received, sent in each)


def steady(places: Sequence[Place]) -> int:
    """``held``, once it is the same for half a second."""
    deadline, before, same = time.monotonic() + 4 * SECONDS, -1, 0
    while same < 5:
        assert time.monotonic() < deadline, "it grows and grows"
        found = held(places)
        same = same + 1 if found == before else 0
        before = found
        time.sleep(0.1)
    return before


def settle(either: Attachment, connection: Connection) -> None:
    if isinstance(either, EbpfL7Attachment):
        settled(either, connection)


def test_clients_that_do_not_read_hold_no_more_than_by_envoy_and_no_more_than_4_mib_each(
    either: Attachment, pair_lab: Lab, client: LabPod, server: LabPod, by_envoy: list[int]
) -> None:
    """The backend's own socket is left out: what waits there is its own choice, with a mesh and without."""
    places = [pair_lab.node("n1"), client]
    with accepting(Halting(listening(server, PORT))) as backend, ExitStack() as stack:
        backend.go.set()
        stalled = [Connection(client, server) for _ in range(STALLED)]
        for each in stalled:
            stack.callback(each.close)
            settle(either, each)
        before = held(places)
        for each in stalled:
            each.request("GET", "/public/long")
        each_holds = (steady(places) - before) / STALLED
        if isinstance(either, EbpfL7Attachment):
            assert each_holds <= min(4 * MIB, by_envoy[0])
        else:
            by_envoy.append(int(each_holds))
        for each in stalled:
            assert each.getresponse().read() == LONG


def test_a_client_that_asks_on_and_does_not_read_is_held_back_and_gets_all_answers(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, server: LabPod
) -> None:
    """It asks as long as the backend hears it: each answer is written before the next request, and none is read."""
    places, most = [pair_lab.node("n1"), client], 400
    with accepting(Generous(listening(server, PORT))) as backend:
        connection = Connection(client, server)
        settled(plane, connection)
        before, began = held(places), len(backend.seen)
        asked = 0
        while asked < most and len(backend.seen) == began + asked:
            connection.sock.sendall(b"GET /public/%d HTTP/1.1\r\nHost: b\r\n\r\n" % asked)
            asked += 1
            deadline = time.monotonic() + 2
            while len(backend.seen) < began + asked and time.monotonic() < deadline:
                time.sleep(0.001)
        assert asked < most, "nothing that is asked is held back"
        assert (asked - 1) * 100_000 <= 4 * MIB
        assert steady(places) - before <= 4 * MIB
        answers = Answers(connection.sock)
        for number in range(asked):
            assert answers.body() == backend.body(b"/public/%d" % number)
        assert backend.seen[began:] == [b"/public/%d" % number for number in range(asked)]
        settled(plane, connection)
        connection.close()


def test_a_blocking_client_with_uploads_and_signals_never_sees_that_it_should_try_again(
    either: Attachment, client: LabPod, server: LabPod
) -> None:
    """An unmodified program whose readers wait while it uploads; a reader that saw EAGAIN would say so."""
    connections, rounds = 4, 25
    before = either.path_counts() if isinstance(either, EbpfL7Attachment) else {}
    with strict_backend(server, PORT):
        program = Path(__file__).with_name("blocking_client.py")
        argv = [sys.executable, str(program), server.pod.ip(4), str(PORT), str(connections), str(rounds)]
        found = json.loads(client.run(argv, seconds=120).stdout)
    assert found["met"] == {"right": 2 * connections * rounds}
    assert found["signals"] > 100
    if isinstance(either, EbpfL7Attachment):
        assert counted(either, before)["fast"] > connections, "of the small ones, most go past the proxy"


class Ending(Accepting):
    """Ends each connection after its answer, which has no length; or answers as HTTP/1.0 did."""

    def talk(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with suppress(OSError):
            while head := read(connection):
                target = head.split(b" ", 2)[1]
                if target == b"/public/":
                    write(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    continue
                version = b"1.0" if target == b"/public/old" else b"1.1"
                write(connection, b"HTTP/%s 200 OK\r\nX-Own: 1\r\n\r\n%s" % (version, LONG[:300_000]))
                connection.shutdown(socket.SHUT_WR)


def test_answers_without_length_arrive_whole_and_the_connection_goes_on(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod
) -> None:
    with accepting(Ending(listening(server, PORT))):
        connection = Connection(client, server)
        for target in ("/public/ending", "/public/old"):
            settled(plane, connection)
            before = plane.path_counts()
            assert ask(connection, target).body == LONG[:300_000]
            assert counted(plane, before)["relayed"] == 1
        settled(plane, connection)
        connection.close()


def test_more_requests_at_once_than_there_may_be_connections_are_all_answered(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod
) -> None:
    with accepting(Halting(listening(server, PORT))) as backend, ExitStack() as stack:
        backend.go.set()
        many = [Connection(client, server) for _ in range(100)]
        for each in many:
            stack.callback(each.close)
            settled(plane, each)
        backend.seen.clear()
        backend.go.clear()
        before = plane.path_counts()
        for each in many:
            each.request("GET", "/public/late")
        deadline = time.monotonic() + 4 * SECONDS
        while len(backend.seen) < len(many):
            assert time.monotonic() < deadline, "each reaches the backend while none is answered"
            time.sleep(0.01)
        backend.go.set()
        assert [(answer.status, answer.read()) for answer in (each.getresponse() for each in many)] == [(200, b"late")] * 100
        found = counted(plane, before)
        assert found["slow_no_upstream"] >= 100 - 64
        assert found["fast"] + found["slow_no_upstream"] == 100
        assert backend.seen == [b"/public/late"] * 100


def test_a_backend_that_is_started_again_gets_requests_as_fast_as_before(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod
) -> None:
    with strict_backend(server, PORT):
        connection = Connection(client, server)
        settled(plane, connection)
    for start in range(3):
        with strict_backend(server, PORT) as backend:
            statuses = [ask(connection, f"/public/{start}/{number}").status for number in range(20)]
            assert set(statuses) <= {200, 503}
            assert statuses[-10:] == [200] * 10
            settled(plane, connection)
            seen = [each.target for each in backend.seen if each.target != b"/public/"]
            assert len(seen) == len(set(seen)), "none is asked twice"
    connection.close()


def test_nobody_else_can_speak_on_a_clients_connection_or_as_the_proxy(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, server: LabPod
) -> None:
    """A pod writes whole segments in the client's name, at the right place; and opens connections as only the proxy may."""
    stranger = pair_lab.pod("evil/stranger")
    with strict_backend(server, PORT) as backend:
        connection = Connection(client, server)
        settled(plane, connection)
        backend.seen.clear()
        before = plane.path_counts()
        forge(stranger, connection.sock, b"GET /public/forged HTTP/1.1\r\nHost: b\r\n\r\n")
        with stranger.entered(), socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, SO_MARK, 0x200)
            other.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
            other.bind((client.pod.ip(4), 0))
            other.settimeout(1)
            with pytest.raises(TimeoutError):
                other.connect((server.pod.ip(4), PORT))
        evidence = recorded(plane, Flow("shop/client", "shop/neighbour", PORT))
        assert evidence is not None
        assert evidence.reason == "spoofed_source"
        assert counted(plane, before) == {}
        assert ask(connection, "/public/own").body == b"/public/own "
        assert counted(plane, before)["fast"] == 1, "nothing of what is known of the connection has changed"
        assert [each.target for each in backend.seen] == [b"/public/own"]
        connection.close()


def test_a_client_cannot_show_the_kernel_one_request_and_ask_another(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod
) -> None:
    """What is allowed has a wrong checksum, so that TCP does not take it; what TCP then takes in its place is as long."""
    with strict_backend(server, PORT) as backend:
        connection = Connection(client, server)
        settled(plane, connection)
        backend.seen.clear()
        for turn in range(10):
            shown, asked = (b"GET /%s/%d HTTP/1.1\r\nHost: b\r\n\r\n" % (name, turn) for name in (b"public", b"secret"))
            forge(client, connection.sock, shown, spoiled=True)
            connection.sock.sendall(asked)
            response = HTTPResponse(connection.sock)
            response.begin()
            assert (response.status, response.read()) == (403, b"Access denied\r\n")
        assert backend.seen == []
        before = plane.path_counts()
        assert ask(connection, "/public/own").body == b"/public/own "
        assert counted(plane, before)["fast"] == 1
        connection.close()


def forge(pod: LabPod, victim: socket.socket, payload: bytes, *, spoiled: bool = False) -> None:
    """Send ``payload`` from ``pod`` as if it were the next bytes of ``victim``, twice; ``spoiled``: with a wrong checksum."""
    victim.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    numbers = []
    for queue in (2, 1):  # what it sends, and what it has received
        victim.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        numbers.append(victim.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xFFFFFFFF)
    victim.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, 0)
    victim.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, -1)  # off, without a probe of the window
    (source, source_port), (destination, port) = victim.getsockname(), victim.getpeername()
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    segment = struct.pack(">HHIIBBHHH", source_port, port, numbers[0], numbers[1], 0x50, 0x18, 500, 0, 0)
    pseudo = ends + struct.pack(">BBH", 0, 6, len(segment) + len(payload))
    data = pseudo + segment + payload
    data += b"\0" * (len(data) % 2)
    check = sum(struct.unpack(f">{len(data) // 2}H", data))
    while check >> 16:
        check = (check & 0xFFFF) + (check >> 16)
    segment = segment[:16] + struct.pack(">H", (check if spoiled else ~check) & 0xFFFF) + segment[18:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment) + len(payload), 0, 0, 64, 6, 0) + ends
    with pod.entered(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(2):
            raw.sendto(ip + segment + payload, (destination, 0))
