"""What the harness and the agent of a node's fast path say to each other: a line of JSON each, over a Unix socket.

The harness says one thing at a time, and the agent answers ``Done`` when it is so, else ``Failed``. Unasked, the agent says
only ``Trouble``: what it could not do meanwhile.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.mesh.errors import MeshError
from harness.mesh.l7law import Law


class Unreadable(MeshError):
    """A line that is no message: the line, and what a message looks like."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Judge so while this generation is in force, over connections that are opened from now on."""

    generation: int
    law: Law


@dataclass(frozen=True, slots=True)
class Forget:
    """These addresses have other owners now: know nothing of them, and end what was opened for them."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """It is so."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It is not so, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """What could not be done for some request; others are served."""

    why: str


Message = Judge | Forget | Done | Failed | Trouble


def line(message: Message) -> bytes:
    """A message as it is sent."""
    return json.dumps(_written(message), separators=(",", ":")).encode() + b"\n"


def _written(message: Message) -> dict[str, Any]:
    match message:
        case Judge(generation, law):
            return {"judge": {"generation": generation, "law": law.written()}}
        case Forget(addresses):
            return {"forget": addresses}
        case Done():
            return {"done": None}
        case Failed(why):
            return {"failed": why}
        case Trouble(why):
            return {"trouble": why}


class Messages:
    """Those of one socket, out of what is received from it."""

    def __init__(self) -> None:
        self._rest = b""

    def of(self, data: bytes) -> Iterator[Message]:
        """The messages that end in ``data``. Raises Unreadable."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return map(_read, lines)


def _read(said: bytes) -> Message:
    try:
        ((kind, about),) = json.loads(said).items()
        match kind:
            case "judge":
                return Judge(int(about["generation"]), Law.read(about["law"]))
            case "forget":
                return Forget(tuple(map(str, about)))
            case "done":
                return Done()
            case "failed":
                return Failed(str(about))
            case "trouble":
                return Trouble(str(about))
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise Unreadable(f"{said[:80]!r} is no message; one is {line(Done()).decode().strip()}, see harness/mesh/l7messages.py")
