"""What a craft is made from, and what it makes."""

from dataclasses import dataclass

MARKER = 16  # bytes


@dataclass(frozen=True, slots=True)
class Shot:
    """Everything that a craft may put into a packet. Addresses are of ``family``; ``claimed`` is the source that it bears.

    ``marker`` is unlike that of any other shot, and is in the payload of all that is judged. ``number`` is a port of the
    client's that no other shot uses at the time, and an echo's identifier. ``hops`` routers are on the way to the server.
    """

    family: int
    client: str
    server: str
    claimed: str
    mac: str
    gateway: str
    port: int
    cover: int
    number: int
    marker: bytes
    hops: int = 1

    @property
    def identification(self) -> int:
        """Of the shot's fragments: 16 bits, as much as IPv4 has room for."""
        return int.from_bytes(self.marker[:2], "big") or 1

    @property
    def prelude(self) -> bytes:
        """The payload of what is sent first: not what is judged."""
        return self.marker[::-1]


@dataclass(frozen=True, slots=True)
class Frames:
    """What a craft sends. ``prelude``: IP packets that are sent first, by the pods whose addresses they bear and without any
    forgery, and that are awaited where they go: the flow of which the rest then seems to be.

    ``fragments``: all of ``frames`` are fragments of one packet, so that each counts, with the marker or without.
    """

    frames: tuple[bytes, ...]
    prelude: tuple[bytes, ...] = ()
    fragments: bool = False
