"""What a proxy has refused, a line each, written before the client hears of it."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """A request that went no further. ``reason``: policy, or why it could not be judged; ``origin``: the rule's place.

    What is not known of a request that cannot be read is empty, its version -1.
    """

    source: str
    destination: str
    port: int
    api: str
    version: int
    topics: tuple[str, ...]
    client_id: str | None
    reason: str
    side: str = ""
    origin: str = ""


POLICY = "policy"
UNKNOWN = "-1"
"""The API of what is no request of Kafka's."""


class Records:
    """A file that is appended to, a line at a time."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def add(self, refused: RefusedRequest) -> None:
        os.write(self._file, json.dumps(asdict(refused)).encode() + b"\n")


def refused_requests(path: Path, since: int = 0) -> Iterator[RefusedRequest]:
    """Those that were written from the byte ``since`` on."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(since)
        for line in file.read().splitlines(keepends=True):
            if line.endswith(b"\n"):
                said = json.loads(line)
                yield RefusedRequest(**{**said, "topics": tuple(said["topics"])})
