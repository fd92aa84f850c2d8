"""What is sent over one connection byte for byte, and what must become of each request in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from harness.model.origin import Origin
from harness.model.request import HTTPRequest


class Fate(StrEnum):
    """What must become of a message in an exchange."""

    FORWARDED = "forwarded"  # answered by the pod that was meant, whose server read this very request
    REJECTED = "rejected"  # answered with a status that is no success; no server read it
    REFUSABLE = "refusable"  # may be refused or repaired; what a server reads of it is a request, and allowed


class Sends(StrEnum):
    """How bytes are cut into sends, each a segment of its own."""

    WHOLE = "whole"
    BYTEWISE = "bytewise"
    IN_TURN = "in turn"  # a message once the one before it is answered


@dataclass(frozen=True, slots=True)
class Exchange:
    """``messages`` as bytes, sent one behind another over one new connection to ``port`` of a pod; waiting only in turn.

    ``sends``: in one piece, byte by byte, or pieces of these sizes and then the rest.
    """

    source: str
    destination: str
    port: int
    messages: tuple[bytes, ...]
    sends: Sends | tuple[int, ...] = Sends.WHOLE
    family: int = 4

    def __str__(self) -> str:
        count = len(self.messages)
        what = f"{count} message{'' if count == 1 else 's'}"
        return f"{self.source} -> {self.destination}:{self.port} {what} (IPv{self.family})"


@dataclass(frozen=True, slots=True)
class MessageExpectation:
    """One message's fate. ``status``: of its answer, None where any that fits will do.

    ``reaches``: headers as the server must have read them, joined by commas where there are several; None: not there.
    """

    origin: Origin
    fate: Fate
    status: int | None = None
    reaches: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class ExchangeExpectation:
    """An exchange, and the fate of each of its messages, in their order."""

    origin: Origin
    exchange: Exchange
    messages: tuple[MessageExpectation, ...]


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A request as a strict reader takes it from a connection.

    ``end``: how many bytes of the connection precede what follows it. ``doubt``: why a server may refuse it all the same,
    empty where it may not. ``traits``: what of the grammar it makes use of. ``complete``: whether all of it was there.
    """

    request: HTTPRequest
    body: bytes
    end: int
    doubt: str = ""
    traits: tuple[str, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """The requests that a strict reader takes from a connection, and why it reads no further; empty where all was read."""

    messages: Sequence[ReadMessage] = field(default=())
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class HTTPAnswer:
    """A final answer of HTTP/1.x as a client read it; ``headers`` in their order."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
