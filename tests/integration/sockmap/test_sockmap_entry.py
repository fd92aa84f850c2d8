"""Which sockets join the same-node path, and which stay with TCP."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from same_node import Connect, Connection, Counts, receive

from harness.lab.port import Lab

ROUNDS = 50
SO_ZEROCOPY = 60  # asm-generic/socket.h
MARKER = b"these bytes have to be seen on the wire"


def assert_stays_with_tcp(connection: Connection, counts: Counts) -> None:
    assert connection.ping_for(ROUNDS) == 2 * ROUNDS
    assert counts["sockets_entered"] == 0
    assert counts["redirected"] == 0


@pytest.mark.parametrize(("family", "dual_stack"), [(4, False), (6, False), (4, True)], ids=["v4", "v6", "v4-mapped"])
def test_nonblocking_sockets_join(family: int, dual_stack: bool, counts: Counts, connect: Connect) -> None:
    connection = connect(family=family, dual_stack=dual_stack)
    connection.join()
    assert connection.ping_for(ROUNDS) == 0
    assert counts["sockets_entered"] == 2


def test_blocking_sockets_stay_with_tcp(counts: Counts, connect: Connect) -> None:
    connection = connect()
    connection.set_blocking(True)
    assert_stays_with_tcp(connection, counts)


@pytest.mark.parametrize("blocking", ["client", "server"])
def test_one_blocking_end_keeps_both_with_tcp(blocking: str, counts: Counts, connect: Connect) -> None:
    connection = connect()
    getattr(connection, blocking).setblocking(True)
    assert_stays_with_tcp(connection, counts)


def test_socket_made_blocking_after_connecting_stays_with_tcp(counts: Counts, connect: Connect) -> None:
    """As programs do that connect with a time limit: non-blocking for the handshake only."""
    connection = connect()  # both ends are non-blocking now, and the handshake is over
    connection.client.setblocking(True)
    assert_stays_with_tcp(connection, counts)


def test_sockets_made_nonblocking_after_a_while_join(counts: Counts, connect: Connect) -> None:
    """As iperf3 does, which names its streams by blocking writes first."""
    connection = connect()
    connection.set_blocking(True)
    connection.ping_for(3)
    connection.set_blocking(False)
    connection.join()
    assert counts["sockets_entered"] == 2


def test_peer_made_blocking_later_is_sent_to_by_tcp(counts: Counts, connect: Connect) -> None:
    connection = connect()
    connection.join()
    connection.server.setblocking(True)
    connection.client.send(b"by TCP")
    assert receive(connection.server, 6) == b"by TCP"
    assert counts["peer_blocking"] == 1


def test_blocking_upload_with_a_waiting_reader_never_meets_eagain(counts: Counts, connect: Connect) -> None:
    """A reader in recv() is woken by write space too; on the path that would show as EAGAIN."""
    connection = connect()
    connection.set_blocking(True)
    connection.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    length, answer = 20_000_000, b"thanks"
    got: list[bytes] = []

    def serve() -> None:
        left = length
        while left:
            left -= len(connection.server.recv(65536))
        connection.server.sendall(answer)

    def wait_for_answer() -> None:
        got.append(connection.client.recv(len(answer)))  # BlockingIOError here would leave `got` empty

    threads = [threading.Thread(target=serve), threading.Thread(target=wait_for_answer)]
    for thread in threads:
        thread.start()
    connection.client.sendall(bytes(length))
    for thread in threads:
        thread.join()
    assert got == [answer]
    assert counts["sockets_entered"] == 0


@pytest.mark.parametrize("ends", [("client", "reserved"), ("reserved", "server")])
def test_pod_without_the_annotation_keeps_both_ends_with_tcp(ends: tuple[str, str], counts: Counts, connect: Connect) -> None:
    assert_stays_with_tcp(connect(*ends), counts)


@contextmanager
def capture(lab: Lab) -> Iterator[socket.socket]:
    """Frames on the wire between the nodes, at n1's end."""
    node = lab.node("n1")
    with node.entered():
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    with closing(sniffer):
        sniffer.bind((node.wires["n2"][0], 3))
        sniffer.settimeout(5)
        yield sniffer


@pytest.mark.parametrize("family", [4, 6])
def test_bytes_to_another_node_are_seen_on_the_wire(family: int, sockmap_lab: Lab, counts: Counts, connect: Connect) -> None:
    """Both pods ask for the path and both sockets could join: only the wire lies between them."""
    connection = connect("client", "far", family=family)
    assert_stays_with_tcp(connection, counts)
    for sender, receiver in ((connection.client, connection.server), (connection.server, connection.client)):
        with capture(sockmap_lab) as wire:
            sender.send(MARKER)
            while MARKER not in wire.recv(65536):
                pass  # acknowledgements, neighbour discovery; raises TimeoutError in the end
        assert receive(receiver, len(MARKER)) == MARKER


def test_bytes_on_the_path_are_not_seen_on_any_interface(sockmap_lab: Lab, counts: Counts, connect: Connect) -> None:
    """The capture's counterpart: it does tell redirected bytes from others."""
    connection = connect()
    connection.join()
    node = sockmap_lab.node("n1")
    with node.entered():
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    with closing(sniffer):
        sniffer.settimeout(0.2)
        connection.client.send(MARKER)
        assert receive(connection.server, len(MARKER)) == MARKER
        seen = b""
        try:
            while True:
                seen += sniffer.recv(65536)
        except TimeoutError:
            pass
    assert MARKER not in seen


@pytest.mark.parametrize(("option", "value"), [(socket.SO_RCVLOWAT, 2), (SO_ZEROCOPY, 1)], ids=["low-water", "zerocopy"])
def test_socket_with_needs_that_the_path_cannot_meet_stays_with_tcp(
    option: int, value: int, counts: Counts, connect: Connect
) -> None:
    connection = connect()
    connection.server.setsockopt(socket.SOL_SOCKET, option, value)
    assert_stays_with_tcp(connection, counts)


@pytest.mark.parametrize(("option", "value"), [(socket.SO_RCVLOWAT, 2), (SO_ZEROCOPY, 1)], ids=["low-water", "zerocopy"])
def test_socket_given_such_needs_later_returns_to_tcp(option: int, value: int, counts: Counts, connect: Connect) -> None:
    connection = connect()
    connection.join()
    connection.client.setsockopt(socket.SOL_SOCKET, option, value)
    connection.client.send(b"there")
    assert receive(connection.server, 5) == b"there"
    connection.server.send(b"back")
    assert receive(connection.client, 4) == b"back"
    assert counts["special"] == 2
