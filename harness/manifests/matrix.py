"""The reachability matrix of a scenario: listed flows, and one verdict for all others."""

from collections.abc import Sequence
from itertools import permutations
from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault
from harness.manifests.flows import AskedFlow, flow
from harness.manifests.shape import Shape, wrong
from harness.model.bench import Expectation, Opened
from harness.model.bypass import Credentials
from harness.model.flow import Flow, Verdict
from harness.model.topology import Topology

FAMILIES = (4, 6)

_Expected = Literal["forwarded", "denied", "dropped", "rejected"]


class ExpectedFlow(AskedFlow):
    """A flow, over both families where none is written, and its expected verdict."""

    verdict: _Expected
    status: Annotated[int, Field(ge=200, le=599)] | None = Field(
        default=None, description="The status of the answer to a request of HTTP, where it matters."
    )

    @property
    def credentials(self) -> Credentials | None:
        """The client's user and group, where they matter."""
        return None

    @property
    def connection(self) -> Opened:
        """When the connection is opened over which it is asked."""
        return Opened.NOW

    @model_validator(mode="after")
    def _message_of_a_family(self) -> "ExpectedFlow":
        if self.icmp is not None and self.known_family is None:
            raise wrong("types of ICMP differ between IPv4 and IPv6; write family: 4 or 6 beside it", "icmp")
        return self

    @model_validator(mode="after")
    def _can_be_asked(self) -> "ExpectedFlow":
        for name in ("grpc", "kafka"):
            if getattr(self, name) is not None:
                raise wrong("not supported: no lab has a client for it; remove it", name)
        return self

    @model_validator(mode="after")
    def _status_of_an_answer(self) -> "ExpectedFlow":
        if self.status is not None and (self.http is None or self.verdict not in ("forwarded", "rejected")):
            raise wrong("only an answer to a request of HTTP has one; write http, and forwarded or rejected", "status")
        return self


class ExpectShape(Shape):
    """The reachability matrix that the policies must bring about."""

    otherwise: _Expected | None = Field(
        default=None, description="The verdict of every ordered pair of pods, to the scenario's port, that flows does not list."
    )
    flows: Sequence[ExpectedFlow] = Field(default=[], description="Flows with a verdict of their own.")


def expectations(
    document: Document, path: tuple[Step, ...], shape: ExpectShape, topology: Topology, port: int, faults: list[Fault]
) -> tuple[Expectation, ...]:
    """One expectation for each flow of the matrix at ``path`` and family, then ``otherwise`` for each pair of pods to ``port``.

    Each has the line of what it comes from. Faults are added for pods that the topology lacks and for flows listed twice.
    """
    cells: dict[Flow, Expectation] = {}
    for position, each in enumerate(shape.flows):
        at = (*path, "flows", position)
        for family in FAMILIES if each.known_family is None else (each.known_family,):
            asked = flow(document, at, each, family, topology, faults)
            if asked in cells:
                faults.append(document.fault(at, f"{asked} is listed already at {cells[asked].origin}; remove one"))
            verdict = Verdict(each.verdict)
            cells.setdefault(
                asked, Expectation(document.origin(at), asked, verdict, each.credentials, each.connection, each.status)
            )
    if shape.otherwise is not None:
        origin = document.origin((*path, "otherwise"))
        for source, destination in permutations([pod.ref for pod in topology.pods], 2):
            for family in FAMILIES:
                asked = Flow(source, destination, port, family=family)
                cells.setdefault(asked, Expectation(origin, asked, Verdict(shape.otherwise)))
    return tuple(cells.values())
