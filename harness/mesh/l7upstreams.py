"""The connections that the agent of a fast path keeps to backends.

They bear the client's address, as the proxy's do, so that backends and their rules see who asks.
"""

import select
import socket
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from harness.mesh.l7layout import COOKIE, FAMILIES, Pair, UpstreamState
from harness.mesh.l7tables import FastPathTables
from harness.mesh.libbpf import BpfError

BATCH = 8
"""Connections that are opened at once when one was missing."""

MOST = 64
"""Connections to a backend for one client (L7_SLOTS)."""

SYN_RETRIES = 2
"""Of a connection that nobody answers: 7 s."""

SEND_BYTES = 1 << 20
"""A request that is redirected is cut short where the connection has no room for it; one at a time is at most 64 KiB."""

RECEIVE_BYTES = 256 << 10
"""Of an answer that its client does not read, so much waits here; the kernel takes twice as much for its own use. Left to
itself it would let each connection grow to 6 MiB, as it does the proxy's."""

IP_TRANSPARENT, IPV6_TRANSPARENT, SO_COOKIE, SO_SNDBUFFORCE, SO_RCVBUFFORCE = 19, 75, 57, 32, 33
_NOBODY = 0
"""No connection's cookie."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A connection to a backend."""

    pair: Pair
    cookie: int
    socket: socket.socket
    name: bytes
    generation: int


