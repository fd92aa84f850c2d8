"""``scenarios/conformance/maturity.yaml``: the rows of the L7 maturity matrix."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from harness.manifests.document import read_document
from harness.manifests.errors import Fault, ManifestError, quoted, refuse
from harness.manifests.place import SCENARIOS, shown
from harness.manifests.shape import Shape, checked, wrong
from harness.model.maturity import MaturityFeature

Text = Annotated[str, Field(min_length=1)]
CaseName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9*?\[\]-]+$", description="A case as area/name; * and ? stand for parts of it."),
]


class FeatureShape(Shape):
    """One feature: the cases that show it, or why no data plane has it."""

    feature: Text = Field(description="What meshes call it.")
    cases: Annotated[list[CaseName], Field(min_length=1)] | None = None
    reason: Text | None = Field(default=None, description="Why no data plane has it, instead of cases.")
    needs: Text | None = Field(
        default=None, description="What a data plane must claim for its cases to count here, as `supports` names it."
    )
    note: Text | None = Field(default=None, description="What the cases do not show.")

    @model_validator(mode="after")
    def _cases_or_reason(self) -> "FeatureShape":
        if (self.cases is None) == (self.reason is None):
            raise wrong("want exactly one of cases and reason")
        if self.reason is not None and self.needs is not None:
            raise wrong("nothing is needed where there are no cases; remove it", "needs")
        return self


class MaturityShape(Shape):
    """The file, in the order of the matrix."""

    features: Annotated[list[FeatureShape], Field(min_length=1)]


def load_maturity(path: Path | None = None) -> list[MaturityFeature]:
    """The features of ``path``, or those shipped. Raises ManifestError."""
    document = read_document(path or shown(SCENARIOS / "conformance" / "maturity.yaml"), "features")
    faults: list[Fault] = []
    shape = checked(document, MaturityShape, faults)
    if shape is None:
        raise ManifestError(faults)
    first: dict[str, int] = {}
    for position, each in enumerate(shape.features):
        if first.setdefault(each.feature, position) != position:
            what = f"{quoted(each.feature)} is listed twice; rename or remove one"
            faults.append(document.fault(("features", position, "feature"), what))
        for place, case in enumerate(each.cases or ()):
            if case in (each.cases or ())[:place]:
                what = f"{quoted(case)} is listed twice; remove one"
                faults.append(document.fault(("features", position, "cases", place), what))
    refuse(faults)
    return [
        MaturityFeature(
            document.origin(("features", position)), each.feature, tuple(each.cases or ()), each.reason, each.needs, each.note
        )
        for position, each in enumerate(shape.features)
    ]
