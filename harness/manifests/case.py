"""Conformance cases: ``scenarios/conformance/AREA/CASE/scenario.yaml``, and folders of users' own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from harness.manifests.bypass import CaseFlow, TamperShape, TechniqueName, tamperings
from harness.manifests.called import CALLED, misplaced, ports_of_calls
from harness.manifests.churn import ChangesOfPods, Churn, ExpectedStream, Streams
from harness.manifests.document import Document, Step, read_document
from harness.manifests.errors import Fault, ManifestError, refuse
from harness.manifests.exchanges import ExchangeShape, exchange_expectations
from harness.manifests.kubernetes import Port
from harness.manifests.matrix import ExpectShape, expectations
from harness.manifests.objects import Loaded
from harness.manifests.packets import PacketShape, packet_expectations
from harness.manifests.place import SCENARIOS, shown
from harness.manifests.routed import RequestShape, routed_expectations
from harness.manifests.scenario import Apply, Text, TopologyName, applied, homeless, topology_of
from harness.manifests.shape import Shape, checked, wrong
from harness.model import case as model
from harness.model.bypass import Technique
from harness.model.origin import Origin

FILE = "scenario.yaml"


class CaseExpectShape(ExpectShape):
    """What must be true under a step's policies."""

    flows: Sequence[CaseFlow] = Field(default=[], description="Flows with a verdict of their own.")
    packets: list[PacketShape] = Field(default=[], description="Packets that no socket sends, and whether they may arrive.")
    exchanges: list[ExchangeShape] = Field(default=[], description="Bytes over one connection, and each message's fate.")
    requests: list[RequestShape] = Field(default=[], description="Requests to Services, and who must get them.")
    streams: list[ExpectedStream] = Field(default=[], description="What becomes of open streams once the step is in force.")


class StepShape(Shape):
    """Policies that replace those before, and what must then be true."""

    apply: Apply = Field(default=[])
    tamper: list[TamperShape] = Field(default=[], description="What pods do to themselves before anything is asked.")
    pods: ChangesOfPods = Field(default=[])
    streams: Streams = Field(default=[])
    expect: CaseExpectShape

    @model_validator(mode="after")
    def _expects_something(self) -> "StepShape":
        _something(self.expect)
        if self.pods and "apply" in self.model_fields_set:
            raise wrong("beside pods, whose change leaves the policies as they are; write two steps", "apply")
        return self


class CaseShape(Shape):
    """A conformance case: policies and the matrix that they must bring about, once or in steps."""

    title: Text
    why: Text = Field(description="The fault that this case is there to find.")
    topology: TopologyName
    generated: bool = Field(default=False, description="Whether a program wrote this case.")
    technique: TechniqueName | None = Field(default=None, description="The way around policy that it tries.")
    port: Port = Field(default=8080, description="The port that otherwise is about.")
    apply: Apply | None = None
    expect: CaseExpectShape | None = None
    steps: Annotated[list[StepShape], Field(min_length=1)] | None = Field(
        default=None, description="Instead of apply and expect: policies that replace one another."
    )

    @model_validator(mode="after")
    def _once_or_in_steps(self) -> "CaseShape":
        if self.steps is None:
            if self.expect is None:
                raise wrong("missing; write it, or steps", "expect")
            _something(self.expect)
        elif self.expect is not None or self.apply is not None:
            raise wrong("beside apply or expect; write those inside the steps", "steps")
        first = self.steps[0].expect if self.steps else self.expect
        if first is not None and any(each.opened in ("earlier", "asked") for each in first.flows):
            raise wrong(
                "what was opened earlier is about the step before, and there is none", "steps" if self.steps else "expect"
            )
        if self.steps and self.steps[0].pods:
            raise wrong("nothing changes before the first step; write its pods in the topology", "steps", 0, "pods")
        self._streams_alone()
        self._calls_alone()
        if self.technique is not None and any(step.exchanges or step.requests for step in _expected(self)):
            what = "exchanges and requests are judged where no way around policy is tried; write another case"
            raise wrong(what, "technique")
        if self.technique is None and any(_bypasses(step) for step in [*(self.steps or ()), self.expect] if step is not None):
            raise wrong("missing; `as`, `opened` and `tamper` are ways around policy: say which", "technique")
        return self

    def _streams_alone(self) -> None:
        """Cases whose pods change are judged apart, and know nothing of packets or of ways around policy."""
        steps = self.steps or []
        asked = {each.port for step in steps for each in step.expect.flows}
        asked |= {self.port} if any(step.expect.otherwise is not None for step in steps) else set()
        for number, step in enumerate(steps):
            for position, stream in enumerate(step.streams):
                if stream.port in asked:
                    what = f"flows of this case go to {stream.port} too; give the stream a port of its own"
                    raise wrong(what, "steps", number, "streams", position, "port")
        if any(step.pods or step.streams for step in steps):
            for number, step in enumerate(steps):
                expect = step.expect
                if expect.packets or expect.exchanges or expect.requests or any(each.opened for each in expect.flows):
                    what = "packets, exchanges, requests and older connections are asked where no pods change"
                    raise wrong(what, "steps", number, "expect")
            if self.technique is not None or any(step.tamper for step in steps):
                raise wrong("ways around policy are tried where no pods change; write another case", "technique")

    def _calls_alone(self) -> None:
        """Where servers of gRPC or Kafka listen no other does, and they are there only where pods stay as they are."""
        expects = [step.expect for step in self.steps or ()] or ([self.expect] if self.expect is not None else [])
        ports = ports_of_calls([flow for expect in expects for flow in expect.flows])
        if not ports:
            return
        if self.technique is not None or any(step.pods or step.streams for step in self.steps or ()):
            called = " and ".join(CALLED[field] for field in dict.fromkeys(ports.values()))
            raise wrong(f"{called} is called where no pods change, and by no way around policy; write another case", "title")
        for number, expect in enumerate(expects):
            at = ("steps", number, "expect") if self.steps else ("expect",)
            position = misplaced(expect.flows, ports)
            if position is not None:
                field = ports[expect.flows[position].port or 0]
                what = f"{CALLED[field]} is called at this port, which answers only that and HTTP"
                what += f"; write {field} or http, or another port"
                raise wrong(what, *at, "flows", position, "port")
            if expect.otherwise is not None and self.port in ports:
                what = f"port {self.port}, where {CALLED[ports[self.port]]} is called, has no other flows; write them out"
                raise wrong(what, *at, "otherwise")


