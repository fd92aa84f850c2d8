"""Clients of the fast path, and what became of their requests."""

import socket
import struct
import time
from http.client import HTTPConnection
from typing import Any

from http_ends import ask, connected

from harness.dataplanes.ebpf_l7 import EbpfL7Attachment
from harness.lab.port import LabPod

PORT = 8081


class Connection(HTTPConnection):
    """Opened in the client's pod, once. Bodies are sent with their heads unless ``pieces`` is set."""

    pieces = False

    def __init__(self, client: LabPod, server: LabPod, family: int = 4) -> None:
        super().__init__(server.pod.ip(family), PORT, timeout=10)
        self.auto_open = 0
        self.sock = connected(client, server, family, PORT, 10)
        self._held: bytes | None = None

    def abort(self) -> None:
        """Close, and have the kernel forget what did not arrive: else that arrives once policies allow it, in another test."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        if self.pieces or not message_body:
            super().endheaders(message_body, encode_chunked=encode_chunked)
            return
        self._held = b""
        super().endheaders(message_body, encode_chunked=encode_chunked)
        held, self._held = self._held, None
        self.send(held)

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)
        else:
            self._held += data


def counted(plane: EbpfL7Attachment, before: dict[str, int]) -> dict[str, int]:
    return {name: count - before[name] for name, count in plane.path_counts().items() if count != before[name]}


def settled(plane: EbpfL7Attachment, connection: Connection) -> None:
    """Ask until a request has gone the fast way: the agent opens connections when the first one is missing."""
    for _ in range(200):
        before = plane.path_counts()
        assert ask(connection, "/public/").status == 200
        if counted(plane, before).get("fast"):
            return
        time.sleep(0.005)
    raise AssertionError(f"none of 200 requests took the fast path: {plane.path_counts()}")
