"""What a campaign has finished: one JSON object a line, written through to the disk before the next cell begins."""

import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class CampaignError(Exception):
    """The campaign cannot go on: what, where, and what to do."""


Record = dict[str, Any]


class Journal:
    """Appends records and reads them back. A line that a kill cut short is dropped when the journal is opened again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mend()
        self._file = path.open("a", encoding="utf-8")

    def _mend(self) -> None:
        if not self.path.exists():
            return
        whole = self.path.read_bytes()
        end = whole.rfind(b"\n") + 1
        if end != len(whole):
            with self.path.open("r+b") as file:
                file.truncate(end)

    def append(self, kind: str, **fields: Any) -> None:
        """Add a record; on return it survives a crash. Raises CampaignError on a full disk."""
        line = json.dumps({"kind": kind, "at": round(time.time(), 3), **fields}, allow_nan=True) + "\n"
        try:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise CampaignError(
                f"{self.path}: {error.strerror}; every finished cell before this one is kept: "
                "make room, then go on with `meshproof bench --resume`"
            ) from error

    def records(self, *kinds: str) -> Iterator[Record]:
        """Records of one kind or of several, oldest first. Raises CampaignError naming a line that is not a record."""
        return (record for record in self._all() if record["kind"] in kinds)

    def _all(self) -> Iterator[Record]:
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                record: Record = json.loads(line)
            except json.JSONDecodeError as error:
                raise CampaignError(f"{self.path}:{number}: not a journal record ({error.msg}); the file was edited") from error
            yield record

    def seconds(self) -> float:
        """How long the campaign was at work: between its records, without the time between a kill and going on."""
        at: list[tuple[str, float]] = [(record["kind"], record["at"]) for record in self._all()]
        return sum((b[1] - a[1] for a, b in itertools.pairwise(at) if b[0] != "resumed"), 0.0)

    def close(self) -> None:
        """Close the file; records stay."""
        self._file.close()
