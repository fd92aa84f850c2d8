"""``scenarios/workloads.yaml``: classes of workload, and what must hold before the sidecars may go there."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from harness.manifests.claims import ClaimId
from harness.manifests.document import Document, Step, read_document
from harness.manifests.endpoints import EndpointShape, Names, Plane, Text, Texts, endpoints
from harness.manifests.errors import Fault, ManifestError, quoted, refuse, suggestion
from harness.manifests.kubernetes import DnsLabel
from harness.manifests.place import SCENARIOS, shown
from harness.manifests.shape import Shape, checked, wrong
from harness.model.claim import Column, Endpoint
from harness.model.workload import Candidate, Needs, WorkloadClass


class CandidateShape(Shape):
    """Who would take the sidecars' place: the data plane for connections, and the one for requests."""

    l4: Plane
    l7: Plane


class FiguresShape(EndpointShape):
    """An endpoint of the candidate; ``only`` where it is asked in one column."""

    only: Annotated[str, Field(pattern="^(asShipped|possible)$")] | None = None


class NeedsShape(Shape):
    """What must hold, of connections or of requests."""

    cases: Names | None = Field(
        default=None, description="Conformance cases that must pass, but for those that the rival fails too."
    )
    supports: Texts | None = Field(
        default=None, description="Features that the candidate must claim, unless the rival lacks them too."
    )
    claims: list[ClaimId] | None = Field(default=None, description="Claims that must be supported in the same column.")
    figures: list[FiguresShape] | None = Field(
        default=None, description="Endpoints of the candidate, where they name nobody else."
    )
    unasked: Texts | None = Field(default=None, description="What else would have to be shown, and nothing measures yet.")


class ClassShape(Shape):
    """A class of workload."""

    id: DnsLabel
    title: Text
    why: Text = Field(description="What such a workload asks of its mesh.")
    rival: Plane = Field(description="Whom it would be taken from.")
    as_shipped: CandidateShape
    possible: CandidateShape
    l4: NeedsShape | None = None
    l7: NeedsShape | None = None

    @model_validator(mode="after")
    def _needs_something(self) -> "ClassShape":
        if self.l4 is None and self.l7 is None:
            raise wrong("want l4, l7 or both: a class that needs nothing decides nothing")
        return self


class WorkloadsShape(Shape):
    """The file, in the order of the decision."""

    classes: Annotated[list[ClassShape], Field(min_length=1)]


def load_workloads(claims: Iterable[str], path: Path | None = None) -> tuple[WorkloadClass, ...]:
    """The classes of ``path``, or those shipped; ``claims`` are the ids that there are. Raises ManifestError."""
    document = read_document(path or shown(SCENARIOS / "workloads.yaml"), "classes of workload")
    faults: list[Fault] = []
    shape = checked(document, WorkloadsShape, faults)
    if shape is None:
        raise ManifestError(faults)
    known = set(claims)
    ids = [each.id for each in shape.classes]
    for place, each in enumerate(shape.classes):
        if each.id in ids[:place]:
            faults.append(document.fault(("classes", place, "id"), f"{quoted(each.id)} is used twice; rename one"))
        for group in ("l4", "l7"):
            needs: NeedsShape | None = getattr(each, group)
            for number, claim in enumerate((needs and needs.claims) or ()):
                if claim not in known:
                    at = ("classes", place, group, "claims", number)
                    faults.append(document.fault(at, f"no claim is called {quoted(claim)}{suggestion(claim, known)}"))
    refuse(faults)
    return tuple(_class(document, ("classes", place), each) for place, each in enumerate(shape.classes))


def _class(document: Document, at: tuple[Step, ...], shape: ClassShape) -> WorkloadClass:
    candidates = {
        Column.AS_SHIPPED: Candidate(shape.as_shipped.l4, shape.as_shipped.l7),
        Column.POSSIBLE: Candidate(shape.possible.l4, shape.possible.l7),
    }
    groups: list[dict[Column, Needs] | None] = []
    for name, needs in (("l4", shape.l4), ("l7", shape.l7)):
        of = {column: each.l4 if name == "l4" else each.l7 for column, each in candidates.items()}
        groups.append(
            None
            if needs is None
            else {column: _needs(document, (*at, name), needs, column, plane) for column, plane in of.items()}
        )
    l4, l7 = groups
    return WorkloadClass(document.origin(at), shape.id, shape.title, shape.why, shape.rival, candidates, l4, l7)


def _needs(document: Document, at: tuple[Step, ...], shape: NeedsShape, column: Column, candidate: str) -> Needs:
    own = {Column.AS_SHIPPED: "asShipped", Column.POSSIBLE: "possible"}[column]
    figures: list[Endpoint] = []
    for place, each in enumerate(shape.figures or ()):
        if each.only in (None, own):
            figures.extend(endpoints(document.origin((*at, "figures", place)), each, candidate))
    return Needs(
        tuple(shape.cases or ()),
        tuple(shape.supports or ()),
        tuple(shape.claims or ()),
        tuple(figures),
        tuple(shape.unasked or ()),
    )
