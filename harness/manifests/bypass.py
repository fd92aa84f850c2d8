"""What cases of the bypass catalogue may write: clients of other users, older connections, pods that tamper with themselves."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.manifests.called import CALLED
from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, quoted, suggestion
from harness.manifests.flows import PodRef
from harness.manifests.grpc import GRPCCallShape
from harness.manifests.kafka import KafkaAskShape
from harness.manifests.matrix import ExpectedFlow
from harness.manifests.shape import Shape, wrong
from harness.model.bench import Opened
from harness.model.bypass import Credentials, Tamper, Tampering, Technique
from harness.model.topology import Topology


def _technique(text: str) -> str:
    known = [str(each) for each in Technique]
    if text not in known:
        raise wrong(f"no technique {quoted(text)}{suggestion(text, known)}")
    return text


def _tamper(text: str) -> str:
    known = [str(each) for each in Tamper]
    if text not in known:
        raise wrong(f"no tampering {quoted(text)}{suggestion(text, known)}")
    return text


TechniqueName = Annotated[str, AfterValidator(_technique), Field(json_schema_extra={"enum": [str(each) for each in Technique]})]
_Id = Annotated[int, Field(ge=0, le=65534)]


class CredentialsShape(Shape):
    """The user and group that a client runs as; what is left out is root's."""

    uid: _Id | None = None
    gid: _Id | None = None


class CaseFlow(ExpectedFlow):
    """A flow of a conformance case."""

    grpc: GRPCCallShape | None = None
    kafka: KafkaAskShape | None = None
    as_: CredentialsShape | None = Field(default=None, alias="as")
    opened: Literal["before", "earlier", "asked"] | None = Field(
        default=None,
        description="Over a connection older than the data plane (before), or opened and used in the step before (earlier), "
        "or opened then with a request under way, which the server answers once the step is in force (asked). "
        "Of a call of gRPC: a new one over an older connection (earlier), or a bidirectional one that goes on (asked). Of a "
        "request of Kafka: a new one over an older connection (earlier).",
    )

    @property
    def credentials(self) -> Credentials | None:
        return None if self.as_ is None else Credentials(self.as_.uid, self.as_.gid)

    @property
    def connection(self) -> Opened:
        return Opened(self.opened or Opened.NOW)

    @model_validator(mode="after")
    def _of_tcp(self) -> "CaseFlow":
        if self.opened is not None and (self.protocol != "TCP" or self.as_ is not None):
            raise wrong("only TCP connections of root are kept open; write another flow", "opened")
        goes_on = self.grpc is not None and self.opened == "asked"
        if self.opened not in (None, "earlier") and self.request is not None and not goes_on:
            raise wrong("such a connection carries a request of its own; remove it, or the request", "opened")
        if self.opened == "asked" and self.grpc is not None and self.grpc.kind != "bidi":
            raise wrong("only a call of kind bidi goes on through a change; write that, or earlier", "opened")
        return self

    @model_validator(mode="after")
    def _can_be_asked(self) -> "CaseFlow":
        """In place of what refuses these where no lab has a client for them."""
        for name in CALLED:
            if self.as_ is not None and getattr(self, name) is not None:
                raise wrong(f"the lab's clients of {CALLED[name]} are root; remove it", "as")
        return self


class TamperShape(Shape):
    """A pod that tampers with its own namespace."""

    pod: PodRef
    run: Annotated[str, AfterValidator(_tamper), Field(json_schema_extra={"enum": [str(each) for each in Tamper]})]


def tamperings(
    document: Document, at: tuple[Step, ...], shapes: Sequence[TamperShape], topology: Topology, faults: list[Fault]
) -> tuple[Tampering, ...]:
    """The tamperings at ``at``, in order. Adds faults for pods that are not there."""
    known = [pod.ref for pod in topology.pods]
    for position, each in enumerate(shapes):
        if each.pod not in known:
            faults.append(document.fault((*at, position, "pod"), f"no pod {quoted(each.pod)}{suggestion(each.pod, known)}"))
    return tuple(
        Tampering(document.origin((*at, position)), each.pod, Tamper(each.run)) for position, each in enumerate(shapes)
    )
