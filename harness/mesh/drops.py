"""The reasons for which packets are dropped, read from the header that the programs are compiled with."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.lab.build import BPF_SOURCES

HEADER = BPF_SOURCES / "drop.h"
_LINE = re.compile(r"\tDROP_(?P<name>\w+) = (?P<number>\d+), /\* (?P<text>.*) \*/")


@dataclass(frozen=True, slots=True)
class Reason:
    """A drop reason: its number in events and counters, its name without ``DROP_``, and what it says."""

    number: int
    name: str
    text: str


@cache
def reasons(header: Path = HEADER) -> dict[int, Reason]:
    """All reasons by number. Raises ValueError if the header has lines that are not understood."""
    body = header.read_text(encoding="utf-8").split("enum drop_reason {", 1)[1].split("}", 1)[0]
    lines = [line for line in body.splitlines() if line.strip() and line.strip() != "DROP_REASONS"]
    found = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if not match:
            raise ValueError(f"{header}: {line.strip()!r} is not `DROP_NAME = NUMBER, /* text */`")
        reason = Reason(int(match["number"]), match["name"].lower(), match["text"])
        found[reason.number] = reason
    return found


def number(name: str) -> int:
    """The number of the reason called ``name``; raises KeyError."""
    return {reason.name: reason.number for reason in reasons().values()}[name]
