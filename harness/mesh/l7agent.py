"""The agent of a node's fast path: keeps connections to backends, and does for single answers what the kernel cannot.

Its connections bear the client's address, as the proxy's do, so that backends and their rules see who asks.
"""

import ctypes
import errno
import os
import select
import socket
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import RLock, Thread, current_thread

from harness.mesh.l7 import FastPath
from harness.mesh.l7layout import (
    COOKIE,
    EVENT,
    FAMILIES,
    TUPLE,
    UPSTREAM_CLIENT,
    UPSTREAM_GENERATION,
    UPSTREAM_HEAD,
    UPSTREAM_PAIR,
    UPSTREAM_STATE,
    EventKind,
    Pair,
    UpstreamState,
)
from harness.mesh.l7relay import BROKEN, UNANSWERED, Answer, relay
from harness.mesh.layout import U32
from harness.mesh.libbpf import RING_CALLBACK, BpfError, checked, library

BATCH = 8
"""Connections that are opened at once when one was missing."""

MOST = 64
"""Connections to a backend for one client (L7_SLOTS)."""

SYN_RETRIES = 2
"""Of a connection that nobody answers: 7 s."""

RELAY_SECONDS = 2.0
"""For relays to end when their connections are shut down."""

SEND_BYTES = 1 << 20
"""A request that is redirected is cut short where the connection has no room for it; one at a time is at most 64 KiB."""

IP_TRANSPARENT, IPV6_TRANSPARENT, SO_COOKIE, SO_SNDBUFFORCE = 19, 75, 57, 32

ProxySocket = Callable[[str, int, str, int], socket.socket | None]
"""The proxy's own socket towards a client (address, port) for a backend (address, port); None where it is gone."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A connection to a backend."""

    pair: Pair
    cookie: int
    socket: socket.socket
    name: bytes
    generation: int


