"""``scenarios/claims.yaml``: the claims ledger, as the model's claims."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from harness.manifests.document import Document, Step, read_document
from harness.manifests.endpoints import EndpointShape, Names, Plane, Text, Texts, endpoints, nameless
from harness.manifests.errors import Fault, ManifestError, quoted, refuse, suggestion
from harness.manifests.place import SCENARIOS, shown
from harness.manifests.shape import Shape, checked, wrong
from harness.model.claim import Claim, Column, Endpoint, Lack, Ledger, Side

ClaimId = Annotated[str, Field(pattern=r"^[A-Z0-9]+(-[A-Z0-9]+)*$", description="PERF-1, for example.")]


class SideShape(Shape):
    """What decides a column of a claim."""

    endpoints: Annotated[list[EndpointShape], Field(min_length=1)] | None = None
    not_comparable: Text | None = Field(default=None, description="Why a published figure and ours are of different things.")

    @model_validator(mode="after")
    def _one(self) -> "SideShape":
        if (self.endpoints is None) == (self.not_comparable is None):
            raise wrong("want exactly one of endpoints and notComparable")
        return self


class ClaimShape(Shape):
    """A claim with what decides it, in both columns alike or in each."""

    id: ClaimId
    claim: Text = Field(description="In one line.")
    source: Text = Field(description="Who says so.")
    note: Text | None = Field(default=None, description="What a reader has to know beside the verdict.")
    both: SideShape | None = None
    as_shipped: SideShape | None = None
    possible: SideShape | None = None

    @model_validator(mode="after")
    def _two_columns(self) -> "ClaimShape":
        apart = self.as_shipped is not None and self.possible is not None
        if (self.both is None) != apart or (self.both is not None and (self.as_shipped or self.possible)):
            raise wrong("want both, or asShipped and possible")
        return self


class SubjectShape(Shape):
    """What a data plane is, and is not: it stands beside each verdict about it."""

    dataplane: Plane
    subject: Text


class LackShape(Shape):
    """What a product has and this project's set-up of it does not: failing there proves nothing of the product."""

    dataplane: Plane
    cases: Names
    features: Texts
    reason: Text


class ClaimsShape(Shape):
    """The file."""

    subjects: Annotated[list[SubjectShape], Field(min_length=1)]
    lacks: list[LackShape]
    claims: Annotated[list[ClaimShape], Field(min_length=1)]


def load_claims(path: Path | None = None) -> Ledger:
    """The ledger of ``path``, or the one shipped. Raises ManifestError."""
    document = read_document(path or shown(SCENARIOS / "claims.yaml"), "claims")
    faults: list[Fault] = []
    shape = checked(document, ClaimsShape, faults)
    if shape is None:
        raise ManifestError(faults)
    faults.extend(_twice(document, "claims", "id", [each.id for each in shape.claims]))
    faults.extend(_twice(document, "subjects", "dataplane", [each.dataplane for each in shape.subjects]))
    known = {each.dataplane: each.subject for each in shape.subjects}
    claims = [_claim(document, place, each, faults) for place, each in enumerate(shape.claims)]
    for place, each in enumerate(claims):
        faults.extend(_unknown(document, place, each, known))
    refuse(faults)
    lacks = tuple(Lack(each.dataplane, tuple(each.cases), tuple(each.features), each.reason) for each in shape.lacks)
    return Ledger(tuple(claims), known, lacks)


def _twice(document: Document, table: str, field: str, names: list[str]) -> Iterator[Fault]:
    for place, name in enumerate(names):
        if name in names[:place]:
            yield document.fault((table, place, field), f"{quoted(name)} is used twice; rename or remove one")


def _claim(document: Document, place: int, shape: ClaimShape, faults: list[Fault]) -> Claim:
    at: tuple[Step, ...] = ("claims", place)
    sides = {
        Column.AS_SHIPPED: ("asShipped", shape.as_shipped) if shape.both is None else ("both", shape.both),
        Column.POSSIBLE: ("possible", shape.possible) if shape.both is None else ("both", shape.both),
    }
    columns = {column: _side(document, (*at, name), side, faults) for column, (name, side) in sides.items() if side is not None}
    return Claim(document.origin(at), shape.id, shape.claim, shape.source, columns, shape.note)


def _side(document: Document, at: tuple[Step, ...], shape: SideShape, faults: list[Fault]) -> Side:
    found: list[Endpoint] = []
    for place, each in enumerate(shape.endpoints or ()):
        here = (*at, "endpoints", place)
        if nameless(each):
            faults.append(document.fault(here, "no dataplane is named; write whose figure it is"))
        found.extend(endpoints(document.origin(here), each))
    return Side(tuple(found), shape.not_comparable)


def planes(endpoint: Endpoint) -> Iterator[str]:
    """The data planes that an endpoint is about, its own first."""
    for field in ("dataplane", "against", "more_than", "richer_than"):
        name = getattr(endpoint.subject, field, None)
        if name:
            yield name


def _unknown(document: Document, place: int, claim: Claim, known: dict[str, str]) -> Iterator[Fault]:
    """Data planes of which nothing says what they are: a verdict must name its subject."""
    for side in claim.columns.values():
        for endpoint in side.endpoints:
            for name in planes(endpoint):
                if name not in known:
                    what = f"nothing under subjects says what {quoted(name)} is{suggestion(name, known)}"
                    yield Fault(endpoint.origin, f"{document.data['claims'][place]['id']}: {what}")
