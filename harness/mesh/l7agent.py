"""The agent of a node's fast path: it keeps connections to backends, and does for single answers what the kernel cannot.

A program: python -m harness.mesh.l7agent PINS PROXY SOCKET [FLOWS LOG LOST], in the node's network namespace. PINS is the
folder of the fast path's maps and programs, PROXY the cgroup of the node's proxy, SOCKET where the harness listens
(``harness.mesh.l7messages``). FLOWS is a folder for what is known of requests, LOG the proxy's log of them, LOST the number of
the count of lost events (``harness.mesh.l7collect``).
It ends when it is asked to (SIGTERM) or the harness has gone. It may be killed at any moment: the next one begins with what
that one has left.

What is imported here and below is the data plane's memory: nothing that a node's agent has no need of.
"""

import ctypes
import errno
import os
import resource
import select
import signal
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread

from harness.lab.descriptors import connection
from harness.mesh.l7collect import Collector
from harness.mesh.l7layout import EVENT, Described, EventKind, Pair, UpstreamState
from harness.mesh.l7messages import Done, Failed, Forget, Judge, Message, Messages, Trouble, line
from harness.mesh.l7relay import BROKEN, UNANSWERED, Answer, Passed, relay
from harness.mesh.l7tables import FastPathTables
from harness.mesh.l7upstreams import Upstream, Upstreams
from harness.mesh.libbpf import RING_CALLBACK, BpfError, checked, library
from harness.mesh.maps import Map

DRAIN_SECONDS = 1.0
"""For answers under way to come to their end, when the agent is asked to end."""

READ_BYTES = 1 << 16

SETTLE_SECONDS = 0.1
"""At most so often are all connections looked through for what clients have read."""


