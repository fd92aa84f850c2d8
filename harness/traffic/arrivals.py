"""What reached servers: read by the application itself, or come in at its pod's interface."""

import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import IntEnum
from ipaddress import ip_address
from signal import SIGUSR2

import numpy as np

from harness.lab.port import Lab
from harness.model.flow import Flow
from harness.traffic.diary import Diary, Records
from harness.traffic.port import LoadFailed

RECORD = np.dtype(
    [
        ("kind", "u4"), ("family", "u2"), ("protocol", "u2"), ("source_port", "u2"), ("port", "u2"), ("lost", "u4"),
        ("source", "V16"), ("destination", "V16"), ("nonce", "u8"), ("time", "u8"),
    ]
)  # fmt: skip
PROTOCOLS = {4: {"TCP": 6, "UDP": 17, "ICMP": 1}, 6: {"TCP": 6, "UDP": 17, "ICMP": 58}}  # IANA's numbers


class Kind(IntEnum):
    """What a record of a server says; see arrivals.h."""

    FRAME = 1
    REQUEST = 2
    DATAGRAM = 3
    MARKED = 4
    LOST = 5


class Responder(Diary):
    """A server in a pod (responder.c), and what it writes down."""

    def await_settled(self, before: int) -> None:
        """Return when it has written down what had come.

        Raises LoadFailed, also where its capture lost packets: nothing is known of those.
        """
        self.await_mark(before, Kind.MARKED)
        if lost := int(self.of(Kind.LOST)["lost"].sum()):
            raise LoadFailed(f"{self.what}: {lost} packets were not captured; nothing is known of them")


def settle(servers: Iterable[Responder]) -> None:
    """Return when all have written down what came for them. Raises LoadFailed."""
    asked = [(server, server.ask_to_mark(SIGUSR2)) for server in servers]
    for server, before in asked:
        server.await_settled(before)


class Watch:
    """What reaches the servers of ``lab`` from when this is made; ``servers`` are by pod."""

    def __init__(self, lab: Lab, servers: Mapping[str, Responder]) -> None:
        self._lab = lab
        self._servers = servers
        self._since = {ref: server.count() for ref, server in servers.items()}
        self._read: dict[str, tuple[Records, Counter[tuple[int, int, bytes, bytes, int]]]] = {}

    def settle(self, pods: Iterable[str]) -> None:
        """Return when the servers of ``pods`` have written down all that came until now. Raises LoadFailed."""
        pods = list(dict.fromkeys(pods))
        settle([self._servers[ref] for ref in pods])
        for ref in pods:
            records = self._servers[ref].records(self._since[ref])
            frames = records[records["kind"] == Kind.FRAME]
            self._read[ref] = records, Counter(zip(*(frames[name].tolist() for name in _TOLD), strict=True))

    def reached(self, flow: Flow, nonce: int, *, at_interface: bool) -> str | None:
        """What of ``flow``, asked with ``nonce``, reached its server until it was last settled, in words; None if nothing did.

        ``at_interface``: also what was not read by the server, but came in at its pod's interface.
        """
        records, frames = self._read[flow.destination]
        heard = (records["kind"] == Kind.REQUEST) | (records["kind"] == Kind.DATAGRAM)
        if nonce and bool((heard & (records["nonce"] == nonce)).any()):
            return "its server read it"
        came = frames[self._begun(flow)] if at_interface else 0
        return f"{came} packet{'s' * (came > 1)} of it came in at its server's interface" if came else None

    def _begun(self, flow: Flow) -> tuple[int, int, bytes, bytes, int]:
        """What the record of the packet with which a flow begins says of it, in the order of ``_TOLD``."""
        ends = (self._lab.pod(ref).pod.ip(flow.family) for ref in (flow.source, flow.destination))
        source, destination = (packed(each) for each in ends)
        number = flow.icmp.type if flow.icmp is not None else flow.port
        return flow.family, PROTOCOLS[flow.family][flow.protocol], source, destination, number


_TOLD = ("family", "protocol", "source", "destination", "port")


def packed(address: str) -> bytes:
    """An address as records have it: 16 bytes, of which IPv4 has the first four."""
    family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
    return socket.inet_pton(family, address).ljust(16, b"\0")
