"""Benchmark scenarios: ``scenarios/bench/*.yaml`` and files of users' own."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness.manifests.document import Document, read_document
from harness.manifests.errors import Fault, ManifestError, quoted, refuse, suggestion
from harness.manifests.flows import PodRef
from harness.manifests.fronts import FrontShape, unfit
from harness.manifests.kubernetes import DnsLabel, Port
from harness.manifests.loads import HALF, SHARES, LoadShape, load_points, share_name
from harness.manifests.matrix import ExpectShape, expectations
from harness.manifests.place import SCENARIOS, shown
from harness.manifests.scenario import Apply, Text, TopologyName, applied, homeless, topology_of
from harness.manifests.scenario_files import load_each
from harness.manifests.shape import Shape, checked
from harness.model.bench import KNOWN_EFFECTS, BenchScenario, Expectation
from harness.model.flow import is_pod
from harness.model.topology import Topology


class ScenarioShape(Shape):
    """A benchmark: an unmodified client and server, the policies between them, and loads."""

    title: Text
    why: Text = Field(description="What the scenario is there to show.")
    topology: TopologyName
    client: PodRef
    server: PodRef
    port: Port = Field(description="The server's port.")
    service: FrontShape | None = Field(
        default=None, description="Asked instead of the server, on data planes that route requests."
    )
    apply: Apply = Field(default=[])
    quick: bool = Field(default=False, description="Whether --quick takes this scenario.")
    expect: ExpectShape
    loads: Annotated[dict[DnsLabel, LoadShape], Field(min_length=1)]


def load_bench(paths: Sequence[Path] = ()) -> list[BenchScenario]:
    """The scenarios of files and folders (not the folders in them), or those shipped where none is named.

    Raises ManifestError with all faults of all files, those of topologies and policies among them.
    """
    return load_each(paths or [shown(SCENARIOS / "bench")], _scenario)


def _scenario(file: Path) -> BenchScenario:
    document = read_document(file, "a scenario")
    faults: list[Fault] = []
    shape = checked(document, ScenarioShape, faults)
    if shape is None:
        raise ManifestError(faults)
    topology = topology_of(document, file, shape.topology, faults)
    loaded = applied(document, file, ("apply",), shape.apply, faults, routed=shape.service is not None)
    if topology is not None:
        faults += _inconsistent(document, shape, topology)
        faults += homeless(loaded.policies, topology, loaded.routing)
        if shape.service is not None and not faults:  # else a Service may be missing that could not be read
            faults += unfit(document, shape.service, shape.server, topology, loaded.routing)
    matrix: tuple[Expectation, ...] = ()
    if topology is not None:
        matrix = expectations(document, ("expect",), shape.expect, topology, shape.port, faults)
    if file.stem == KNOWN_EFFECTS:
        faults.append(document.fault((), "a campaign's own effects have this file name; rename it"))
    refuse(faults)
    assert topology is not None  # noqa: S101 - for the type checker: its absence is a fault
    return BenchScenario(
        name=file.stem,
        title=shape.title,
        why=shape.why,
        origin=document.origin(),
        topology=topology,
        client=shape.client,
        server=shape.server,
        port=shape.port,
        policies=loaded.policies,
        expectations=matrix,
        loads=tuple(load_points(shape.loads)),
        quick=shape.quick,
        not_judged=dict(loaded.not_judged),
        front=shape.service.value() if shape.service is not None else None,
        routing=loaded.routing,
    )


def _inconsistent(document: Document, shape: ScenarioShape, topology: Topology) -> Iterator[Fault]:
    """What each part allows but the parts together do not."""
    pods = [pod.ref for pod in topology.pods]
    for name, ref in (("client", shape.client), ("server", shape.server)):
        if ref not in pods:
            yield document.fault((name,), f"no pod {quoted(ref)}{suggestion(ref, pods)}")
    if shape.client == shape.server:
        yield document.fault(("server",), "the client itself; name another pod")
    for position, flow in enumerate(shape.expect.flows):
        for name, end in (("from", flow.from_), ("to", flow.to)):
            if not is_pod(end):
                yield document.fault(("expect", "flows", position, name), f"{end} is no pod; a benchmark has pods only")
    for capacity in (name for name, load in shape.loads.items() if load.kind == "capacity"):
        for taken in {share_name(capacity, percent) for percent in SHARES} & set(shape.loads):
            yield document.fault(("loads", taken), f"the latency at a share of {capacity} has this name; give another")
    halves = [name for name, load in shape.loads.items() if load.rate == HALF]
    if halves and not any(load.kind == "maximum" for load in shape.loads.values()):
        yield document.fault(("loads", halves[0], "rate"), f"{HALF} needs a load of kind maximum in this scenario; add one")