def _expected(case: CaseShape) -> Iterator[CaseExpectShape]:
    yield from (step.expect for step in case.steps or ())
    if case.expect is not None:
        yield case.expect


def _something(expect: CaseExpectShape) -> None:
    if not (expect.flows or expect.otherwise or expect.packets or expect.exchanges or expect.requests or expect.streams):
        raise wrong("nothing is expected; write flows, packets, exchanges, requests, streams or otherwise", "expect")


def _bypasses(step: StepShape | CaseExpectShape) -> bool:
    expect = step.expect if isinstance(step, StepShape) else step
    tampers = isinstance(step, StepShape) and bool(step.tamper)
    return tampers or any(each.as_ is not None or each.opened == "before" for each in expect.flows)


def load_cases(paths: Sequence[Path] = ()) -> list[model.Case]:
    """The cases of files and folders (with the folders in them), or those shipped where none is named.

    Raises ManifestError with all faults of all files, those of topologies and policies among them.
    """
    faults: list[Fault] = []
    cases: list[model.Case] = []
    for file in _files(paths or [shown(SCENARIOS / "conformance")], faults):
        try:
            cases.append(_case(file))
        except ManifestError as broken:
            faults += broken.faults
    first: dict[str, Origin] = {}
    for case in cases:
        earlier = first.setdefault(case.id, case.origin)
        if earlier is not case.origin:
            faults.append(Fault(case.origin, f"case {case.id} is {earlier.file} already; name it once or rename one"))
    refuse(faults)
    return cases


def _files(paths: Sequence[Path], faults: list[Fault]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(path.rglob(FILE))
        if not inside:
            faults.append(Fault(Origin(str(path), 1), f"no case (AREA/CASE/{FILE}) in this folder; name another"))
        yield from inside


def _case(file: Path) -> model.Case:
    document = read_document(file, "a case")
    faults: list[Fault] = []
    shape = checked(document, CaseShape, faults)
    if shape is None:
        raise ManifestError(faults)
    topology = topology_of(document, file, shape.topology, faults)
    not_judged: Counter[str] = Counter()
    churn = None if topology is None else Churn(document, topology, faults)
    steps: list[model.Step] = []
    routed = any(each.requests for each in _expected(shape))
    for at, step in _steps(shape):
        loaded = applied(document, file, (*at, "apply"), step.apply, faults, routed=routed)
        not_judged += loaded.not_judged
        if step.pods:
            loaded = Loaded(steps[-1].policies)
        steps.append(_step(document, at, step, loaded, shape.port, churn, faults))
    refuse(faults)
    assert topology is not None  # noqa: S101 - for the type checker: its absence is a fault
    folder = file.resolve().parent
    return model.Case(
        name=folder.name,
        area=folder.parent.name,
        title=shape.title,
        why=shape.why,
        origin=document.origin(),
        topology=topology,
        steps=tuple(steps),
        generated=shape.generated,
        technique=None if shape.technique is None else Technique(shape.technique),
        not_judged=dict(not_judged),
    )


def _steps(shape: CaseShape) -> Iterator[tuple[tuple[Step, ...], StepShape]]:
    if shape.expect is not None:
        yield (), StepShape.model_construct(apply=shape.apply or [], expect=shape.expect)
    for position, step in enumerate(shape.steps or ()):
        yield ("steps", position), step


def _step(
    document: Document,
    at: tuple[Step, ...],
    shape: StepShape,
    loaded: Loaded,
    port: int,
    churn: Churn | None,
    faults: list[Fault],
) -> model.Step:
    if churn is None:
        return model.Step(document.origin(at), loaded.policies, ())
    expect = shape.expect
    changes = churn.change((*at, "pods"), shape.pods)
    topology = churn.topology
    faults += homeless(loaded.policies, topology, loaded.routing)
    asked = (*at, "expect", "requests")
    return model.Step(
        document.origin(at),
        loaded.policies,
        expectations(document, (*at, "expect"), expect, topology, port, faults),
        packet_expectations(document, (*at, "expect", "packets"), expect.packets, topology, faults),
        tamperings(document, (*at, "tamper"), shape.tamper, topology, faults),
        keeps=bool(shape.pods),
        pods=changes,
        streams=churn.open((*at, "streams"), shape.streams),
        exchanges=exchange_expectations(document, (*at, "expect", "exchanges"), expect.exchanges, topology, faults),
        routing=loaded.routing,
        requests=routed_expectations(document, asked, expect.requests, topology, loaded.routing, faults),
        stream_expectations=tuple(churn.expected((*at, "expect", "streams"), expect.streams)),
    )
