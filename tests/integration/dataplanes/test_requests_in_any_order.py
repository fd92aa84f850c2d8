"""Random sequences over mixed connections, through two labs at once: with the fast path and without, all must be the same."""

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import h11
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test
from request_policies import http, ingress
from request_policies import rule as between
from strict_backend import StrictBackend, Understood, strict_backend

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.port import Attachment
from harness.lab import netns
from harness.lab.port import Lab
from harness.model.cilium import CiliumPolicy
from harness.model.flow import Flow, Verdict
from harness.model.request import HTTPRequest
from harness.model.topology import Topology
from harness.oracle import direct

PORT = 8081
APPS = ("neighbour", "server")
MAY_DIFFER = (b"date", b"connection")
EXAMPLES, STEPS = 12, 40
SECONDS = 5.0
ANSWERED = 200

POLICIES: dict[str, list[CiliumPolicy]] = {
    "public": [ingress(app, between("client", http("/public/.*"), port=PORT)) for app in APPS],
    "read public": [ingress(app, between("client", http("/public/.*", "GET"), http("/", "HEAD"), port=PORT)) for app in APPS],
    "neighbour only": [
        ingress("neighbour", between("client", http("/.*"), port=PORT)),
        ingress("server", between("client", http("/public/a"), port=PORT)),
    ],
}


@dataclass(frozen=True, slots=True)
class Request:
    """``chunked``: in pieces of that size; else, if there is a body, with its length."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    chunked: int = 0

    def written(self) -> bytes:
        lines = [(b"Host", b"backend"), *self.headers]
        body = self.body
        if self.chunked:
            lines.append((b"Transfer-Encoding", b"chunked"))
            parts = [body[at : at + self.chunked] for at in range(0, len(body), self.chunked)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))
        elif body or self.method == b"POST":
            lines.append((b"Content-Length", b"%d" % len(body)))
        head = b"".join(b"%s: %s\r\n" % line for line in lines)
        return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (self.method, self.target, head, body)


TARGETS = (b"/public/a", b"/public/b?x=1", b"/", b"/private", b"/public/../private", b"/public//a", b"/public/%61")
PLAIN = (
    Request(b"GET", b"/public/a"),
    Request(b"GET", b"/public/b?x=1", ((b"Accept", b"*/*"),)),
    Request(b"HEAD", b"/public/a"),
    Request(b"POST", b"/public/a", body=b"x" * 200),
    Request(b"GET", b"/private"),
)
HEADERS = ((b"X-Long", b"x" * 3000), (b"Te", b"trailers"), (b"Accept", b"*/*"), (b"Cookie", b"a=b"))
requests = st.builds(
    Request,
    st.sampled_from((b"GET", b"GET", b"HEAD", b"POST", b"PUT")),
    st.sampled_from(TARGETS),
    st.lists(st.sampled_from(HEADERS), max_size=2, unique=True).map(tuple),
).flatmap(
    lambda each: (
        st.just(each)
        if each.method in (b"GET", b"HEAD")
        else st.builds(
            Request,
            st.just(each.method),
            st.just(each.target),
            st.just(each.headers),
            st.sampled_from((0, 1, 200, 5000, 70_000)).map(
                lambda size: bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            ),
            st.sampled_from((0, 0, 0, 100, 4096)),
        )
    )
)


@dataclass
class Side:
    """One lab with its data plane; ``connections`` by number."""

    lab: Lab
    attachment: Attachment
    backends: dict[str, StrictBackend]
    connections: dict[int, "Connection"] = field(default_factory=dict)

    def forget(self) -> None:
        for each in self.connections.values():
            each.close()
        self.connections.clear()
        for backend in self.backends.values():
            backend.seen.clear()

    def seen(self) -> dict[str, list[Understood]]:
        """What each backend read since the last time, in order."""
        found = {}
        for app, backend in self.backends.items():
            found[app], backend.seen[:] = [_comparable(each) for each in backend.seen], []
        return found


def _comparable(seen: Understood) -> Understood:
    headers = tuple((name, value) for name, value in seen.headers if name.lower() not in MAY_DIFFER)
    return Understood(seen.method, seen.target, headers, seen.body)


class Connection:
    """A client's, to one backend: bytes go out as they are, answers are read one by one."""

    def __init__(self, side: Side, app: str, family: int, *, blocking: bool) -> None:
        self.app, self.family, self.blocking = app, family, blocking
        with side.lab.pod("shop/client").entered():
            self._socket = socket.create_connection((side.lab.pod(f"shop/{app}").pod.ip(family), PORT), timeout=SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if blocking:  # a socket with a time limit of Python's is a non-blocking one to the kernel
            self._socket.settimeout(None)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(SECONDS), 0))
        self._left = b""
        self.ended = False

    def close(self) -> None:
        self._socket.close()

    def send(self, said: bytes, cuts: Sequence[int]) -> None:
        at = 0
        with suppress(OSError):  # an answer may have ended it; what came is compared
            for size in (*cuts, len(said)):
                if said[at : at + size]:
                    self._socket.sendall(said[at : at + size])
                at += size

    def answer(self, request: Request) -> tuple[int, tuple[tuple[bytes, bytes], ...], bytes] | None:
        """The next one, None where the connection ended instead."""
        state = h11.Connection(h11.CLIENT)
        state.send(h11.Request(method=request.method, target="/", headers=[("Host", "backend")]))
        state.send(h11.EndOfMessage())
        state.receive_data(self._left) if self._left else None
        found: Any = None
        body = b""
        while True:
            event = state.next_event()
            if event is h11.NEED_DATA:
                try:
                    said = self._socket.recv(65536)
                except ConnectionResetError:
                    said = b""
                state.receive_data(said)
                if not said and found is None:
                    self.ended = True
                    return None
            elif isinstance(event, h11.Response):
                found = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._left = state.trailing_data[0]
                lines = tuple(each for each in found.headers.raw_items() if each[0].lower() not in MAY_DIFFER)
                self.ended = any(name == b"connection" and b"close" in value for name, value in found.headers)
                return found.status_code, lines, body


