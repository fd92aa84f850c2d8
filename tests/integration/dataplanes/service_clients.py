"""Clients in pods that ask Services over HTTP/1.1."""

import http.client
import socket
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from harness.lab.port import Lab
from harness.lab.service_addresses import service_addresses
from harness.model.request import GRPCRequest, HTTPRequest
from harness.model.routing import Call
from harness.model.service import Service

SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers`` have names in lower case; those of one name are one, joined by commas."""

    status: int
    body: str
    headers: Mapping[str, str]


def connection(
    lab: Lab, client: str, services: Sequence[Service], to: str, port: int, family: int
) -> http.client.HTTPConnection:
    """To a Service (``namespace/name``), as a program in ``client`` opens it; closing is the caller's."""
    address = service_addresses(services, lab.topology)[to][family == 6]
    opened = http.client.HTTPConnection(address, port, timeout=SECONDS)
    opened.auto_open = 0  # else from the namespace of the test
    with lab.pod(client).entered():
        opened.sock = socket.create_connection((address, port), timeout=SECONDS)
    return opened


def ask(
    opened: http.client.HTTPConnection,
    path: str = "/",
    method: str = "GET",
    host: str = "service",
    headers: Iterable[tuple[str, str]] = (),
) -> Answer:
    """The answer to one request. Raises OSError where there is none."""
    opened.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in (("Host", host), *headers):
        opened.putheader(name, value)
    opened.endheaders()
    response = opened.getresponse()
    names = {name.lower() for name, _ in response.getheaders()}
    joined = {name: ",".join(response.headers.get_all(name, ())) for name in names}
    return Answer(response.status, response.read().decode(), joined)


def call(lab: Lab, services: Sequence[Service], asked: Call, family: int = 4) -> Answer:
    """The answer to a call on a connection of its own; calls of gRPC are sent over HTTP/1.1, without a body."""
    return next(calls(lab, services, asked, family))


def calls(lab: Lab, services: Sequence[Service], asked: Call, family: int = 4) -> Generator[Answer, None, None]:
    """The answers to a call over and over, on one connection that others have not."""
    with closing(connection(lab, asked.source, services, asked.destination, asked.port, family)) as opened:
        request = asked.request
        host = request.host or "service"  # type: ignore[union-attr] # of HTTP or gRPC
        while isinstance(request, HTTPRequest):
            yield ask(opened, request.path, request.method, host, request.headers)
        assert isinstance(request, GRPCRequest)
        while True:
            yield ask(opened, f"/{request.method}", "POST", host, (("content-type", "application/grpc"), *request.headers))
