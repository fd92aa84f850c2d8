"""What cases may write about pods that come and go, and about streams that are open meanwhile."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, quoted, suggestion
from harness.manifests.flows import PodRef
from harness.manifests.kubernetes import LabelKey, Labels, Port
from harness.manifests.shape import Shape, wrong
from harness.manifests.topology import PortShape
from harness.model.churn import PodChange, PodCreated, PodDeleted, StreamExpectation
from harness.model.flow import Flow, Verdict
from harness.model.topology import ContainerPort, Pod, Topology

FAMILIES = (4, 6)
_NAME_PARTS = 2


class PodChangeShape(Shape):
    """A pod that is deleted, or one that is created."""

    delete: PodRef | None = None
    create: PodRef | None = None
    node: str | None = Field(default=None, description="The node of a created pod; the first one if left out.")
    labels: Labels = Field(default={}, description="Labels of a created pod.")
    annotations: dict[LabelKey, str] = Field(default={}, description="Annotations of a created pod.")
    ports: list[PortShape] = Field(default=[], description="Ports that policies may name, of a created pod.")
    addresses_of: PodRef | None = Field(
        default=None,
        alias="addresses_of",
        description="The deleted pod whose addresses a created pod gets; without, addresses that nobody had.",
    )

    @model_validator(mode="after")
    def _one_change(self) -> "PodChangeShape":
        if (self.delete is None) == (self.create is None):
            raise wrong("want one of delete and create")
        if self.delete is not None and len(self.model_fields_set) > 1:
            raise wrong("a deleted pod has nothing else; remove what is beside it", "delete")
        if self.create is not None and len(self.create.split("/")) != _NAME_PARTS:
            raise wrong(f"want namespace/pod, found {quoted(self.create)}", "create")
        return self


class StreamShape(Shape):
    """A stream of small messages, about one a millisecond, which its server returns; over each family if none is written."""

    from_: PodRef = Field(alias="from")
    to: PodRef
    port: Port = Field(description="A port that no flow of the case goes to.")
    protocol: Literal["TCP", "UDP"] = "UDP"
    family: Literal[4, 6] | None = Field(default=None, description="IP version.")

    def flows(self) -> list[Flow]:
        """The stream over each of its families."""
        return [Flow(self.from_, self.to, self.port, self.protocol, each) for each in FAMILIES if self.family in (each, None)]


class ExpectedStream(StreamShape):
    """An open stream, called as it was opened, and what becomes of it once the step is in force."""

    verdict: Literal["forwarded", "denied"]


ChangesOfPods = Annotated[
    list[PodChangeShape], Field(description="Pods that go and come while the data plane is attached and streams are open.")
]
Streams = Annotated[list[StreamShape], Field(description="Streams that are opened once the step is in force.")]


@dataclass(frozen=True, slots=True)
class _Open:
    """An open stream: which pod sends (by its number among all that there ever were) to which addresses."""

    sender: int
    source: int
    destination: int


class Churn:
    """The pods of a case and the owners of their addresses, step by step. Addresses are numbered, for labs assign them."""

    def __init__(self, document: Document, topology: Topology, faults: list[Fault]) -> None:
        self._document = document
        self._faults = faults
        self._addresses = {pod.ref: number for number, pod in enumerate(topology.pods)}
        self._pods = dict(self._addresses)
        self._owners = {number: ref for ref, number in self._addresses.items()}
        self._ips = {number: pod.ips for number, pod in enumerate(topology.pods)}
        self._ever = len(topology.pods)
        self._before: dict[str, int] = {}
        self._moved: set[int] = set()
        self._streams: dict[Flow, _Open] = {}
        self.topology = topology

    def change(self, at: tuple[Step, ...], shapes: Sequence[PodChangeShape]) -> tuple[PodChange, ...]:
        """Delete and create pods; ``topology`` is then as it is in force in this step."""
        self._moved = set()
        self._before = dict(self._addresses)  # so that two pods can take over each other's
        created = False
        changes: list[PodChange | None] = []
        for position, shape in enumerate(shapes):
            here = (*at, position)
            if shape.delete is not None:
                if created:
                    self._fault((*here, "delete"), "pods are deleted before others are created; move it up")
                changes.append(self._delete(here, shape.delete))
            else:
                created = True
                changes.append(self._create(here, shape))
        return tuple(change for change in changes if change is not None)

    def _delete(self, here: tuple[Step, ...], ref: str) -> PodDeleted | None:
        if not self._there((*here, "delete"), ref):
            return None
        del self._pods[ref]
        self._owners.pop(self._addresses[ref])
        self._moved.add(self._addresses[ref])
        self.topology = replace(self.topology, pods=tuple(pod for pod in self.topology.pods if pod.ref != ref))
        return PodDeleted(self._document.origin(here), ref)

    def _create(self, here: tuple[Step, ...], shape: PodChangeShape) -> PodCreated | None:
        faults = len(self._faults)
        namespace, _, name = (shape.create or "").partition("/")
        namespaces = [each.name for each in self.topology.namespaces]
        if shape.create in self._pods:
            self._fault((*here, "create"), f"pod {quoted(shape.create)} is there already; delete it first")
        if namespace not in namespaces:
            self._fault((*here, "create"), f"no namespace {quoted(namespace)}{suggestion(namespace, namespaces)}")
        if shape.node is not None and shape.node not in self.topology.nodes:
            self._fault((*here, "node"), f"no node {quoted(shape.node)}{suggestion(shape.node, self.topology.nodes)}")
        former = shape.addresses_of
        if former is not None and former not in self._before:
            hint = suggestion(former, list(self._before))
            self._fault((*here, "addresses_of"), f"there was no pod {quoted(former)} before this step{hint}")
        elif former is not None and self._before[former] in self._owners:
            owner = self._owners[self._before[former]]
            self._fault((*here, "addresses_of"), f"its addresses are those of {owner} now; delete that first")
        if len(self._faults) > faults:
            return None
        self._ever += 1
        addresses = self._ever if former is None else self._before[former]
        ports = tuple(ContainerPort(port.name, port.port, port.protocol) for port in shape.ports)
        node = shape.node or self.topology.nodes[0]
        pod = Pod(name, namespace, node, shape.labels, shape.annotations, ports, self._ips.get(addresses, ()))
        self._pods[pod.ref], self._addresses[pod.ref], self._owners[addresses] = self._ever, addresses, pod.ref
        self._moved.add(addresses)
        self.topology = replace(self.topology, pods=(*self.topology.pods, pod))
        return PodCreated(self._document.origin(here), pod, former)

    def open(self, at: tuple[Step, ...], shapes: Sequence[StreamShape]) -> tuple[Flow, ...]:
        """Open streams between the pods of this step."""
        opened = []
        for position, shape in enumerate(shapes):
            here = (*at, position)
            if not (self._there((*here, "from"), shape.from_) and self._there((*here, "to"), shape.to)):
                continue
            now = _Open(self._pods[shape.from_], self._addresses[shape.from_], self._addresses[shape.to])
            for flow in shape.flows():
                if self._streams.get(flow) == now:
                    self._fault(here, f"the stream {flow} is open already; remove one")
                self._streams[flow] = now
                opened.append(flow)
        return tuple(opened)

    def expected(self, at: tuple[Step, ...], shapes: Sequence[ExpectedStream]) -> Iterator[StreamExpectation]:
        """What becomes of open streams in this step."""
        for position, shape in enumerate(shapes):
            here = (*at, position)
            for flow in shape.flows():
                stream = self._streams.get(flow)
                if stream is None:
                    self._fault(here, f"no stream {flow} is open; open it under streams, here or in an earlier step")
                elif self._pods.get(flow.source) != stream.sender:
                    self._fault((*here, "from"), f"pod {quoted(flow.source)} was deleted, and its stream ended with it")
                elif stream.destination not in self._owners:
                    self._fault((*here, "to"), "nobody has the address that the stream goes to: nothing can be asked")
                else:
                    asked = replace(flow, source=self._owners[stream.source], destination=self._owners[stream.destination])
                    moved = bool({stream.source, stream.destination} & self._moved)
                    origin = self._document.origin(here)
                    yield StreamExpectation(origin, flow, asked, Verdict(shape.verdict), moved)

    def _there(self, at: tuple[Step, ...], ref: str) -> bool:
        if ref not in self._pods:
            self._fault(at, f"no pod {quoted(ref)} in this step{suggestion(ref, list(self._pods))}")
        return ref in self._pods

    def _fault(self, at: tuple[Step, ...], what: str) -> None:
        self._faults.append(self._document.fault(at, what))
