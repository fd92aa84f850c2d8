"""Readiness: every address answers an ICMP echo request, asked from the calling thread's network namespace."""

import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress

from harness.lab.port import LabError

_REQUEST = {4: (8, 0), 6: (128, 129)}  # type of the request and of the reply (RFC 792, RFC 4443)
_SPREE = 64  # requests sent before the replies are read, so that no socket buffer overflows
_AGAIN = 0.05


def await_answers(addresses: Sequence[str], *, asked_by: str, seconds: float = 10.0) -> None:
    """Return when each of ``addresses`` has answered; raises LabError that names those that have not."""
    deadline = time.monotonic() + seconds
    for family in (4, 6):
        waiting = {address for address in addresses if (":" in address) == (family == 6)}
        if waiting:
            _await_family(family, waiting, deadline)
        if waiting:
            some = ", ".join(sorted(waiting)[:3])
            raise LabError(f"{len(waiting)} addresses ({some}, …) did not answer node {asked_by} within {seconds:g} s")


def _await_family(family: int, waiting: set[str], deadline: float) -> None:
    """Ask, and take out of ``waiting`` whoever answers."""
    request, reply = _REQUEST[family]
    kind, protocol = (socket.AF_INET, socket.IPPROTO_ICMP) if family == 4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
    token = os.urandom(8)
    packet = _packet(request, token)
    with socket.socket(kind, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as asking:
        asking.setblocking(False)
        while waiting and time.monotonic() < deadline:
            asked = sorted(waiting)
            for start in range(0, len(asked), _SPREE):
                for address in asked[start : start + _SPREE]:
                    _ask(asking, packet, address)
                _hear(asking, family, reply, token, waiting, 0.0)
            _hear(asking, family, reply, token, waiting, _AGAIN)


def _ask(asking: socket.socket, packet: bytes, address: str) -> None:
    with suppress(OSError):  # no route or no carrier yet: asked again until the deadline
        asking.sendto(packet, (address, 0))


def _hear(asking: socket.socket, family: int, reply: int, token: bytes, waiting: set[str], seconds: float) -> None:
    """Read all replies that are there, and go on until ``seconds`` pass without one or none is missing."""
    answers = select.poll()  # select() takes no descriptor above 1023, and many labs at once have more
    answers.register(asking, select.POLLIN)
    while waiting and answers.poll(seconds * 1000):
        data, source = asking.recvfrom(256)
        body = data[(data[0] & 15) * 4 :] if family == 4 else data  # raw IPv4 sockets hand over the header too
        if body[:1] == bytes([reply]) and body[8:] == token:
            waiting.discard(source[0])


def _packet(kind: int, payload: bytes) -> bytes:
    packet = struct.pack("!BBHHH", kind, 0, 0, 0, 1) + payload
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~(total + (total >> 16)) & 0xFFFF  # RFC 1071; the kernel computes ICMPv6's itself
    return packet[:2] + struct.pack("!H", checksum) + packet[4:]
