"""Scaling scenarios: ``scenarios/scaling/*.yaml`` and files of users' own."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from harness.manifests.document import Document, read_document
from harness.manifests.errors import Fault, ManifestError, refuse
from harness.manifests.place import SCENARIOS, shown
from harness.manifests.scenario import Text
from harness.manifests.scenario_files import load_each
from harness.manifests.shape import Shape, checked
from harness.model.scaling import MEASURABLE, Measured, ScalingScenario, Varied

FEWEST_POINTS = 3  # two points always lie on a line
FEWEST_BLOCKS = 3
MOST_PODS = 200
MOST_CLUSTERS = 2000
BOUNDS = {Varied.PODS: (2, MOST_PODS), Varied.POLICY_ENTRIES: (1, 1_000_000)}
JUDGES_PACKETS = ("ebpf", "nftables")
MOST_PORTS = 50_000  # that a policy can name beside those that programs need

Points = Annotated[list[int], Field(min_length=1)]


class ScalingShape(Shape):
    """How one cost grows with one thing."""

    title: Text
    why: Text = Field(description="What the scenario is there to show.")
    vary: Literal["pods", "policy-entries", "dataplane"] = Field(description="What grows from point to point.")
    points: Points | None = Field(default=None, description="How many of it there are, ascending.")
    dataplanes: Annotated[list[Text], Field(min_length=1)]
    clusters: int = Field(default=0, ge=0, le=MOST_CLUSTERS, description="Clusters of Services that every Envoy is told of.")
    measure: Annotated[
        list[Literal["memory", "idle-cpu", "start-up", "policy-change", "packet", "requests"]], Field(min_length=1)
    ]
    blocks: int = Field(default=3, ge=FEWEST_BLOCKS, le=50, description="How often each point is measured, each time anew.")
    quick: Points | None = Field(default=None, description="The points of a --quick run; without them it leaves this out.")


def load_scaling(paths: Sequence[Path] = ()) -> list[ScalingScenario]:
    """The scenarios of files and folders (not the folders in them), or those shipped where none is named.

    Raises ManifestError with all faults of all files.
    """
    return load_each(paths or [shown(SCENARIOS / "scaling")], _scenario)


def _scenario(file: Path) -> ScalingScenario:
    document = read_document(file, "a scenario")
    faults: list[Fault] = []
    shape = checked(document, ScalingShape, faults)
    if shape is None:
        raise ManifestError(faults)
    faults += _inconsistent(document, shape)
    refuse(faults)
    return ScalingScenario(
        name=file.stem,
        title=shape.title,
        why=shape.why,
        origin=document.origin(),
        vary=Varied(shape.vary),
        points=tuple(shape.points or ()),
        dataplanes=tuple(shape.dataplanes),
        measure=tuple(Measured(each) for each in shape.measure),
        blocks=shape.blocks,
        clusters=shape.clusters,
        quick_points=tuple(shape.quick or ()),
    )


def _inconsistent(document: Document, shape: ScalingShape) -> Iterator[Fault]:
    """What each part allows but the parts together do not."""
    vary = Varied(shape.vary)
    able = [str(each) for each in MEASURABLE[vary]]
    for position, each in enumerate(shape.measure):
        if each not in able:
            yield document.fault(("measure", position), f"{each} is not measured by {vary}; there are {', '.join(able)}")
        if each in shape.measure[:position]:
            yield document.fault(("measure", position), "named twice; remove one")
    for position, name in enumerate(shape.dataplanes):
        if name in shape.dataplanes[:position]:
            yield document.fault(("dataplanes", position), "named twice; remove one")
        if vary is Varied.POLICY_ENTRIES and "requests" not in shape.measure and name not in JUDGES_PACKETS:
            what = f"{name} has no table of policy entries of its own; there are {', '.join(JUDGES_PACKETS)}"
            yield document.fault(("dataplanes", position), what)
    yield from _points(document, shape, vary)
    if vary is Varied.POLICY_ENTRIES and "requests" in shape.measure:
        if len(shape.measure) > 1:
            what = "requests are judged by policies that a data plane is given, packets by tables alone; make it two scenarios"
            yield document.fault(("measure",), what)
        if max([*(shape.points or [0]), *(shape.quick or [0])]) > MOST_PORTS:
            yield document.fault(("points",), f"a policy has at most {MOST_PORTS} ports for requests to meet; write fewer")
    if shape.clusters and vary is not Varied.PODS:
        yield document.fault(("clusters",), "Envoys are told of clusters where pods are varied only; remove it")
    if shape.clusters % 2:
        yield document.fault(("clusters",), "odd, but each Service is two: one of IPv4, one of IPv6; write an even number")


def _points(document: Document, shape: ScalingShape, vary: Varied) -> Iterator[Fault]:
    if vary is Varied.DATAPLANE:
        if shape.points is not None:
            yield document.fault(("points",), "nothing grows where data planes are compared; remove it")
        if len(shape.dataplanes) < 2:
            yield document.fault(("dataplanes",), "nothing to compare with; name another")
        return
    if shape.points is None or len(shape.points) < FEWEST_POINTS:
        yield document.fault(("points",), f"want at least {FEWEST_POINTS}: two always lie on a line; write more")
    least, most = BOUNDS[vary]
    for name, points in (("points", shape.points or []), ("quick", shape.quick or [])):
        for position, point in enumerate(points):
            if not least <= point <= most:
                yield document.fault((name, position), f"want {least} to {most} {vary}, found {point}")
        if any(right <= left for left, right in pairwise(points)):
            yield document.fault((name,), "not ascending; sort them, each once")
