"""Clients and a backend of HTTP for the tests of node proxies; their sockets live in the pods, their threads in the test."""

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

from accepting import Accepting, accepting, listening

from harness.lab.port import LabPod

PORT = 8080
SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as a backend read it: its head, and the address that it came from."""

    head: bytes
    peer: str

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode()

    @property
    def lines(self) -> list[bytes]:
        """The lines of its header."""
        return self.head.split(b"\r\n")[1:-2]


@dataclass
class Backend(Accepting):
    """Answers every request with its pod's name, and remembers them; bodies are not read."""

    name: str
    seen: list[Seen] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    def talk(self, connection: socket.socket) -> None:
        try:
            host, *_ = connection.getpeername()
        except OSError:  # the client is gone already
            return
        address = ip_address(host)
        peer = str(getattr(address, "ipv4_mapped", None) or address)
        heads = b""
        while True:
            try:
                heads += connection.recv(65536)
            except OSError:
                return
            if not heads:
                return
            while b"\r\n\r\n" in heads:
                head, _, heads = heads.partition(b"\r\n\r\n")
                self.seen.append(Seen(head + b"\r\n\r\n", peer))
                self.asked.set()
                self.go.wait(SECONDS)
                body = self.name.encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nServer: own\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def targets(self) -> list[str]:
        """What was asked for since the last call."""
        found, self.seen = [each.target for each in self.seen], []
        return found

    @contextmanager
    def holding(self) -> Iterator[threading.Event]:
        """Answers wait until the context is left; gives what is set once a request has come."""
        self.asked.clear()
        self.go.clear()
        try:
            yield self.asked
        finally:
            self.go.set()


@contextmanager
def backend(pod: LabPod, port: int = PORT) -> Iterator[Backend]:
    served = Backend(listening(pod, port), pod.pod.ref)
    served.go.set()
    with accepting(served):
        yield served


def connected(client: LabPod, server: LabPod, family: int = 4, port: int = PORT, seconds: float = SECONDS) -> socket.socket:
    """A connection as a program in ``client`` opens it; closing is the caller's."""
    with client.entered():
        return socket.create_connection((server.pod.ip(family), port), timeout=seconds)


@contextmanager
def keep_alive(client: LabPod, server: LabPod, family: int = 4) -> Iterator[http.client.HTTPConnection]:
    """One connection for several requests; it is not opened again."""
    connection = http.client.HTTPConnection(server.pod.ip(family), PORT, timeout=SECONDS)
    connection.auto_open = 0  # else from the namespace of the test
    connection.sock = connected(client, server, family)
    # what policy dropped would be sent again, and arrive under the policies of a later test
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        yield connection
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


def ask(
    connection: http.client.HTTPConnection, path: str = "/", method: str = "GET", headers: dict[str, str] | None = None
) -> Answer:
    connection.request(method, path, headers=headers or {})
    response = connection.getresponse()
    return Answer(response.status, response.read())


def get(client: LabPod, server: LabPod, path: str = "/", family: int = 4, headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own."""
    with keep_alive(client, server, family) as connection:
        return ask(connection, path, headers=headers)


def raw(client: LabPod, server: LabPod, said: bytes, family: int = 4) -> bytes:
    """What comes back to bytes as they are, up to the first answer's end."""
    with connected(client, server, family) as connection:
        connection.sendall(said)
        try:
            return connection.recv(65536)
        except ConnectionResetError:
            return b"reset"


def reaches(client: LabPod, server: LabPod, family: int = 4) -> bool:
    """Whether a connection opens within a second, before a SYN is sent again."""
    try:
        connected(client, server, family, seconds=0.9).close()
    except TimeoutError:
        return False
    return True


@contextmanager
def asking(work: Callable[[], None]) -> Iterator[None]:
    """``work`` over and over, in a thread."""
    stop = threading.Event()

    def go() -> None:
        while not stop.is_set():
            work()

    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
