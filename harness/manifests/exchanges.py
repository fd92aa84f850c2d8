"""What is sent byte for byte over one connection, as users write it."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, found, quoted
from harness.manifests.flows import PodRef, resolved
from harness.manifests.gateway_fields import HeaderName
from harness.manifests.kubernetes import Port
from harness.manifests.matrix import FAMILIES
from harness.manifests.shape import Shape, wrong
from harness.model.exchange import Exchange, ExchangeExpectation, Fate, MessageExpectation, Sends
from harness.model.topology import Topology

_MOST = 1 << 20  # bytes of a message


def _raw(written: object) -> str:
    parts = written if isinstance(written, list) else [written]
    text = "".join(_part(each) for each in parts)
    if not text:
        raise wrong("empty; write the bytes of a message")
    if unfit := next((each for each in text if ord(each) > 0xFF), None):
        raise wrong(f"want bytes, U+0000 to U+00FF, found {quoted(unfit)}")
    return text


def _part(written: object) -> str:
    match written:
        case str():
            return written
        case {"repeat": str(text), "times": int(times), **others} if not others and not isinstance(times, bool):
            if not 0 < times * len(text) <= _MOST:
                raise wrong(f"want 1 to {_MOST} bytes, found {times * len(text)}")
            return text * times
    raise wrong(f"want a string, or a list of strings and {{repeat, times}}, found {found(written)}")


_PART = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"repeat": {"type": "string"}, "times": {"type": "integer"}},
            "required": ["repeat", "times"],
            "additionalProperties": False,
        },
    ]
}
_Raw = Annotated[str, BeforeValidator(_raw), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": _PART}]})]


def _sends(*words: Sends) -> BeforeValidator:
    """Reads how bytes are cut: one of ``words``, or sizes of pieces."""

    def read(written: object) -> object:
        if isinstance(written, list):
            if not written or any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in written):
                raise wrong("want sizes of pieces in bytes, each at least 1")
        elif written not in list(words):
            raise wrong(f"want {', '.join(words)} or sizes of pieces, found {found(written)}")
        return written

    return BeforeValidator(read)


def _shown(*words: Sends) -> WithJsonSchema:
    sizes = {"type": "array", "items": {"type": "integer", "minimum": 1}}
    return WithJsonSchema({"anyOf": [{"enum": [str(each) for each in words]}, sizes]})


def cut(written: str | list[int]) -> Sends | tuple[int, ...]:
    """How bytes are cut, as the model holds it."""
    return Sends(written) if isinstance(written, str) else tuple(written)


OneSends = Annotated[str | list[int], _sends(Sends.WHOLE, Sends.BYTEWISE), _shown(Sends.WHOLE, Sends.BYTEWISE)]
"""How one message may be cut."""

ManySends = Annotated[str | list[int], _sends(*Sends), _shown(*Sends)]
"""How several may be."""


class MessageShape(Shape):
    """A message, byte for byte, and what becomes of it."""

    raw: _Raw = Field(description="Its bytes: a string in double quotes, or a list of strings and {repeat, times}.")
    verdict: Literal["forwarded", "rejected", "refusable"]
    status: Annotated[int, Field(ge=200, le=599)] | None = Field(default=None, description="The status of its answer.")
    reaches: Mapping[HeaderName, str | None] = Field(
        default={}, description="Headers as its server must have read them; null: the header is not there."
    )

    @model_validator(mode="after")
    def _of_what_is_certain(self) -> "MessageShape":
        if self.verdict == "refusable" and self.status is not None:
            raise wrong("a message that may be refused or not has no certain answer; remove it", "status")
        if self.verdict != "forwarded" and self.reaches:
            raise wrong("only of a message that is forwarded is it certain what reaches its server; remove it", "reaches")
        return self


class ExchangeShape(Shape):
    """Messages sent one behind another over one connection, over both families where none is written."""

    from_: PodRef = Field(alias="from")
    to: PodRef
    port: Port
    family: Literal[4, 6] | None = Field(default=None, description="IP version.")
    sends: ManySends = Field(
        default="whole",
        description="In one piece, byte by byte, each message when the one before it is answered (in turn), or in pieces of "
        "these sizes and then the rest.",
    )
    messages: Annotated[list[MessageShape], Field(min_length=1)]


def exchange_expectations(
    document: Document, path: tuple[Step, ...], shapes: list[ExchangeShape], topology: Topology, faults: list[Fault]
) -> tuple[ExchangeExpectation, ...]:
    """One expectation for each exchange of the list at ``path`` and family. Adds faults for unknown pods and repetitions."""
    cells: dict[Exchange, ExchangeExpectation] = {}
    for position, shape in enumerate(shapes):
        at = (*path, position)
        for family in FAMILIES if shape.family is None else (shape.family,):
            exchange = Exchange(
                resolved(document, (*at, "from"), shape.from_, family, topology, faults),
                resolved(document, (*at, "to"), shape.to, family, topology, faults),
                shape.port,
                tuple(each.raw.encode("latin-1") for each in shape.messages),
                cut(shape.sends),
                family,
            )
            if exchange in cells:
                faults.append(document.fault(at, f"{exchange} is listed already at {cells[exchange].origin}; remove one"))
            messages = tuple(
                MessageExpectation(
                    document.origin((*at, "messages", number)), Fate(each.verdict), each.status, tuple(each.reaches.items())
                )
                for number, each in enumerate(shape.messages)
            )
            cells.setdefault(exchange, ExchangeExpectation(document.origin(at), exchange, messages))
    return tuple(cells.values())
