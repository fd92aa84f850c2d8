"""Keys, values and events of the fast path's maps as Python packs them; bpf/l7.h is the source, a test compares both by BTF."""

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import ip_address

PAIR = struct.Struct("=16s16s2sH")  # client, backend, backend's port, family
U32 = struct.Struct("=I")  # as in layout.py, whose imports would be most of the agent's memory
TUPLE = struct.Struct("=16s16s2s2sI")  # client, backend, client's port, backend's port, family
COOKIE = struct.Struct("=Q")
ERRAND = struct.Struct(f"=QIIIIII{PAIR.size}s4x")
"""Cookie, generation, sets of egress and ingress, knowledge, answer, bytes left, pair."""

EVENT = struct.Struct(f"={PAIR.size}sIQ")  # pair, kind, cookie of the agent's socket or generation
PATH_BYTES = 232
"""Of a rule's path in the kernel, its end included."""

RULE_KEY = struct.Struct(f"=II8s{PATH_BYTES}s")  # prefix length in bits of what follows, set, method, path
ROUTE_CHOICES, ROUTE_SETS, ROUTE_BACKENDS, HEADER_BITS = 32, 4, 32, 64
"""Most matches at a path, sets of rules and backends of a match, and headers of a table of routes."""

NAME_BYTES, VALUE_BYTES = 31, 64
"""Longest name and value of a header that routes ask for."""

HEADER_KEY = struct.Struct(f"=II32s{VALUE_BYTES}s")  # table, bytes of the value, name, value
HEADER_THERE = 2**32 - 1
"""In place of a value's length: whatever it is."""

PLACE = struct.Struct("=II")  # list, index
PATH = struct.Struct("=II")  # list of choices, their count
CHOICE = struct.Struct(f"=8sQIIII{ROUTE_SETS}I")  # method, headers, query, slow, list of shares, their count, sets of rules
SHARE = struct.Struct("=16s16s2s2sI")  # own, other, own port, other port, threshold
UPSTREAM_PAIR, UPSTREAM_CLIENT, UPSTREAM_STATE, UPSTREAM_HEAD, UPSTREAM_GENERATION = 64, 0, 48, 100, 132
"""Offsets in ``struct l7_upstream`` of what the agent reads and writes."""

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Knowledge(IntEnum):
    """``enum l7_knowledge``."""

    ASKED = 0
    JUDGED = 1
    PROXIED = 2
    ROUTED = 3


class SlowRoute(IntEnum):
    """Why requests that meet a match are the proxy's: ``L7_SLOW_ROUTE_…`` of ``enum l7_count``."""

    MATCH = 15
    FILTER = 16
    TIMES = 17
    ANSWERED = 18
    REFUSED = 19
    OWN = 20
    LARGE = 21


class EventKind(IntEnum):
    """``enum l7_event_kind``."""

    UNKNOWN = 0
    WANTED = 1
    RELAY = 2
    CLOSE = 3


class UpstreamState(IntEnum):
    """``enum l7_upstream_state``."""

    IDLE = 0
    ASKED = 1
    ANSWERS = 2
    RELAYED = 3
    ORPHAN = 4
    FINISHES = 5


@dataclass(frozen=True, slots=True)
class Pair:
    """A client's address, and a backend's address and port."""

    client: str
    backend: str
    port: int

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.client else 4

    def pack(self) -> bytes:
        """As a key."""
        return PAIR.pack(packed_address(self.client), packed_address(self.backend), self.port.to_bytes(2, "big"), self.family)

    def connection(self, client_port: int) -> bytes:
        """The key of a connection from one of the client's ports."""
        ports = client_port.to_bytes(2, "big"), self.port.to_bytes(2, "big")
        return TUPLE.pack(packed_address(self.client), packed_address(self.backend), *ports, self.family)

    @classmethod
    def unpack(cls, data: bytes) -> "Pair":
        """From a key."""
        client, backend, port, family = PAIR.unpack(data)
        return cls(unpacked_address(client, family), unpacked_address(backend, family), int.from_bytes(port, "big"))


@dataclass(frozen=True, slots=True)
class Described:
    """What ``struct l7_upstream`` says of a connection to a backend: whose request it was taken for last, and its state.

    ``asked`` are the address and port that the client had connected to: the backend's, or a Service's.
    """

    pair: Pair
    asked: tuple[str, int]
    client_port: int
    state: UpstreamState
    head: bool


@dataclass(frozen=True, slots=True)
class RequestRule:
    """Requests with this method (empty: any) and this path and query, or any that begins so (``prefix``)."""

    method: bytes
    path: bytes
    prefix: bool

    def key(self, set_number: int) -> bytes:
        """Its key in the trie of rules, as one of the set of this number."""
        path = self.path if self.prefix else self.path + b"\0"
        return RULE_KEY.pack(8 * (4 + 8 + len(path)), set_number, self.method, path)


def packed_address(address: str) -> bytes:
    """As ``struct address``."""
    return ip_address(address).packed.ljust(16, b"\0")


def unpacked_address(data: bytes, family: int) -> str:
    """From ``struct address``."""
    return str(ip_address(data[: 4 if family == 4 else 16]))
