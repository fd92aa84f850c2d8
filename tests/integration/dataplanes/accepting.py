"""A server in a pod whose threads are the test's own."""

import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from harness.lab.port import LabPod


@dataclass
class Accepting(ABC):
    """Each connection is talked to by a thread of its own, until the server is closed."""

    listener: socket.socket
    open: list[socket.socket] = field(default_factory=list, kw_only=True)

    @abstractmethod
    def talk(self, connection: socket.socket) -> None:
        """Answer what comes, to the end of the connection."""

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def close(self) -> None:
        # shut down first: a thread that waits keeps its socket, and with it the namespace, alive
        for each in (self.listener, *self.open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def listening(pod: LabPod, port: int) -> socket.socket:
    """For IPv4 and IPv6."""
    with pod.entered():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)


Served = TypeVar("Served", bound=Accepting)


@contextmanager
def accepting(served: Served) -> Iterator[Served]:
    thread = threading.Thread(target=served.serve, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.close()
        thread.join()
