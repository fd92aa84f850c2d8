"""Both ends of many connections send random bodies at the same time, and each checks every byte that it gets.

Run as ``exchange.py server|client ADDRESS PORT CONNECTIONS PARALLEL LIMIT SEED`` inside two pods. Everything is drawn from
the seed, so that each end knows what the other one sends: body lengths up to LIMIT bytes (log-uniform), the sizes of
sends and receives, writev, who reads edge-triggered and takes a short read for the last. Each end closes its half after
its body. It ends with status 0 if all was equal, 1 if not, 3 if nothing happened for STALL_SECONDS.
"""

import errno
import random
import select
import socket
import struct
import sys

STALL_SECONDS = 5.0
HEADER = struct.Struct("!I")  # the number of a connection, sent first by the client
SEND_SIZES = (1, 100, 1460, 5000, 32768, 65536, 200_000)
RECEIVE_SIZES = (1000, 16384, 65536, 300_000)


def body(seed: str, number: int, sender: str, limit: int) -> bytes:
    """What ``sender`` sends on a connection."""
    dice = random.Random(f"{seed}/{number}/{sender}")
    return dice.randbytes(int(limit ** dice.random()))


class End:
    """One end of a connection, non-blocking."""

    def __init__(self, connection: socket.socket, number: int, role: str, limit: int, seed: str) -> None:
        other = "server" if role == "client" else "client"
        self.connection, self.number = connection, number
        self.out = memoryview(body(seed, number, role, limit))
        self.expected = body(seed, number, other, limit)
        self.dice = random.Random(f"{seed}/{number}/{role}/manner")
        self.receive_size = self.dice.choice(RECEIVE_SIZES)
        self.edge_triggered = self.dice.random() < 0.5
        self.sent = self.received = 0
        self.shut = self.ended = False
        self.fault = ""

    @property
    def done(self) -> bool:
        return bool(self.fault) or (self.shut and self.ended)

    @property
    def events(self) -> int:
        events = select.EPOLLIN | select.EPOLLRDHUP
        if not self.shut:
            events |= select.EPOLLOUT
        return events | (select.EPOLLET if self.edge_triggered else 0)

    def write(self) -> None:
        while self.sent < len(self.out):
            part = self.out[self.sent : self.sent + self.dice.choice(SEND_SIZES)]
            try:
                if len(part) > 3 and self.dice.random() < 0.3:
                    cut = self.dice.randrange(1, len(part))
                    self.sent += self.connection.sendmsg([part[:cut], part[cut:]])
                else:
                    self.sent += self.connection.send(part)
            except BlockingIOError:
                return
            if not self.edge_triggered:
                return
        if not self.shut:
            self.connection.shutdown(socket.SHUT_WR)
            self.shut = True

    def read(self, ending: bool) -> None:
        """``ending``: the other end has closed its half, so that a short read may be followed by the end."""
        while True:
            try:
                data = self.connection.recv(self.receive_size)
            except BlockingIOError:
                return
            if not data:
                self.ended = True
                if self.received != len(self.expected):
                    self.fault = f"ended after {self.received} of {len(self.expected)} bytes"
                return
            if self.expected[self.received : self.received + len(data)] != data:
                self.fault = f"differs within bytes {self.received} to {self.received + len(data)} of {len(self.expected)}"
                return
            self.received += len(data)
            if not self.edge_triggered or (len(data) < self.receive_size and not ending):
                return


class Exchange:
    """All connections of one side."""

    def __init__(self, role: str, address: str, port: int, total: int, parallel: int, limit: int, seed: str) -> None:
        self.role, self.address, self.port = role, address, port
        self.total, self.parallel, self.limit, self.seed = total, parallel, limit, seed
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.poll = select.epoll()
        self.ends: dict[int, End] = {}
        self.unnamed: dict[int, socket.socket] = {}
        self.started = self.finished = self.faults = self.bytes = 0
        self.listener = self._listen() if role == "server" else None

    def run(self) -> int:
        while self.finished < self.total:
            while self.role == "client" and len(self.ends) < self.parallel and self.started < self.total:
                self._connect()
            ready = self.poll.poll(STALL_SECONDS)
            if not ready:
                self._explain_stall()
                return 3
            for descriptor, events in ready:
                self._handle(descriptor, events)
        print(f"{self.role}: {self.finished} connections, {self.bytes} bytes, {self.faults} faults", flush=True)
        return 1 if self.faults else 0

    def _listen(self) -> socket.socket:
        listener = socket.socket(self.family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.address, self.port))
        listener.listen(512)
        listener.setblocking(False)
        self.poll.register(listener, select.EPOLLIN)
        print("listening", flush=True)
        return listener

    def _connect(self) -> None:
        connection = socket.create_connection((self.address, self.port))
        connection.sendall(HEADER.pack(self.started))
        connection.setblocking(False)
        self.poll.register(connection, self._begin(connection, self.started).events)
        self.started += 1

    def _begin(self, connection: socket.socket, number: int) -> End:
        end = End(connection, number, self.role, self.limit, self.seed)
        self.ends[connection.fileno()] = end
        return end

    def _handle(self, descriptor: int, events: int) -> None:
        if self.listener and descriptor == self.listener.fileno():
            connection, _ = self.listener.accept()
            connection.setblocking(False)
            self.unnamed[connection.fileno()] = connection
            self.poll.register(connection, select.EPOLLIN)
        elif descriptor in self.unnamed:
            connection = self.unnamed.pop(descriptor)
            (number,) = HEADER.unpack(connection.recv(HEADER.size))
            self.poll.modify(descriptor, self._begin(connection, number).events)
        else:
            self._serve(self.ends[descriptor], events)

    def _serve(self, end: End, events: int) -> None:
        was_shut = end.shut
        try:
            if events & select.EPOLLOUT:
                end.write()
            if events & (select.EPOLLIN | select.EPOLLHUP):
                end.read(bool(events & select.EPOLLRDHUP))
        except OSError as error:
            end.fault = errno.errorcode.get(error.errno or 0, str(error))
        if end.shut and not was_shut and not end.edge_triggered:
            self.poll.modify(end.connection, end.events)
        if end.done:
            self.poll.unregister(end.connection)
            del self.ends[end.connection.fileno()]
            end.connection.close()
            self.finished += 1
            self.bytes += end.received
            if end.fault:
                self.faults += 1
                print(f"{self.role}: connection {end.number}: {end.fault}", flush=True)

    def _explain_stall(self) -> None:
        for end in self.ends.values():
            print(
                f"{self.role}: connection {end.number} stalled: sent {end.sent} of {len(end.out)}, received "
                f"{end.received} of {len(end.expected)}, edge-triggered: {end.edge_triggered}, ended: {end.ended}",
                flush=True,
            )


if __name__ == "__main__":
    role, address, *numbers, seed = sys.argv[1:]
    sys.exit(Exchange(role, address, *map(int, numbers), seed).run())
