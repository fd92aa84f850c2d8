"""Connections that become WebSocket: what follows an upgrade that the server agreed to passes both ways, byte for byte.

Conformance cases ask whether an upgrade is judged (l7/raw-upgrade, l7/raw-upgrade-denied); no server of theirs agrees to one.
"""

import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from accepting import Accepting, accepting, listening
from http_ends import Backend, connected
from request_policies import http, ingress, rule

from harness.dataplanes.port import Attachment
from harness.lab.port import Lab, LabPod

PORT = 8088
ACCEPTED = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What the key of RFC 6455, section 1.3, is answered by."""
LONG = 300_000


@dataclass
class Agreeing(Accepting):
    """Agrees to every upgrade, and then says back what it hears. ``heads`` are those that it read."""

    heads: list[bytes] = field(default_factory=list)

    def talk(self, connection: socket.socket) -> None:
        heard = b""
        try:
            while b"\r\n\r\n" not in heard:
                if not (some := connection.recv(65536)):
                    return
                heard += some
            head, _, rest = heard.partition(b"\r\n\r\n")
            self.heads.append(head)
            agreed = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            connection.sendall(agreed + b"Sec-WebSocket-Accept: " + ACCEPTED + b"\r\n\r\n" + rest)
            while some := connection.recv(65536):
                connection.sendall(some)
        except OSError:  # the client is gone
            return


@pytest.fixture(scope="module", params=["server", "neighbour"])
def agreeing(pair_lab: Lab, request: pytest.FixtureRequest) -> Iterator[tuple[LabPod, Agreeing]]:
    """On the other node than the client, and on its own."""
    pod = pair_lab.pod(f"shop/{request.param}")
    served = Agreeing(listening(pod, PORT))
    with accepting(served):
        yield pod, served


def upgrade(client: LabPod, server: LabPod, path: str, family: int) -> tuple[socket.socket, bytes]:
    """The connection, and the head of the answer."""
    connection = connected(client, server, family, PORT)
    lines = [
        f"GET {path} HTTP/1.1", "Host: shop", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "",
    ]  # fmt: skip
    connection.sendall("\r\n".join(lines).encode())
    answer = b""
    while b"\r\n\r\n" not in answer and (some := connection.recv(1)):
        answer += some
    return connection, answer


def said_back(connection: socket.socket, said: bytes) -> bytes:
    """What comes back, while all of it is still being sent."""
    came = b""
    for at in range(0, len(said), 10_000):
        connection.sendall(said[at : at + 10_000])
        while len(came) < min(at + 10_000, len(said)) and (some := connection.recv(65536)):
            came += some
    return came


@pytest.mark.parametrize("family", [4, 6])
def test_frames_behind_an_agreed_upgrade_pass_both_ways(
    plane: Attachment, client: LabPod, agreeing: tuple[LabPod, Agreeing], family: int
) -> None:
    server, served = agreeing
    app = server.pod.name
    plane.apply([ingress(app, rule("client", http("/chat"), port=PORT))])
    served.heads.clear()
    connection, answer = upgrade(client, server, "/chat", family)
    with connection:
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nsec-websocket-accept: " + ACCEPTED.lower() + b"\r\n" in answer.lower()
        (head,) = served.heads
        assert b"\r\nupgrade: websocket" in head.lower()
        frames = random.Random(family).randbytes(LONG)  # that hold what looks like a head, too
        frames += b"GET /admin HTTP/1.1\r\nHost: shop\r\n\r\n"
        assert said_back(connection, frames) == frames
        assert len(served.heads) == 1


@pytest.mark.parametrize("family", [4, 6])
def test_an_upgrade_that_no_rule_allows_is_refused_and_reaches_nobody(
    plane: Attachment, client: LabPod, agreeing: tuple[LabPod, Agreeing], family: int
) -> None:
    server, served = agreeing
    plane.apply([ingress(server.pod.name, rule("client", http("/chat"), port=PORT))])
    served.heads.clear()
    connection, answer = upgrade(client, server, "/admin", family)
    with connection:
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert served.heads == []


def test_a_connection_that_was_upgraded_goes_on_through_a_change_of_policies(
    plane: Attachment, client: LabPod, agreeing: tuple[LabPod, Agreeing], backends: dict[str, Backend]
) -> None:
    server, _ = agreeing
    app = server.pod.name
    plane.apply([ingress(app, rule("client", http("/chat"), port=PORT))])
    connection, answer = upgrade(client, server, "/chat", 4)
    with connection:
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert said_back(connection, b"before") == b"before"
        plane.apply([ingress(app, rule("client", http("/other"), port=PORT))])
        assert said_back(connection, b"after") == b"after"