class Agent:
    """Everything is done in one thread, but the relays: each of them has one."""

    def __init__(self, tables: FastPathTables, proxy: Path, harness: socket.socket, collector: Collector | None = None) -> None:
        self._collector = collector
        self._tables = tables
        self._proxy = proxy
        self._harness = harness
        self._messages = Messages()
        self._events: deque[tuple[Pair, EventKind, int]] = deque()
        self._callback = RING_CALLBACK(self._take)
        ring = tables.maps["l7_events"]
        self._ring: int | None = library().ring_buffer__new(ring.fd, self._callback, None, None)
        checked(self._ring, f"ring buffer {ring.name}")
        self._ring_fd = library().ring_buffer__epoll_fd(self._ring)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.epoll()
        for descriptor in (self._ring_fd, self._wake, harness.fileno()):
            self._poll.register(descriptor, select.EPOLLIN)
        self._upstreams = Upstreams(tables, self._poll)
        self._relayed: deque[tuple[Upstream, bool]] = deque()
        self._ending = self._troubled = False
        self._settle_at = 0.0

    def run(self) -> None:
        """Serve until ``end``, or until the harness has gone; then let answers under way come to their end, for a while."""
        while not self._ending:
            self._round(None if self._collector is None else self._collector.wait())
            self._collect()
        self._tables.close_to_requests()
        deadline = time.monotonic() + DRAIN_SECONDS
        self._upstreams.drop_idle()
        while self._upstreams.in_use() and (left := deadline - time.monotonic()) > 0:
            self._round(left)
        end_awaited(self._tables, self._proxy)
        self._collect(now=True)

    def end(self) -> None:
        """Have ``run`` end; for signal handlers, too."""
        self._ending = True
        os.eventfd_write(self._wake, 1)

    def _take(self, _context: object, data: int, size: int) -> int:
        pair, kind, about = EVENT.unpack(ctypes.string_at(data, size))
        self._events.append((Pair.unpack(pair), EventKind(kind), about))
        return 0

    def _round(self, seconds: float | None = None) -> None:
        """Wait for something to do, and do it. What cannot be done for one request does not keep others waiting."""
        steps = [descriptor for descriptor, _ in self._poll.poll(seconds)]
        while steps or self._relayed or self._events:
            try:
                if steps:
                    self._seen(steps.pop())
                elif self._relayed:
                    self._relay_ended(*self._relayed.popleft())
                else:
                    self._serve(*self._events.popleft())
            except BpfError as error:
                if not self._troubled:
                    self._troubled = True
                    self._say(Trouble(str(error)))

    def _collect(self, *, now: bool = False) -> None:
        if self._collector is not None and (now or not self._collector.wait()):
            try:
                self._collector.collect()
            except OSError as error:
                self._collector = None
                self._say(Trouble(f"flow events are filed no more, and lost: {error}"))

    def _seen(self, descriptor: int) -> None:
        if descriptor == self._ring_fd:
            library().ring_buffer__consume(self._ring)
        elif descriptor == self._wake:
            os.eventfd_read(self._wake)
        elif descriptor == self._harness.fileno():
            self._hear()
        elif (upstream := self._upstreams.by_descriptor(descriptor)) is not None:
            if self._upstreams.is_ready(upstream):
                self._closed_by_backend(upstream)
            else:
                self._upstreams.opened(upstream)

    def _hear(self) -> None:
        try:
            data = self._harness.recv(READ_BYTES)
        except OSError:
            data = b""
        if not data:
            self._poll.unregister(self._harness.fileno())
            self.end()
        for message in self._messages.of(data):
            try:
                self._obey(message)
            except BpfError as error:
                self._say(Failed(str(error)))
            else:
                self._say(Done())

    def _obey(self, message: Message) -> None:
        if isinstance(message, Judge):
            self._tables.judge_by(message.generation, message.law)
            self._upstreams.renew()
        elif isinstance(message, Forget):
            self._upstreams.drop_of(self._tables.forget(message.addresses))

    def _say(self, message: Message) -> None:
        with suppress(OSError):  # it has gone, which is seen where it is listened to
            self._harness.sendall(line(message))

    def _serve(self, pair: Pair, kind: EventKind, about: int) -> None:
        if kind in (EventKind.UNKNOWN, EventKind.WANTED):
            if self._ending or about != self._tables.generation:
                return  # whoever asked is judged by another policy now, which may not allow him a connection
            if kind is EventKind.WANTED:
                self._upstreams.want(pair)
            elif self._tables.inform(pair) is not None:
                self._upstreams.want(pair, first=True)
        elif (upstream := self._upstreams.by_cookie(about)) is not None:
            if kind is EventKind.RELAY:
                self._begin_relay(upstream)
                self._settle(upstream.pair)
            else:
                self._upstreams.drop(upstream)

    def _settle(self, pair: Pair) -> None:
        """Have the kernel see who has read what was owed, now and then: there may have been no room for an answer to relay."""
        now = time.monotonic()
        if now >= self._settle_at:
            self._settle_at = now + SETTLE_SECONDS
            self._tables.errand("l7_settle", pair)

    def _closed_by_backend(self, upstream: Upstream) -> None:
        if self._upstreams.withdraw(upstream):
            self._upstreams.drop(upstream)
            return
        state = self._upstreams.state(upstream)
        if state in (UpstreamState.ASKED, UpstreamState.ANSWERS):
            self._tables.errand("l7_take_over", upstream.pair, cookie=upstream.cookie)
        self._upstreams.unwatch(upstream)
        if state is UpstreamState.ASKED:
            self._begin_relay(upstream, UNANSWERED)
        elif state is UpstreamState.ANSWERS:
            self._begin_relay(upstream, BROKEN)
        elif state not in (UpstreamState.RELAYED, UpstreamState.FINISHES):  # whose relay drops it in the end
            self._upstreams.drop(upstream)

    def _begin_relay(self, upstream: Upstream, answer: Answer | None = None) -> None:
        Thread(target=self._relay, args=(upstream, answer), name="l7-relay", daemon=True).start()

    def _relay(self, upstream: Upstream, answer: Answer | None) -> None:
        reusable = False
        try:
            described = self._tables.described(upstream.cookie)
            client = None if described is None else proxy_socket(self._proxy, described)
            if described is not None and client is not None:
                with client:
                    ending = partial(self._answer_ends, upstream)
                    passed = relay(upstream.socket, client, head=described.head, ending=ending, instead=answer)
                    reusable = passed is Passed.BOTH_GO_ON
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.EBADF, errno.ENOTCONN):
                raise
        finally:
            self._relayed.append((upstream, reusable))
            os.eventfd_write(self._wake, 1)

    def _answer_ends(self, upstream: Upstream, left: int) -> None:
        self._tables.errand("l7_finish", upstream.pair, cookie=upstream.cookie, left=left)

    def _relay_ended(self, upstream: Upstream, reusable: bool) -> None:
        known = self._upstreams.by_cookie(upstream.cookie) is upstream
        if reusable and known and not self._upstreams.has_ended(upstream):
            self._upstreams.offer(upstream)
        else:
            self._upstreams.drop(upstream)


def proxy_socket(proxy: Path, described: Described) -> socket.socket | None:
    """The socket towards the client whose request a connection was taken for, of a process of the cgroup ``proxy``.

    There are two where the proxy is being replaced. None where it is gone.
    """
    pids = [int(pid) for pid in (proxy / "cgroup.procs").read_text(encoding="ascii").split()]
    client = described.pair.client, described.client_port
    # The kernel's list may leave one out while others come and go.
    return connection(pids, described.asked, client) or connection(pids, described.asked, client)


def end_awaited(tables: FastPathTables, proxy: Path) -> None:
    """Sweep the tables, and end the connections of clients that wait for an answer which nobody will bring now."""
    for described in tables.sweep():
        client = proxy_socket(proxy, described)
        if client is not None:
            with client, suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


def collector(pins: Path, folder: str, log: str, lost: str) -> Collector:
    """Takes what the programs and the proxy tell of requests."""
    ring, counts = Map.pinned(pins / "l7_flows"), Map.pinned(pins / "l7_counts")
    return Collector(ring, counts, int(lost), Path(log), Path(folder))


def main() -> None:
    """Begin where another agent may have been killed, and serve."""
    pins, proxy, listening = map(Path, sys.argv[1:4])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tables = FastPathTables(pins)
    end_awaited(tables, proxy)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as harness:
        harness.connect(str(listening))
        agent = Agent(tables, proxy, harness, collector(pins, *sys.argv[4:]) if sys.argv[4:] else None)
        signal.signal(signal.SIGTERM, lambda _number, _frame: agent.end())
        agent.run()


if __name__ == "__main__":
    main()
