"""What brokers were asked and said, as the relays before them write it down (relay.py)."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from harness.traffic.kafka.answers import ANSWER_HEAD
from harness.traffic.kafka.requests import HEAD, LENGTH


@dataclass(slots=True)
class Asked:
    """A request that a broker read, with its length, and its answer, empty where it gave none; ``turn`` tells older ones.

    ``times``: how often it was read.
    """

    request: bytes
    turn: int
    answer: bytes = b""
    times: int = 1

    @property
    def nonce(self) -> int:
        """The correlation id."""
        return int(HEAD.unpack_from(self.request)[3])


@dataclass(slots=True)
class _Connection:
    """What was passed over one, as far as it is no whole message yet."""

    turn: int = 0  # when the first byte of ``request`` came
    request: bytes = b""
    answer: bytes = b""
    open: list[Asked] = field(default_factory=list)  # no answer yet


class Record:
    """What relay.py writes down, read as it grows."""

    def __init__(self, diary: Path) -> None:
        self._diary = diary
        self._at = 0
        self._turn = 0
        self._connections: dict[int, _Connection] = {}
        self._asked: dict[int, Asked] = {}  # by nonce

    def now(self) -> int:
        """A turn that is later than that of all that has been read until now."""
        self._read()
        return self._turn + 1

    def asked(self, nonce: int, since: int) -> Asked | None:
        """The request of that correlation id that was read at the turn ``since`` or later."""
        self._read()
        found = self._asked.get(nonce)
        return found if found is not None and found.turn >= since else None

    def begun(self, since: int) -> bytes | None:
        """What was read since then of a request that has not come whole."""
        self._read()
        return next((each.request for each in self._connections.values() if each.request and each.turn >= since), None)

    def _read(self) -> None:
        with self._diary.open("rb") as diary:
            diary.seek(self._at)
            for line in diary:
                if not line.endswith(b"\n"):
                    return
                self._at += len(line)
                self._turn += 1
                said = json.loads(line)
                connection = self._connections.setdefault(said["connection"], _Connection())
                self._heard(connection, bytes.fromhex(said["data"]), by_client=said["by"] == "client")

    def _heard(self, connection: _Connection, data: bytes, *, by_client: bool) -> None:
        if by_client:
            connection.turn = connection.turn if connection.request else self._turn
            connection.request += data
            while message := _whole(connection.request, HEAD.size):
                connection.request = connection.request[len(message) :]
                asked = Asked(message, connection.turn)
                connection.turn = self._turn
                connection.open.append(asked)
                before = self._asked.get(asked.nonce)
                asked.times += 0 if before is None else before.times
                self._asked[asked.nonce] = asked
            return
        connection.answer += data
        while message := _whole(connection.answer, ANSWER_HEAD.size):
            connection.answer = connection.answer[len(message) :]
            nonce = ANSWER_HEAD.unpack_from(message)[1]
            for asked in [each for each in connection.open if each.nonce == nonce][:1]:
                asked.answer = message
                connection.open.remove(asked)


def _whole(data: bytes, least: int) -> bytes:
    """The message of at least so many bytes that ``data`` begins with; empty where it is not all there, or is none."""
    end = LENGTH.size + LENGTH.unpack_from(data)[0] if len(data) >= least else 0
    return data[:end] if least <= end <= len(data) else b""
