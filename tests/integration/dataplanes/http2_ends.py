"""A client and a backend of HTTP/2 without TLS (prior knowledge), on sockets inside pods."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from accepting import Accepting, accepting, listening
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, ResponseReceived, StreamEnded
from http_ends import SECONDS, Answer

from harness.lab.port import LabPod


@dataclass
class Http2Backend(Accepting):
    """Answers every request with status 200 and its pod's name."""

    name: str
    paths: list[str] = field(default_factory=list)

    def talk(self, connection: socket.socket) -> None:
        state = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        state.initiate_connection()
        with suppress(OSError):  # the test may end in the middle of an answer
            connection.sendall(state.data_to_send())
            while said := connection.recv(65536):
                for event in state.receive_data(said):
                    if isinstance(event, RequestReceived):
                        self.paths.append(dict(event.headers)[":path"])
                        state.send_headers(event.stream_id, [(":status", "200")])
                        state.send_data(event.stream_id, self.name.encode(), end_stream=True)
                connection.sendall(state.data_to_send())


@contextmanager
def http2_backend(pod: LabPod, port: int) -> Iterator[Http2Backend]:
    with accepting(Http2Backend(listening(pod, port), pod.pod.ref)) as served:
        yield served


class Http2Client:
    """Several requests over one connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(SECONDS)
        self._connection = connection
        self._state = H2Connection(H2Configuration(header_encoding="utf-8"))
        self._state.initiate_connection()

    def ask(self, path: str, method: str = "GET", headers: Sequence[tuple[str, str]] = ()) -> Answer:
        stream = self._state.get_next_available_stream_id()
        asked = [(":method", method), (":path", path), (":authority", "backend"), (":scheme", "http"), *headers]
        self._state.send_headers(stream, asked, end_stream=True)
        status, body = 0, b""
        while True:
            self._connection.sendall(self._state.data_to_send())
            said = self._connection.recv(65536)
            assert said, "the connection was closed"
            for event in self._state.receive_data(said):
                if isinstance(event, ResponseReceived):
                    status = int(dict(event.headers)[":status"])
                elif isinstance(event, DataReceived):
                    body += event.data
                    self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded) and event.stream_id == stream:
                    return Answer(status, body)
