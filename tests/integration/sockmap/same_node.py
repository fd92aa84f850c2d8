"""Connections between pods that ask for the same-node path, with both ends in the hands of the test."""

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from harness.dataplanes.ebpf_sockmap import EbpfSockmapAttachment
from harness.lab.port import LabPod
from harness.mesh.sockmap import ANNOTATION
from harness.model.topology import Namespace, Pod, Topology

DEADLINE = 5.0
TCP_INFO_BYTES_SENT = struct.Struct("=200xQ")  # tcpi_bytes_sent of linux/tcp.h


def _pod(name: str, node: str, sockmap: bool = True) -> Pod:
    return Pod(name, "shop", node, labels={"app": name}, annotations={ANNOTATION: "enabled"} if sockmap else {})


TOPOLOGY = Topology(
    name="sockmap",
    nodes=("n1", "n2"),
    namespaces=(Namespace("shop"),),
    pods=(_pod("client", "n1"), _pod("server", "n1"), _pod("reserved", "n1", sockmap=False), _pod("far", "n2")),
)


class Counts:
    """What was counted since the test began."""

    def __init__(self, attachment: EbpfSockmapAttachment) -> None:
        self._attachment = attachment
        self._before = attachment.path_counts()

    def __getitem__(self, name: str) -> int:
        return self._attachment.path_counts()[name] - self._before[name]


@dataclass(frozen=True, slots=True)
class Connection:
    """Both ends of one TCP connection."""

    client: socket.socket
    server: socket.socket

    def set_blocking(self, blocking: bool) -> None:
        self.client.setblocking(blocking)
        self.server.setblocking(blocking)

    def ping(self) -> None:
        """One byte there and one back."""
        for sender, receiver in ((self.client, self.server), (self.server, self.client)):
            sender.send(b"p")
            assert receive(receiver, 1) == b"p"

    def join(self) -> None:
        """Exchange bytes until both ends send without TCP."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            before = sent_by_tcp(self.client), sent_by_tcp(self.server)
            self.ping()
            after = sent_by_tcp(self.client), sent_by_tcp(self.server)
            if before == after:
                return
        pytest.fail(f"the ends still send by TCP after {DEADLINE:g} s")

    def ping_for(self, rounds: int) -> int:
        """How many of the bytes of ``rounds`` pings went by TCP."""
        before = sent_by_tcp(self.client) + sent_by_tcp(self.server)
        for _ in range(rounds):
            self.ping()
        return sent_by_tcp(self.client) + sent_by_tcp(self.server) - before


def sent_by_tcp(end: socket.socket) -> int:
    """Payload bytes that went out as segments; what is redirected is not among them."""
    (sent,) = TCP_INFO_BYTES_SENT.unpack(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES_SENT.size))
    return int(sent)


def receive(end: socket.socket, length: int) -> bytes:
    """Exactly ``length`` bytes, or what came until the deadline or the end; blocking sockets time out alike."""
    got = bytearray()
    deadline = time.monotonic() + DEADLINE
    while len(got) < length and time.monotonic() < deadline:
        try:
            data = end.recv(length - len(got), socket.MSG_DONTWAIT)
        except BlockingIOError:
            time.sleep(0.0002)
            continue
        if not data:
            break
        got += data
    return bytes(got)


Connect = Callable[..., Connection]


def pod_socket(pod: LabPod, family: int) -> socket.socket:
    """Made inside the pod; it stays there wherever the thread goes."""
    with pod.entered():
        return socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET)


def listen(pod: LabPod, family: int, port: int, dual_stack: bool) -> socket.socket:
    listener = pod_socket(pod, family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if dual_stack:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::" if dual_stack else pod.pod.ip(family), port))
    listener.listen()
    return listener
