"""What a reader gets is what was sent, whichever way it came."""

import fcntl
import select
import socket
import struct
import sys
import termios
from pathlib import Path

import pytest
from same_node import DEADLINE, Connect, Connection, Counts, receive

from harness.lab.port import Lab
from harness.traffic import nginx

EXCHANGE = Path(__file__).with_name("exchange.py")
PATTERN = bytes(range(251)) * 4099  # prime lengths: a piece that is lost, doubled or moved shows


def pattern(start: int, length: int) -> bytes:
    offset = start % len(PATTERN)
    return (PATTERN * (1 + (offset + length) // len(PATTERN)))[offset : offset + length]


def send_until_full(sender: socket.socket, start: int = 0, limit: int = 1 << 30) -> int:
    """Send the pattern until the kernel takes no more or ``limit`` is reached; returns where it stopped."""
    at = start
    while at < limit:
        try:
            at += sender.send(pattern(at, min(60_000, limit - at)))
        except BlockingIOError:
            break
    return at


@pytest.mark.parametrize("family", [4, 6])
def test_random_bodies_both_ways_arrive_byte_for_byte(family: int, sockmap_lab: Lab, counts: Counts) -> None:
    client, server = sockmap_lab.pod("shop/client"), sockmap_lab.pod("shop/server")
    arguments = [server.pod.ip(family), "7001", "2500", "48", "600000", f"family {family}"]
    serving = server.start([sys.executable, str(EXCHANGE), "server", *arguments], component="server")
    try:
        wait_for_line(serving.log, "listening")
        asking = client.start([sys.executable, str(EXCHANGE), "client", *arguments], component="client")
        try:
            said = f"{asking.log}: {asking.wait(60)}, {serving.log}: {serving.wait(60)}"
        finally:
            asking.stop()
    finally:
        serving.stop()
    assert (asking.poll(), serving.poll()) == (0, 0), said + serving.log.read_text() + asking.log.read_text()
    assert counts["redirected"] > 100  # 740 to 5,500 of some 20,000 sends were seen: it depends on who runs when
    assert counts["order"] > 0
    assert counts["segments_trimmed"] > 0
    assert counts["segments_untrimmed"] == 0


def wait_for_line(log: Path, line: str) -> None:
    poller = select.poll()
    for _ in range(int(DEADLINE * 100)):
        if line in log.read_text():
            return
        poller.poll(10)
    pytest.fail(f"{log} does not say {line!r}")


def test_reader_that_takes_a_short_read_for_the_last_is_woken_for_the_rest(counts: Counts, connect: Connect) -> None:
    """Edge-triggered, as nginx reads: data of two queues, of which one was redirected, must look like one queue."""
    connection = connect()
    connection.join()
    with select.epoll() as poll:
        poll.register(connection.server, select.EPOLLIN | select.EPOLLET)
        sent = send_until_full(connection.client, limit=400_000)
        assert counts["queue_full"] > 0  # so the last of it went by TCP
        got = bytearray()
        while len(got) < sent:
            assert poll.poll(DEADLINE), f"not woken after {len(got)} of {sent} bytes"
            while True:
                data = connection.server.recv(50_000)
                got += data
                if len(data) < 50_000:
                    break
    assert got == pattern(0, sent)


def test_fionread_counts_redirected_bytes(counts: Counts, connect: Connect) -> None:
    connection = connect()
    connection.join()
    connection.client.send(b"x" * 12_345)
    waiting = bytearray(4)
    fcntl.ioctl(connection.server, termios.FIONREAD, waiting)
    assert struct.unpack("=i", waiting) == (12_345,)


def test_peeked_bytes_are_read_again(counts: Counts, connect: Connect) -> None:
    connection = connect()
    connection.join()
    connection.client.send(b"twice")
    assert connection.server.recv(5, socket.MSG_PEEK) == b"twice"
    assert connection.server.recv(5) == b"twice"


def test_stalled_reader_stops_the_sender_and_loses_nothing(counts: Counts, connect: Connect) -> None:
    connection = connect()
    connection.join()
    sent = send_until_full(connection.client)
    assert counts["redirected_bytes"] < 400_000  # the bound, and the message that reached it
    assert sent < 32 << 20  # the rest waits in TCP's own buffers, which tcp_wmem and tcp_rmem bound
    got = bytearray()
    while len(got) < sent:
        got += receive(connection.server, min(1 << 20, sent - len(got))) or pytest.fail(f"stalled at {len(got)} of {sent}")
    assert got == pattern(0, sent)
    connection.join()  # back on the path once all was read


def test_many_short_messages_do_not_pile_up(counts: Counts, connect: Connect) -> None:
    """Each redirected message costs the kernel about 1 KB, however short it is."""
    connection = connect()
    connection.join()
    before = counts["redirected"]
    for _ in range(5000):
        connection.client.send(b"m")
    assert counts["redirected"] - before <= 1100
    assert receive(connection.server, 5000) == b"m" * 5000


def test_socket_that_joins_with_a_half_read_segment_reads_on_where_it_was(counts: Counts, connect: Connect) -> None:
    connection = connect()
    connection.client.send(pattern(0, 1000))
    assert receive(connection.server, 400) == pattern(0, 400)
    while counts["sockets_entered"] < 2:
        connection.server.send(b"s")
        assert receive(connection.client, 1) == b"s"
        connection.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    sent = send_until_full(connection.client, start=1000, limit=50_000)
    assert receive(connection.server, sent - 400) == pattern(400, sent - 400)
    assert counts["segments_trimmed"] == 1


def test_half_closed_connection_carries_the_other_direction_to_its_end(counts: Counts, connect: Connect) -> None:
    connection = connect()
    connection.join()
    connection.client.send(b"request")
    connection.client.shutdown(socket.SHUT_WR)
    assert receive(connection.server, 100) == b"request"  # and then the end
    before = counts["redirected"]
    for start in range(0, 3_000_000, 30_000):
        connection.server.send(pattern(start, 30_000))
        assert receive(connection.client, 30_000) == pattern(start, 30_000)
    assert counts["redirected"] - before == 100
    connection.server.close()
    assert receive(connection.client, 1) == b""


def test_data_sent_just_before_closing_arrives_before_the_end(counts: Counts, connect: Connect) -> None:
    connection = connect()
    connection.join()
    connection.client.send(pattern(0, 100_000))
    connection.client.close()
    assert receive(connection.server, 200_000) == pattern(0, 100_000)


def test_reset_follows_the_data_sent_before_it(counts: Counts, connect: Connect) -> None:
    connection = connect()
    connection.join()
    connection.client.send(b"last words")
    connection.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
    connection.client.close()
    assert receive(connection.server, 10) == b"last words"
    with pytest.raises(ConnectionResetError):
        receive(connection.server, 1)


def test_sending_to_a_reader_that_has_closed_fails_as_with_tcp(counts: Counts, connect: Connect) -> None:
    connection = connect()
    connection.join()
    connection.server.close()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(1000):
            connection.client.send(b"x")
            select.select([], [], [], 0.001)


def test_connection_with_the_addresses_of_an_earlier_one_joins_its_own_peer(counts: Counts, connect: Connect) -> None:
    for number in range(20):
        connection: Connection = connect(ports=(61_500, 61_501))  # not among those that the kernel hands out
        connection.join()
        connection.client.send(b"%04d" % number)
        assert receive(connection.server, 4) == b"%04d" % number
        for end in (connection.client, connection.server):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
            end.close()


def test_nginx_and_wrk_as_packaged_use_the_path(sockmap_lab: Lab, counts: Counts) -> None:
    client, server = sockmap_lab.pod("shop/client"), sockmap_lab.pod("shop/server")
    with nginx.serve(server, 8080, sockmap_lab.folder):
        for path in ("1k", "64k"):
            url = f"http://{server.pod.ip(4)}:8080/{path}"
            said = client.run(["wrk", "-t1", "-c16", "-d1", url], component="client").stdout
            assert "Non-2xx" not in said
            assert "Socket errors" not in said
    assert counts["sockets_entered"] == 2 * (16 + 16)
    assert counts["redirected"] > 1000
