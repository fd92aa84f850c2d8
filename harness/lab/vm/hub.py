"""Brings together what programs in several guests have found: a line of JSON of each, and the whole to all.

The rule of who wins is that of ``harness.model.peers``: of what several have said of the same, the first that is not nothing.
"""

import json
from collections.abc import Mapping, Sequence
from typing import IO, Any


def together(told: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all have said, by key."""
    found: dict[str, Any] = {}
    for each in told:
        for key, value in each.items():
            if found.get(key) is None:
                found[key] = value
    return found


def serve(channels: Mapping[str, tuple[IO[str], IO[str]]]) -> str | None:
    """Answer rounds until all have gone; the name of who went before the others, None where all went together."""
    while True:
        told, gone = [], []
        for name, (reading, _) in channels.items():
            try:
                told.append(json.loads(reading.readline()))
            except ValueError:  # the end, also in the middle of a line
                gone.append(name)
        if gone:
            return None if len(gone) == len(channels) else gone[0]
        answer = json.dumps(together(told)) + "\n"
        for _, writing in channels.values():
            writing.write(answer)
            writing.flush()
