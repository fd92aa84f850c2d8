"""Connections that nftables redirected to a port of the namespace, by where they were meant to go."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from harness.lab.conntrack import Tracked, tracked
from harness.lab.sockets import Held, end_held


@dataclass(frozen=True, slots=True)
class Redirected:
    """A TCP connection as its client opened it."""

    source: str
    destination: str
    port: int


def end_redirected(port: int, unwanted: Callable[[Redirected], bool]) -> None:
    """Have the kernel end those connections of the calling thread's namespace that were redirected to its ``port``.

    Of these only the ``unwanted``; who is at either end sees them reset. Raises LabError where the kernel refuses.
    """
    meant = {_answers(each): each for each in tracked(socket.IPPROTO_TCP) if each.answers_from_port == port}

    def chosen(held: Held) -> bool:
        found = meant.get((_plain(held.remote), held.remote_port)) if held.local_port == port else None
        return found is not None and unwanted(Redirected(found.source, found.destination, found.port))

    end_held(chosen)


def _plain(address: str) -> str:
    """What a socket for both families calls ``::ffff:192.0.2.7`` is the IPv4 address."""
    return str(getattr(ip_address(address), "ipv4_mapped", None) or address)


def _answers(each: Tracked) -> tuple[str, int]:
    return each.answers_to, each.answers_to_port
