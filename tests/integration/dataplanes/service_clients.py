"""Clients in pods that ask Services over HTTP/1.1."""

import http.client
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.lab.port import Lab
from harness.lab.service_addresses import service_addresses
from harness.model.service import Service

SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers`` have names in lower case."""

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
    host: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """The answer to one request. Raises OSError where there is none."""
    opened.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in (("Host", host or "service"), *headers):
        opened.putheader(name, value)
    opened.endheaders()
    response = opened.getresponse()
    return Answer(response.status, response.read().decode(), {name.lower(): value for name, value in response.getheaders()})
