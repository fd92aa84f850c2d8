"""Clients and servers of the sidecars' tests; their sockets live in the pods, their threads in the test."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harness.dataplanes.sidecar import DATA_PLANES
from harness.lab.port import Lab, LabPod, Place
from harness.model.flow import Flow
from harness.traffic.probe import Observation, probe

PORT = 8080
PLANES = {plane.name: plane for plane in DATA_PLANES}


def ask(lab: Lab, source: str, destination: str = "shop/server", *, port: int = PORT, family: int = 4) -> Observation:
    """One request from pod to pod."""
    flow = Flow(source, destination, port, family=family)
    return probe(flow, lab.pod(source), lab.pod(destination), 2.0)


class LineServer:
    """A TCP server that is no HTTP, inside a pod: it greets first if it has a ``greeting``, then returns what it gets."""

    def __init__(self, pod: LabPod, port: int, greeting: bytes = b"") -> None:
        with pod.entered():
            self._listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        self._greeting = greeting
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.sendall(self._greeting)
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                return

    def close(self) -> None:
        # Shut down first: a thread that waits in accept keeps the socket, and with it the namespace, alive.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def line_server(pod: LabPod, port: int, greeting: bytes = b"") -> Iterator[LineServer]:
    opened = LineServer(pod, port, greeting)
    try:
        yield opened
    finally:
        opened.close()


def connect(client: Place, server: LabPod, port: int, family: int = 4) -> socket.socket:
    """A connection as a program in ``client`` opens it; closing is the caller's."""
    with client.entered():
        return socket.create_connection((server.pod.ip(family), port), timeout=5.0)


def answer(connection: socket.socket, said: bytes) -> bytes:
    """What comes back first; nothing where the other side closes or resets."""
    connection.sendall(said)
    try:
        return connection.recv(4096)
    except ConnectionResetError:
        return b""