class Machine(RuleBasedStateMachine):
    """Each step is taken in both labs, and what came of it compared."""

    sides: tuple[Side, Side]
    connections = Bundle("connections")

    def __init__(self) -> None:
        super().__init__()
        self._number = 0
        self._policies: list[CiliumPolicy] = []
        self._policy("public")

    def _policy(self, name: str) -> None:
        self._policies = POLICIES[name]
        for side in self.sides:
            side.attachment.apply(self._policies)

    def _allowed(self, app: str, family: int, asked: Request) -> bool:
        request = HTTPRequest(asked.method.decode(), asked.target.decode())
        flow = Flow("shop/client", f"shop/{app}", PORT, family=family, request=request)
        return direct.answer(flow, self._policies, self.sides[0].lab.topology).verdict is Verdict.FORWARDED

    @rule(name=st.sampled_from(sorted(POLICIES)))
    def change(self, name: str) -> None:
        self._policy(name)

    @rule(target=connections, app=st.sampled_from(APPS), family=st.sampled_from((4, 6)), blocking=st.booleans())
    def connect(self, app: str, family: int, blocking: bool) -> int:
        self._number += 1
        for side in self.sides:
            side.connections[self._number] = Connection(side, app, family, blocking=blocking)
        return self._number

    @rule(which=consumes(connections))
    def disconnect(self, which: int) -> None:
        for side in self.sides:
            side.connections.pop(which).close()

    @rule(
        which=connections,
        asked=st.lists(requests, min_size=1, max_size=4),
        cuts=st.lists(st.sampled_from((1, 5, 20, 60, 300, 5000)), max_size=4),
    )
    def ask(self, which: int, asked: list[Request], cuts: list[int]) -> None:
        """Several requests at once, to the first that is refused: behind it a proxy may end the connection or not."""
        app, family, blocking = (getattr(self.sides[0].connections[which], each) for each in ("app", "family", "blocking"))
        allowed = [self._allowed(app, family, each) for each in asked]
        asked = asked[: allowed.index(False) + 1] if False in allowed else asked
        said = b"".join(each.written() for each in asked)
        for side in self.sides:
            side.connections[which].send(said, cuts)
        for each, forwarded in zip(asked, allowed, strict=False):
            one, other = (side.connections[which].answer(each) for side in self.sides)
            assert one == other, f"{each} was answered {other}, not {one}"
            assert one is not None
            assert (one[0] == ANSWERED) is forwarded
        ended = [side.connections[which].ended for side in self.sides]
        if any(ended) or False in allowed:
            for side in self.sides:
                side.connections[which].close()
                side.connections[which] = Connection(side, app, family, blocking=blocking)

    @rule(which=connections, asked=st.sampled_from(PLAIN), times=st.integers(1, 12))
    def ask_again_and_again(self, which: int, asked: Request, times: int) -> None:
        """One at a time and whole: what the kernel may know of, and soon has connections to the backend for."""
        for _ in range(times):
            self.ask(which, [asked], [])

    @invariant()
    def backends_saw_the_same(self) -> None:
        one, other = (side.seen() for side in self.sides)
        assert one == other

    def teardown(self) -> None:
        for side in self.sides:
            side.forget()


@pytest.fixture(scope="module")
def sides(root: None, pair: Topology) -> Iterator[tuple[Side, Side]]:
    """The node proxy's lab, and that of the fast path."""
    with ExitStack() as undo:
        found = []
        for plane in (NodeProxy(), EbpfL7()):
            lab = undo.enter_context(netns.up(pair))
            backends = {app: undo.enter_context(strict_backend(lab.pod(f"shop/{app}"), PORT)) for app in APPS}
            found.append(Side(lab, undo.enter_context(plane.attach(lab)), backends))
        yield found[0], found[1]


def test_any_sequence_of_requests_is_answered_alike(sides: tuple[Side, Side]) -> None:
    machine = type("Machine", (Machine,), {"sides": sides})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
    fast = sides[1].attachment
    assert isinstance(fast, EbpfL7Attachment)
    counts = fast.path_counts()
    assert counts["fast"] > 50, sorted(counts.items())
