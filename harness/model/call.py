"""Calls of gRPC that clients in a lab make: what policy sees of them, and what else is asked of both ends."""

from dataclasses import dataclass
from enum import StrEnum

from harness.model.request import GRPCRequest

STATUSES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""How calls end, by number. Source: https://grpc.github.io/grpc/core/md_doc_statuscodes.html"""

PERMISSION_DENIED = STATUSES.index("PERMISSION_DENIED")
"""That of a call which policy refuses."""


class CallKind(StrEnum):
    """Who sends a stream of messages, where the other end sends one."""

    UNARY = "unary"
    CLIENT_STREAM = "client-stream"
    SERVER_STREAM = "server-stream"
    BIDI = "bidi"


@dataclass(frozen=True, slots=True)
class GRPCCall(GRPCRequest):
    """A call as it is made in a lab. Policy sees of it what it sees of any GRPCRequest.

    ``size`` is that of each message in bytes; ``answer`` the name of the status that the server is told to end with.
    ``shared``: over one connection with the other such calls of a step between the same ends, and at the same time as some.
    """

    kind: CallKind = CallKind.UNARY
    size: int = 0
    answer: str = "OK"
    shared: bool = False

    def __str__(self) -> str:
        traits = [str(self.kind)] if self.kind is not CallKind.UNARY else []
        traits += [f"{self.size} bytes"] if self.size else []
        traits += [f"answer {self.answer}"] if self.answer != "OK" else []
        traits += ["shared connection"] if self.shared else []
        return f"gRPC {self.method}" + (f" ({', '.join(traits)})" if traits else "")
