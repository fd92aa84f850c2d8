"""Every byte that a server read of TCP connections (responder.c), by connection."""

from dataclasses import dataclass
from struct import Struct

from harness.traffic.arrivals import Responder

_PIECE = Struct("=IIHH")  # struct piece of transcript.h: connection, size, port, family


@dataclass(frozen=True, slots=True)
class ReadConnection:
    """What a server read of one connection to ``port``. ``order``: where in ``data`` each piece began that it read.

    An entry of ``order`` is that place and the number of the piece among all that the server read.
    """

    port: int
    family: int
    data: bytes
    order: tuple[tuple[int, int], ...]

    def turn(self, at: int) -> int:
        """The number of the piece that holds the byte ``at``."""
        return max(number for begin, number in self.order if begin <= at)


class Transcript:
    """What ``server`` reads from when this is made."""

    def __init__(self, server: Responder) -> None:
        self._file = server.file.with_name(f"{server.file.name}.bytes")
        self._since = self._file.stat().st_size

    def connections(self) -> list[ReadConnection]:
        """What it read until it was last settled, by connection, in the order of their first bytes."""
        with self._file.open("rb") as file:
            file.seek(self._since)
            written = file.read()
        pieces: dict[int, list[tuple[int, bytes]]] = {}
        ends: dict[int, tuple[int, int]] = {}
        at = number = 0
        while at < len(written):
            connection, size, port, family = _PIECE.unpack_from(written, at)
            at += _PIECE.size
            pieces.setdefault(connection, []).append((number, written[at : at + size]))
            ends[connection] = port, family
            at += size
            number += 1
        return [_connection(*ends[each], read) for each, read in pieces.items()]


def _connection(port: int, family: int, pieces: list[tuple[int, bytes]]) -> ReadConnection:
    order, data = [], b""
    for number, piece in pieces:
        order.append((len(data), number))
        data += piece
    return ReadConnection(port, family, data, tuple(order))