class Upstreams:
    """For one thread, whose network namespace is the node's; ``poll`` is told of each connection. Methods raise BpfError."""

    def __init__(self, tables: FastPathTables, poll: select.epoll) -> None:
        self._tables = tables
        self._poll = poll
        self._all: dict[int, Upstream] = {}
        self._ready: set[int] = set()
        self._ended: set[int] = set()
        self._by_descriptor: dict[int, Upstream] = {}
        self._counts: defaultdict[Pair, int] = defaultdict(int)

    def by_cookie(self, cookie: int) -> Upstream | None:
        """The one that the kernel means; None where it is gone."""
        return self._all.get(cookie)

    def by_descriptor(self, descriptor: int) -> Upstream | None:
        """The one that was polled; None where it is gone."""
        return self._by_descriptor.get(descriptor)

    def is_ready(self, upstream: Upstream) -> bool:
        """Whether its handshake is over."""
        return upstream.cookie in self._ready

    def in_use(self) -> bool:
        """Whether any is being asked, or answers."""
        states = (UpstreamState.ASKED, UpstreamState.ANSWERS, UpstreamState.RELAYED, UpstreamState.FINISHES)
        return any(self.state(upstream) in states for upstream in self._all.values())

    def state(self, upstream: Upstream) -> UpstreamState:
        """What it is doing."""
        described = self._tables.described(upstream.cookie)
        return UpstreamState.ORPHAN if described is None else described.state

    def want(self, pair: Pair, *, first: bool = False) -> None:
        """Begin to open some, if there may be more of the pair; with ``first``, if there is none."""
        if not self._tables.in_force() or (first and self._counts[pair]):
            return  # the request that asked for them was judged by another policy
        for _ in range(min(BATCH, MOST - self._counts[pair])):
            upstream = self._begin(pair)
            if upstream is None:  # the proxy meets it too, and tells the client
                self._tables.errand("l7_evict", pair, cookie=_NOBODY)  # so that the next request asks for one again
                return
            self._all[upstream.cookie] = self._by_descriptor[upstream.socket.fileno()] = upstream
            self._counts[pair] += 1
            self._poll.register(upstream.socket.fileno(), select.EPOLLOUT)

    def _begin(self, pair: Pair) -> Upstream | None:
        """What comes of it is seen when the socket is writable."""
        try:
            opened = socket.socket(FAMILIES[pair.family], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError:
            return None
        try:
            level, option = (socket.SOL_IP, IP_TRANSPARENT) if pair.family == 4 else (socket.IPPROTO_IPV6, IPV6_TRANSPARENT)
            opened.setsockopt(level, option, 1)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SEND_BYTES)
            opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, SYN_RETRIES)
            opened.bind((pair.client, 0))
            with suppress(BlockingIOError):
                opened.connect((pair.backend, pair.port))
            (cookie,) = COOKIE.unpack(opened.getsockopt(socket.SOL_SOCKET, SO_COOKIE, COOKIE.size))
            return Upstream(pair, cookie, opened, pair.connection(opened.getsockname()[1]), self._tables.generation)
        except OSError:
            opened.close()
            return None

    def opened(self, upstream: Upstream) -> None:
        """Its handshake has come to an end, or to nothing."""
        if upstream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or upstream.generation != self._tables.generation:
            self.drop(upstream)
            return
        upstream.socket.setblocking(True)
        self._ready.add(upstream.cookie)
        self._poll.modify(upstream.socket.fileno(), select.EPOLLRDHUP)
        cookie = COOKIE.pack(upstream.cookie)
        try:
            self._tables.describe(upstream.cookie, upstream.pair, upstream.generation)
            self._tables.maps["l7_named"].put(upstream.name, cookie)
        except BpfError:
            self.drop(upstream)
            raise
        try:
            for table in ("l7_answering", "l7_sockets"):
                self._tables.maps[table].put(cookie, COOKIE.pack(upstream.socket.fileno()))
        except BpfError:  # it has been closed meanwhile
            self.drop(upstream)
            return
        self.offer(upstream)

    def offer(self, upstream: Upstream) -> None:
        """Have requests take it; it is closed where there is no room for it."""
        if not self._tables.errand("l7_adopt", upstream.pair, cookie=upstream.cookie):
            self.drop(upstream)

    def withdraw(self, upstream: Upstream) -> bool:
        """Have no request take it; whether one could have until now."""
        return self._tables.errand("l7_evict", upstream.pair, cookie=upstream.cookie)

    def has_ended(self, upstream: Upstream) -> bool:
        """Whether its backend sends nothing more: it is polled no more, and no other request's."""
        return upstream.cookie in self._ended

    def unwatch(self, upstream: Upstream) -> None:
        """Poll it no more, its backend having ended it: a relay reads what there is."""
        self._ended.add(upstream.cookie)
        with suppress(OSError):
            self._poll.unregister(upstream.socket.fileno())

    def drop(self, upstream: Upstream) -> None:
        """Close it, and have it be no connection of the fast path any more."""
        if self._all.pop(upstream.cookie, None) is None:
            return
        self.withdraw(upstream)
        self._ready.discard(upstream.cookie)
        self._by_descriptor.pop(upstream.socket.fileno(), None)
        self._counts[upstream.pair] -= 1
        self.unwatch(upstream)
        self._ended.discard(upstream.cookie)
        self._tables.maps["l7_upstreams"].remove_many([COOKIE.pack(upstream.cookie)])
        self._tables.maps["l7_named"].remove_many([upstream.name])
        with suppress(OSError):
            upstream.socket.shutdown(socket.SHUT_RDWR)  # a relay that waits for it goes on
        upstream.socket.close()

    def renew(self) -> None:
        """Use others from now on: under another policy those that are open may end elsewhere, or nowhere.

        New ones are opened when a request asks for them that is allowed: nothing is sent in the name of who is not.
        """
        for upstream in list(self._all.values()):
            if not self.is_ready(upstream) or self.withdraw(upstream):
                self.drop(upstream)

    def drop_idle(self) -> None:
        """Close all that no request has taken, when none can any more."""
        for upstream in list(self._all.values()):
            if not self.is_ready(upstream) or self.state(upstream) in (UpstreamState.IDLE, UpstreamState.ORPHAN):
                self.drop(upstream)

    def drop_of(self, pairs: Iterable[Pair]) -> None:
        """Close those of ``pairs``."""
        gone = set(pairs)
        for upstream in list(self._all.values()):
            if upstream.pair in gone:
                self.drop(upstream)
