"""Drop events out of the ring buffer, drained when somebody asks."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

from harness.mesh.layout import DROP_EVENT, event_address
from harness.mesh.libbpf import RING_CALLBACK, checked, library
from harness.mesh.maps import Map


@dataclass(frozen=True, slots=True)
class Drop:
    """One dropped packet. ``time`` is in ns of CLOCK_MONOTONIC; identities are 0 where none was looked up."""

    time: int
    source: str
    destination: str
    source_port: int
    destination_port: int
    family: int
    protocol: int
    reason: int
    direction: int
    source_identity: int
    destination_identity: int
    rule: int
    generation: int
    ifindex: int


def decode(event: bytes) -> Drop:
    """An event as the kernel wrote it."""
    (
        time, source, destination, source_identity, destination_identity, rule, generation, ifindex,
        source_port, destination_port, family, protocol, reason, direction,
    ) = DROP_EVENT.unpack(event)  # fmt: skip
    return Drop(
        time=time,
        source=event_address(family, source),
        destination=event_address(family, destination),
        source_port=int.from_bytes(source_port, "big"),
        destination_port=int.from_bytes(destination_port, "big"),
        family=family,
        protocol=protocol,
        reason=reason,
        direction=direction,
        source_identity=source_identity,
        destination_identity=destination_identity,
        rule=rule,
        generation=generation,
        ifindex=ifindex,
    )


class EventRing:
    """The consumer of one ring buffer."""

    def __init__(self, ring: Map) -> None:
        self._drained: list[bytes] = []
        self._callback = RING_CALLBACK(self._take)
        self._handle: int | None = library().ring_buffer__new(ring.fd, self._callback, None, None)
        checked(self._handle, f"ring buffer {ring.name}")

    def _take(self, _context: object, data: int, size: int) -> int:
        self._drained.append(ctypes.string_at(data, size))
        return 0

    def drain(self) -> Sequence[Drop]:
        """All events since the last call, oldest first."""
        checked(library().ring_buffer__consume(self._handle), "drain the ring buffer of events")
        events, self._drained = self._drained, []
        return [decode(event) for event in events]

    def close(self) -> None:
        """Unmap the ring."""
        library().ring_buffer__free(self._handle)
        self._handle = None
