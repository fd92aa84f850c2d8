"""The fast path and Envoy's give the same answers and let backends see the same, whatever a client sends, however cut."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hostile import HOSTILE, MARK
from http_ends import connected
from request_policies import http, ingress, rule
from strict_backend import StrictBackend, Understood, strict_backend

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.port import Attachment
from harness.lab.port import Lab, LabPod

PORT = 8081
WAYS = {"whole": 1 << 20, "cut in the middle": 0, "a byte at a time": 1}
MAY_DIFFER = (b"date", b"connection")
"""Headers in which the paths may differ (docs/ebpf-l7.md)."""
LONGEST = 400
"""Of what is sent a byte at a time: thousands of segments show no more than hundreds."""

BEHIND_A_REFUSAL = ("denied, then allowed", "three")
"""Envoy ends the connection for what waits behind a refused request: sent piece by piece, time decides whether any does."""

Observed = tuple[bytes, list[Understood]]


@pytest.fixture(scope="module")
def strict(pair_lab: Lab) -> Iterator[StrictBackend]:
    with strict_backend(pair_lab.pod("shop/neighbour"), PORT) as served:
        yield served


@pytest.fixture(scope="module", params=[NodeProxy(), EbpfL7()], ids=lambda plane: plane.name)
def either(pair_lab: Lab, strict: StrictBackend, request: pytest.FixtureRequest) -> Iterator[Attachment]:
    methods = [http("/public/.*", method) for method in ("GET", "POST", "HEAD")]
    with request.param.attach(pair_lab) as attachment:
        attachment.apply([ingress("neighbour", rule("client", *methods, port=PORT))])
        yield attachment


@pytest.fixture(scope="module")
def by_envoy() -> dict[str, dict[str, Observed]]:
    """What was observed of the node proxy, by the way of sending and the case's name."""
    return {}


def said_back(client: LabPod, server: LabPod, said: bytes, size: int) -> bytes:
    """What comes back until nothing more does, without the headers that may differ."""
    answer = b""
    with connected(client, server, port=PORT, seconds=0.5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):
            for at in range(0, len(said), size):
                connection.sendall(said[at : at + size])
                time.sleep(0.001 if at + size < len(said) else 0)
            while piece := connection.recv(65536):
                answer += piece
    return b"\r\n".join(line for line in answer.split(b"\r\n") if line.split(b":")[0].lower() not in MAY_DIFFER)


def observed(client: LabPod, server: LabPod, backend: StrictBackend, way: str) -> dict[str, Observed]:
    """Every case over a connection of its own; those that bear a mark at once, the others one by one."""
    backend.seen.clear()
    cases = dict(HOSTILE)
    if way == "a byte at a time":
        cases = {name: said for name, said in cases.items() if len(said) <= LONGEST and name not in BEHIND_A_REFUSAL}
    marked = [name for name, said in cases.items() if MARK in said]

    def ask(name: str) -> bytes:
        said = cases[name].replace(MARK, MARK.replace(b"????", b"%04d" % list(HOSTILE).index(name)))
        return said_back(client, server, said, WAYS[way] or max(1, len(said) // 2))

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


@pytest.mark.parametrize("way", WAYS)
def test_both_paths_answer_alike(
    either: Attachment, pair_lab: Lab, client: LabPod, strict: StrictBackend, by_envoy: dict[str, dict[str, Observed]], way: str
) -> None:
    found = observed(client, pair_lab.pod("shop/neighbour"), strict, way)
    denied = {name: seen for name, (_, seen) in found.items() if any(b"private" in each.target for each in seen)}
    assert not denied, "denied requests reached the backend"
    if isinstance(either, EbpfL7Attachment):
        assert either.path_counts()["fast"] > 0
        assert {name: (found[name], each) for name, each in by_envoy[way].items() if found[name] != each} == {}
    else:
        by_envoy[way] = found
