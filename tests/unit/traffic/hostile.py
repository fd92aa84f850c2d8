"""Servers on loopback that answer in ways of a test's choosing."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answer = Callable[[socket.socket], None]
"""Called for each request that came in; what it leaves open stays open for the next request."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def say(*pieces: bytes, close: bool = False) -> Answer:
    """Send the pieces one by one, each in a segment of its own."""

    def answer(client: socket.socket) -> None:
        for piece in pieces:
            client.sendall(piece)
        if close:
            client.close()

    return answer


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@contextmanager
def serving(answer: Answer, family: socket.AddressFamily = socket.AF_INET) -> Iterator[int]:
    """The port of a server that treats each request of each connection with ``answer``."""
    listener = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family, backlog=128)

    def serve_one(client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            while client.fileno() >= 0 and client.recv(65536):
                answer(client)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve_one, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
