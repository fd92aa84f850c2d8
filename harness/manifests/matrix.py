"""The reachability matrix of a scenario: listed flows, and one verdict for all others."""

from itertools import permutations
from typing import Annotated, Literal

from pydantic import Field

from harness.manifests.document import Document
from harness.manifests.errors import Fault, quoted, suggestion
from harness.manifests.kubernetes import Port, Protocol
from harness.manifests.shape import Shape
from harness.model.bench import Expectation
from harness.model.flow import Flow, Verdict
from harness.model.topology import Topology

FAMILIES = (4, 6)

PodRef = Annotated[str, Field(description="A pod, as namespace/name.", examples=["shop/client"])]


class FlowShape(Shape):
    """A flow and its expected verdict."""

    from_: PodRef = Field(alias="from")
    to: PodRef
    port: Port
    protocol: Protocol = "TCP"
    family: Literal[4, 6] | None = Field(default=None, description="IP version; both if left out.")
    verdict: Literal["forwarded", "denied", "dropped", "rejected"]


class ExpectShape(Shape):
    """The reachability matrix that the policies must bring about."""

    otherwise: Literal["forwarded", "denied", "dropped", "rejected"] | None = Field(
        default=None, description="The verdict of every ordered pair of pods, to the scenario's port, that flows does not list."
    )
    flows: list[FlowShape] = Field(default=[], description="Flows with a verdict of their own.")


def expectations(
    document: Document, shape: ExpectShape, topology: Topology, port: int, faults: list[Fault]
) -> tuple[Expectation, ...]:
    """One expectation for each listed flow and family, then ``otherwise`` for each ordered pair of pods to ``port``.

    Each has the line of what it comes from. Faults are added for pods that the topology lacks and for flows listed twice.
    """
    pods = [pod.ref for pod in topology.pods]
    cells: dict[Flow, Expectation] = {}
    for position, each in enumerate(shape.flows):
        at = ("expect", "flows", position)
        for name, ref in (("from", each.from_), ("to", each.to)):
            if ref not in pods:
                faults.append(document.fault((*at, name), f"no pod {quoted(ref)}{suggestion(ref, pods)}"))
        for family in FAMILIES if each.family is None else (each.family,):
            flow = Flow(each.from_, each.to, each.port, each.protocol, family)
            if flow in cells:
                faults.append(document.fault(at, f"{flow} is listed already at {cells[flow].origin}; remove one"))
            cells.setdefault(flow, Expectation(document.origin(at), flow, Verdict(each.verdict)))
    if shape.otherwise is not None:
        origin = document.origin(("expect", "otherwise"))
        for source, destination in permutations(pods, 2):
            for family in FAMILIES:
                flow = Flow(source, destination, port, family=family)
                cells.setdefault(flow, Expectation(origin, flow, Verdict(shape.otherwise)))
    return tuple(cells.values())
