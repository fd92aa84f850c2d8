"""The reachability matrix of a scenario: listed flows, and one verdict for all others."""

from collections.abc import Sequence
from itertools import permutations
from typing import Literal

from pydantic import Field, model_validator

from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault
from harness.manifests.flows import FlowShape, flow
from harness.manifests.shape import Shape, wrong
from harness.model.bench import Expectation, Opened
from harness.model.bypass import Credentials
from harness.model.flow import Flow, Verdict
from harness.model.topology import Topology

FAMILIES = (4, 6)

_Expected = Literal["forwarded", "denied", "dropped", "rejected"]


class ExpectedFlow(FlowShape):
    """A flow, over both families where none is written, and its expected verdict."""

    verdict: _Expected

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
            cells.setdefault(
                asked, Expectation(document.origin(at), asked, Verdict(each.verdict), each.credentials, each.connection)
            )
    if shape.otherwise is not None:
        origin = document.origin((*path, "otherwise"))
        for source, destination in permutations([pod.ref for pod in topology.pods], 2):
            for family in FAMILIES:
                asked = Flow(source, destination, port, family=family)
                cells.setdefault(asked, Expectation(origin, asked, Verdict(shape.otherwise)))
    return tuple(cells.values())
