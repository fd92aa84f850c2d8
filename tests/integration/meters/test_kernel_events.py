"""Events of a TCP ping-pong are known exactly, and the kernel keeps a count of switches of its own to compare with."""

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.lab.port import Lab, LabPod, Process
from harness.meters.events import METERS, PROBES
from harness.meters.port import Subject
from harness.traffic.port import LoadResult

ROUNDS = 1000
AROUND = 2  # what the client does besides: it says that it is done, and waits for the next signal
CLIENT = """
import os, signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
connection = socket.create_connection((sys.argv[1], 7))
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
connection.send(b"x"); connection.recv(64)
while True:
    os.write(1, b"parked\\n")
    signal.sigwait({signal.SIGUSR1})
    for _ in range(int(sys.argv[2])):
        connection.send(b"x")
        connection.recv(64)
"""
SERVER = """
import socket
listener = socket.create_server(("", 7))
print("listening", flush=True)
connection, _ = listener.accept()
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while data := connection.recv(64):
    connection.send(data)
"""


def lines(process: Process, line: str, count: int) -> None:
    """Wait until the process has printed ``line`` that often."""
    deadline = time.monotonic() + 20
    while process.log.read_text().splitlines().count(line) < count:
        assert process.poll() is None, process.log.read_text()
        assert time.monotonic() < deadline, process.log.read_text()
        time.sleep(0.005)


def switches(process: Process) -> int:
    """How often the process left a CPU, by the kernel's own account."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return sum(map(int, re.findall(r"voluntary_ctxt_switches:\s*(\d+)", status)))


def sleeping(process: Process) -> None:
    """Wait until the process sleeps: it has entered its last system call and left the CPU."""
    deadline = time.monotonic() + 10
    while Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "S":
        assert time.monotonic() < deadline
        time.sleep(0.001)


@dataclass
class PingPong:
    """A client that plays ``ROUNDS`` rounds with a server at each signal, and sleeps in between, as the server does."""

    client: Process
    server: Process
    played: int = 0

    def play(self) -> None:
        self.client.signal(signal.SIGUSR1)
        self.played += 1
        lines(self.client, "parked", 1 + self.played)
        for process in (self.client, self.server):
            sleeping(process)


@pytest.fixture
def subject(pair_lab: Lab) -> Subject:
    return Subject(pair_lab, pair_lab.pod("shop/client"), pair_lab.pod("shop/server"), ())


@pytest.fixture
def ping_pong(subject: Subject) -> Iterator[PingPong]:
    server = subject.server.start([sys.executable, "-c", SERVER], component="server")
    lines(server, "listening", 1)
    client = started(subject.client, [sys.executable, "-c", CLIENT, subject.server.pod.ip(4), str(ROUNDS)])
    lines(client, "parked", 1)
    for process in (client, server):
        os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})  # one must leave the CPU for the other to answer
        sleeping(process)
    yield PingPong(client, server)
    client.stop()
    server.stop()


def started(pod: LabPod, argv: list[str]) -> Process:
    return pod.start(argv, component="client")


def read(subject: Subject, ping_pong: PingPong) -> dict[tuple[str, str], float]:
    reading = METERS[0].open(subject)
    try:
        reading.begin()
        ping_pong.play()
        reading.end()
        return {(m.name, m.component): m.value for m in reading.metrics(LoadResult(ROUNDS, 0, 1.0))}
    finally:
        reading.close()


def test_a_ping_pong_costs_each_side_two_system_calls_and_one_packet_each_way(subject: Subject, ping_pong: PingPong) -> None:
    found = read(subject, ping_pong)
    assert found["syscalls", "server"] == 2
    assert found["syscalls", "client"] == 2 + AROUND / ROUNDS
    for side in ("client-pod", "server-pod"):
        for metric in ("net_dev_queue", "netif_receive_skb"):
            # more only by what any TCP adds where a side was stopped for 40 ms: an acknowledgement of its own
            assert 1 <= found[metric, side] <= 1.05
    # each of the two nodes on the way takes every packet from one device and hands it to another, in both directions
    assert 8 <= found["stack_traversals", "nodes"] <= 8.4
    places = sum(found["stack_traversals", place] for place in ("client-pod", "server-pod", "nodes"))
    assert found["stack_traversals", ""] == pytest.approx(places)


def test_context_switches_are_one_a_side_and_those_that_the_kernel_counted(subject: Subject, ping_pong: PingPong) -> None:
    before = switches(ping_pong.client), switches(ping_pong.server)
    found = read(subject, ping_pong)
    after = switches(ping_pong.client), switches(ping_pong.server)
    for side, was, became in zip(("client", "server"), before, after, strict=True):
        assert found["context_switches", side] * ROUNDS == pytest.approx(became - was, abs=0.01)
        # above 1 only where another task of this machine took the CPU meanwhile, which is a switch as well
        assert 1 <= found["context_switches", side] < 1.5


def test_counters_start_from_zero_in_each_reading(subject: Subject, ping_pong: PingPong) -> None:
    assert read(subject, ping_pong)["syscalls", "server"] == read(subject, ping_pong)["syscalls", "server"] == 2


def attached() -> int:
    """How many raw tracepoints this process holds attached."""
    found = 0
    for entry in Path("/proc/self/fdinfo").iterdir():
        with suppress(FileNotFoundError):  # the descriptor that lists the folder
            found += "raw_tracepoint" in entry.read_text()
    return found


def test_nothing_is_attached_but_between_begin_and_end(subject: Subject) -> None:
    reading = METERS[0].open(subject)
    assert attached() == 0
    reading.begin()
    assert attached() == len(PROBES)
    reading.end()
    assert attached() == 0
    reading.begin()
    reading.close()  # a load that failed never comes to its end
    assert attached() == 0


def test_other_tasks_and_namespaces_are_not_counted(subject: Subject, ping_pong: PingPong, pair_lab: Lab) -> None:
    neighbours = Subject(pair_lab, pair_lab.pod("shop/neighbour"), pair_lab.pod("evil/stranger"), ())
    found = read(neighbours, ping_pong)
    assert found["syscalls", ""] == found["context_switches", ""] == 0
    assert found["net_dev_queue", "client-pod"] == found["netif_receive_skb", "server-pod"] == 0
