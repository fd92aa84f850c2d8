"""What clients get and a backend reads of every odd message, however it is cut: for comparing two ways of a request."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from hostile import HOSTILE, MARK
from strict_backend import StrictBackend, Understood

WAYS = {"whole": 1 << 20, "cut in the middle": 0, "a byte at a time": 1}
MAY_DIFFER = (b"date", b"connection")
"""Headers in which the paths may differ (docs/ebpf-l7.md)."""
LONGEST = 400
"""Of what is sent a byte at a time: thousands of segments show no more than hundreds."""
BEHIND_A_REFUSAL = ("denied, then allowed", "three")
"""Envoy ends the connection for what waits behind a refused request: sent piece by piece, time decides whether any does."""

Observed = tuple[bytes, list[Understood]]

Connect = Callable[[], socket.socket]
"""Opens a connection whose calls wait for half a second at most; closing is the caller's."""

SECONDS = 0.5


def said_back(connect: Connect, said: bytes, size: int) -> bytes:
    """What comes back until nothing more does, without the headers that may differ."""
    answer = b""
    with connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            for at in range(0, len(said), size):
                connection.sendall(said[at : at + size])
                time.sleep(0.001 if at + size < len(said) else 0)
            while piece := connection.recv(65536):
                answer += piece
    return b"\r\n".join(line for line in answer.split(b"\r\n") if line.split(b":")[0].lower() not in MAY_DIFFER)


def observed(connect: Connect, backend: StrictBackend, way: str) -> dict[str, Observed]:
    """Every case over a connection of its own; those that bear a mark at once, the others one by one."""
    backend.seen.clear()
    cases = dict(HOSTILE)
    if way == "a byte at a time":
        cases = {name: said for name, said in cases.items() if len(said) <= LONGEST and name not in BEHIND_A_REFUSAL}
    marked = [name for name, said in cases.items() if MARK in said]

    def ask(name: str) -> bytes:
        said = cases[name].replace(MARK, MARK.replace(b"????", b"%04d" % list(HOSTILE).index(name)))
        return said_back(connect, said, WAYS[way] or max(1, len(said) // 2))

    with ThreadPoolExecutor(16) as pool:
        answers = dict(zip(marked, pool.map(ask, marked), strict=True))
    seen = list(backend.seen)
    found = {}
    for name in marked:
        number = b"%04d" % list(HOSTILE).index(name)
        found[name] = answers[name], [_comparable(each) for each in seen if (b"X-Case", number) in each.headers]
    for name in cases.keys() - set(marked):
        backend.seen.clear()
        found[name] = ask(name), [_comparable(each) for each in backend.seen]
    found["read otherwise"] = b"", [each for each in seen if b"X-Case" not in dict(each.headers)]
    return found


def _comparable(seen: Understood) -> Understood:
    headers = tuple((name, value) for name, value in seen.headers if name.lower() not in MAY_DIFFER)
    return Understood(seen.method, seen.target, headers, seen.body)
