"""Sockets inside pods, for tests that need more than a request: the test holds both ends."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.lab.port import LabPod

SILENCE = 0.25  # seconds without an answer that count as silence; an answer takes well below one millisecond
SO_RCVBUFFORCE = 33  # of asm-generic/socket.h; Python does not name it
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def in_pod(pod: LabPod, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A socket of the pod's network namespace; closing is the caller's."""
    with pod.entered():
        made = socket.socket(_FAMILIES[family], kind, protocol)
    made.settimeout(SILENCE)
    return made


@contextmanager
def listener(pod: LabPod, family: int, port: int = 8080) -> Iterator[socket.socket]:
    """Somebody who listens for TCP in the pod; connections wait in its backlog."""
    with in_pod(pod, family, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((pod.pod.ip(family), port))
        server.listen(64)
        yield server


@contextmanager
def connection(client: LabPod, server: LabPod, family: int, port: int = 8080) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection."""
    with listener(server, family, port) as listening, in_pod(client, family, socket.SOCK_STREAM) as near:
        near.connect((server.pod.ip(family), port))
        far, _ = listening.accept()
        far.settimeout(SILENCE)
        with far:
            yield near, far


def connects(client: LabPod, server: LabPod, family: int, port: int = 8080) -> bool:
    """Whether bytes come through a new connection."""
    try:
        with connection(client, server, family, port) as (near, far):
            far.sendall(b"hello")
            return near.recv(5) == b"hello"
    except TimeoutError:
        return False


def arrives(near: socket.socket, far: socket.socket, said: bytes) -> bool:
    """Whether what one end says is heard at the other."""
    near.sendall(said)
    try:
        return far.recv(len(said)) == said
    except TimeoutError:
        return False


def datagram_arrives(client: LabPod, server: LabPod, family: int, size: int = 10, port: int = 5353) -> bool:
    """Whether a UDP datagram gets there and its answer back."""
    with in_pod(server, family, socket.SOCK_DGRAM) as far, in_pod(client, family, socket.SOCK_DGRAM) as near:
        far.bind((server.pod.ip(family), port))
        near.sendto(b"x" * size, (server.pod.ip(family), port))
        try:
            heard, sender = far.recvfrom(65536)
            far.sendto(heard, sender)
            return near.recv(65536) == b"x" * size
        except TimeoutError:
            return False


@contextmanager
def flood(client: socket.socket, address: tuple[str, int], payload: Callable[[int], bytes]) -> Iterator[list[int]]:
    """Datagrams from another thread, about 10,000 a second; the list's only element is how many were sent."""
    ended = threading.Event()
    sent = [0]

    def send() -> None:
        while not ended.wait(0.0001):
            client.sendto(payload(sent[0]), address)
            sent[0] += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        ended.set()
        thread.join()


def received(server: socket.socket) -> list[bytes]:
    """All that waits."""
    found = []
    while True:
        try:
            found.append(server.recv(64))
        except TimeoutError:
            return found
