"""How a proxy is told what to allow: lines of JSON over a Unix socket, each answered by an empty line once it is so."""

import json
from collections.abc import Sequence

from harness.kafka import rules
from harness.kafka.rules import Ports

READY = "ready"
"""What a proxy says on its standard output when it can be told."""

LONGEST = 1 << 26
"""Bytes of a line: thousands of rules about hundreds of pods."""


def line(laws: Sequence[Sequence[Ports]]) -> bytes:
    """Requests must be allowed by all of ``laws``."""
    return json.dumps([rules.written(law) for law in laws]).encode() + b"\n"


def laws(said: bytes) -> list[list[Ports]]:
    """What ``line`` wrote."""
    return [rules.read(law) for law in json.loads(said)]