class FastPathAgent:
    """Runs in a thread of its own from ``start`` to ``stop``."""

    def __init__(self, path: FastPath, proxy_socket: ProxySocket) -> None:
        self._path = path
        self._proxy_socket = proxy_socket
        self._events: list[tuple[Pair, EventKind, int]] = []
        self._callback = RING_CALLBACK(self._take)
        ring = path.maps["l7_events"]
        self._ring: int | None = library().ring_buffer__new(ring.fd, self._callback, None, None)
        checked(self._ring, f"ring buffer {ring.name}")
        self._poll = select.epoll()
        self._ring_fd = library().ring_buffer__epoll_fd(self._ring)
        self._poll.register(self._ring_fd, select.EPOLLIN)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll.register(self._wake, select.EPOLLIN)
        self._upstreams: dict[int, Upstream] = {}
        self._ready: set[int] = set()
        self._by_descriptor: dict[int, Upstream] = {}
        self._counts: defaultdict[Pair, int] = defaultdict(int)
        self._relays: set[Thread] = set()
        self._dropping = RLock()
        self._ended = self._renewing = False
        self._trouble: BpfError | None = None
        self._thread = Thread(target=self._run, name=f"l7-{path.node.name}", daemon=True)

    def start(self) -> None:
        """Begin to answer what the kernel asks."""
        self._thread.start()

    def stop(self) -> None:
        """End it, and every connection. Raises the BpfError that it met first, if any."""
        self._ended = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        for upstream in list(self._upstreams.values()):
            self._drop(upstream)
        for thread in list(self._relays):
            thread.join(RELAY_SECONDS)
        self._poll.close()
        os.close(self._wake)
        library().ring_buffer__free(self._ring)
        if self._trouble is not None:
            raise self._trouble

    def _take(self, _context: object, data: int, size: int) -> int:
        pair, kind, cookie = EVENT.unpack(ctypes.string_at(data, size))
        self._events.append((Pair.unpack(pair), EventKind(kind), cookie))
        return 0

    def _run(self) -> None:
        while not self._ended:
            try:
                self._round()
            except BpfError as error:  # this one thing was not done; others wait
                self._trouble = self._trouble or error

    def _round(self) -> None:
        """Wait for something to do, and do it."""
        for descriptor, _ in self._poll.poll():
            if descriptor == self._ring_fd:
                library().ring_buffer__consume(self._ring)
            elif descriptor == self._wake:
                os.eventfd_read(self._wake)
            elif descriptor in self._by_descriptor:
                upstream = self._by_descriptor[descriptor]
                (self._closed_by_backend if upstream.cookie in self._ready else self._opened)(upstream)
        if self._renewing:
            self._renewing = False
            self._renew()
        while self._events:
            self._serve(*self._events.pop(0))

    def _serve(self, pair: Pair, kind: EventKind, cookie: int) -> None:
        if kind is EventKind.UNKNOWN:
            if self._path.inform(pair) is not None and not self._counts[pair]:
                self._open(pair, BATCH)
        elif kind is EventKind.WANTED:
            self._open(pair, BATCH)
        elif cookie in self._upstreams:
            if kind is EventKind.RELAY:
                self._begin_relay(self._upstreams[cookie])
            else:
                self._drop(self._upstreams[cookie])

    def renew(self) -> None:
        """Use other connections from now on: under another policy those that are open may end elsewhere, or nowhere."""
        self._renewing = True
        os.eventfd_write(self._wake, 1)

    def _renew(self) -> None:
        """New ones are opened when a request asks for them that is allowed: nothing is sent in the name of who is not."""
        for upstream in list(self._upstreams.values()):
            if upstream.cookie not in self._ready or self._path.errand("l7_evict", upstream.pair, cookie=upstream.cookie):
                self._drop(upstream)

    def forget(self, pairs: list[Pair]) -> None:
        """Close the connections of ``pairs``, whose addresses have other owners now."""
        for upstream in list(self._upstreams.values()):
            if upstream.pair in pairs:
                self._drop(upstream)

    def _open(self, pair: Pair, count: int) -> None:
        """Begin to; what comes of it is seen when the socket is writable."""
        if not self._path.in_force():
            return  # the request that asked for them was judged by another policy
        for _ in range(min(count, MOST - self._counts[pair])):
            upstream = self._begin(pair)
            if upstream is None:
                return  # the proxy meets it too, and tells the client
            self._upstreams[upstream.cookie] = self._by_descriptor[upstream.socket.fileno()] = upstream
            self._counts[pair] += 1
            self._poll.register(upstream.socket.fileno(), select.EPOLLOUT)

    def _begin(self, pair: Pair) -> Upstream | None:
        generation = self._path.generation
        with self._path.node.entered():
            opened = socket.socket(FAMILIES[pair.family], socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            level, option = (socket.SOL_IP, IP_TRANSPARENT) if pair.family == 4 else (socket.IPPROTO_IPV6, IPV6_TRANSPARENT)
            opened.setsockopt(level, option, 1)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SEND_BYTES)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, SYN_RETRIES)
            opened.bind((pair.client, 0))
            with suppress(BlockingIOError):
                opened.connect((pair.backend, pair.port))
            (cookie,) = COOKIE.unpack(opened.getsockopt(socket.SOL_SOCKET, SO_COOKIE, COOKIE.size))
            return Upstream(pair, cookie, opened, pair.connection(opened.getsockname()[1]), generation)
        except OSError:
            opened.close()
            return None

    def _opened(self, upstream: Upstream) -> None:
        """Its handshake has come to an end, or to nothing."""
        if upstream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or upstream.generation != self._path.generation:
            self._drop(upstream)
            return
        upstream.socket.setblocking(True)
        self._ready.add(upstream.cookie)
        self._poll.modify(upstream.socket.fileno(), select.EPOLLRDHUP)
        described = bytearray(self._path.maps["l7_upstreams"].value_size)
        described[UPSTREAM_PAIR : UPSTREAM_PAIR + len(upstream.pair.pack())] = upstream.pair.pack()
        U32.pack_into(described, UPSTREAM_GENERATION, upstream.generation)
        self._path.maps["l7_upstreams"].put(COOKIE.pack(upstream.cookie), bytes(described))
        self._path.maps["l7_named"].put(upstream.name, COOKIE.pack(upstream.cookie))
        try:
            self._path.maps["l7_sockets"].put(COOKIE.pack(upstream.cookie), COOKIE.pack(upstream.socket.fileno()))
        except BpfError:  # it has been closed meanwhile
            self._drop(upstream)
            return
        if not self._path.errand("l7_adopt", upstream.pair, cookie=upstream.cookie):
            self._drop(upstream)

    def _drop(self, upstream: Upstream) -> None:
        """Have it be no connection of the fast path any more."""
        with self._dropping:
            self._forget_upstream(upstream)

    def _forget_upstream(self, upstream: Upstream) -> None:
        if self._upstreams.pop(upstream.cookie, None) is None:
            return
        self._path.errand("l7_evict", upstream.pair, cookie=upstream.cookie)
        self._ready.discard(upstream.cookie)
        self._by_descriptor.pop(upstream.socket.fileno(), None)
        self._counts[upstream.pair] -= 1
        with suppress(OSError):
            self._poll.unregister(upstream.socket.fileno())
        self._path.maps["l7_upstreams"].remove_many([COOKIE.pack(upstream.cookie)])
        self._path.maps["l7_named"].remove_many([upstream.name])
        with suppress(OSError):
            upstream.socket.shutdown(socket.SHUT_RDWR)  # a relay that waits for it goes on
        upstream.socket.close()

    def _closed_by_backend(self, upstream: Upstream) -> None:
        if self._path.errand("l7_evict", upstream.pair, cookie=upstream.cookie):
            self._drop(upstream)
            return
        state = self._state(upstream)
        if state in (UpstreamState.ASKED, UpstreamState.ANSWERS):
            self._path.errand("l7_take_over", upstream.pair, cookie=upstream.cookie)
        self._poll.unregister(upstream.socket.fileno())
        if state is UpstreamState.ASKED:
            self._begin_relay(upstream, UNANSWERED)
        elif state is UpstreamState.ANSWERS:
            self._begin_relay(upstream, BROKEN)
        elif state is not UpstreamState.RELAYED:  # whose relay meets the end by itself
            self._drop(upstream)

    def _described(self, upstream: Upstream) -> bytes | None:
        return self._path.maps["l7_upstreams"].get(COOKIE.pack(upstream.cookie))

    def _state(self, upstream: Upstream) -> UpstreamState:
        described = self._described(upstream)
        return UpstreamState.ORPHAN if described is None else UpstreamState(U32.unpack_from(described, UPSTREAM_STATE)[0])

    def _begin_relay(self, upstream: Upstream, answer: Answer | None = None) -> None:
        described = self._described(upstream)
        if described is None:
            return
        _, _, client_port, _, _ = TUPLE.unpack_from(described, UPSTREAM_CLIENT)
        (head,) = U32.unpack_from(described, UPSTREAM_HEAD)
        pair = upstream.pair
        client = self._proxy_socket(pair.client, int.from_bytes(client_port, "big"), pair.backend, pair.port)
        thread = Thread(target=self._relay, args=(upstream, client, bool(head), answer), name="l7-relay", daemon=True)
        self._relays.add(thread)
        thread.start()

    def _relay(self, upstream: Upstream, client: socket.socket | None, head: bool, answer: Answer | None) -> None:
        reusable = False
        try:
            if client is not None:
                with client:
                    reusable = relay(upstream.socket, client, head=head, instead=answer)
                    if reusable or answer is UNANSWERED:
                        self._path.errand("l7_finish", upstream.pair, cookie=upstream.cookie)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.EBADF, errno.ENOTCONN):
                raise
        finally:
            if not (reusable and self._path.errand("l7_adopt", upstream.pair, cookie=upstream.cookie)):
                self._drop(upstream)
            self._relays.discard(current_thread())
