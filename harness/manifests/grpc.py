"""Calls of gRPC in conformance cases, which a client in the lab makes."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.manifests.asked import GRPCShape
from harness.manifests.errors import quoted, suggestion
from harness.manifests.shape import wrong
from harness.model.call import STATUSES, CallKind, GRPCCall

_PLAIN = re.compile(r"[ -~]*")
_OWN = ("content-type", "te", "user-agent", "connection", "probe", "probe-kind", "probe-answer")
LARGEST = 1 << 20


def _status(text: str) -> str:
    if text not in STATUSES:
        raise wrong(f"no status of gRPC is called {quoted(text)}{suggestion(text, STATUSES)}")
    return text


class GRPCCallShape(GRPCShape):
    """A call of gRPC that is made."""

    kind: Literal["unary", "client-stream", "server-stream", "bidi"] = Field(
        default="unary", description="Which ends send a stream: of three messages."
    )
    bytes: Annotated[int, Field(ge=0, le=LARGEST)] = Field(default=0, description="The size of each message.")
    answer: Annotated[str, AfterValidator(_status), Field(json_schema_extra={"enum": list(STATUSES)})] = Field(
        default="OK", description="The status that the server is told to end with, which must reach the client unchanged."
    )
    connection: Literal["own", "shared"] = Field(
        default="own",
        description="Whether it goes over a connection of its own, or over one with the step's other shared calls between "
        "the same ends.",
    )

    @model_validator(mode="after")
    def _metadata(self) -> "GRPCCallShape":
        for name, values in self.headers.items():
            if name.lower() in _OWN or name.lower().startswith("grpc-") or name.lower().endswith("-bin"):
                what = "cannot be given: gRPC or the lab's client sets it, or its value is binary; use another"
                raise wrong(what, "headers", name)
            for value in values:
                if not _PLAIN.fullmatch(value):
                    raise wrong(f"want metadata of visible ASCII characters and spaces, found {quoted(value)}", "headers", name)
        return self

    def value(self) -> GRPCCall:
        """The call, as the model holds it."""
        asked = super().value()
        return GRPCCall(
            asked.method, asked.host, asked.headers, CallKind(self.kind), self.bytes, self.answer, self.connection == "shared"
        )
