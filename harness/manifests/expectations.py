"""``expectations.yaml``: outcomes of conformance cases that are known not to be passes, each with its reason."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from harness.manifests.document import read_document
from harness.manifests.errors import Fault, refuse
from harness.manifests.shape import Shape, checked
from harness.model.case import CaseOutcome, ExpectedOutcome

Text = Annotated[str, Field(min_length=1)]


class OutcomeShape(Shape):
    """One case on one data plane."""

    case: Text = Field(description="The case, as area/name.")
    dataplane: Text = Field(description="The data plane's name.")
    outcome: Literal["fail", "unsupported", "error"] = Field(description="What is expected instead of a pass.")
    reason: Text = Field(description="Why it is so, for those who read the report.")


class ExpectationsShape(Shape):
    """The file: what it does not list is expected to pass, or to be unsupported as its data plane declares."""

    outcomes: list[OutcomeShape]


def load_expectations(path: Path) -> list[ExpectedOutcome]:
    """The entries of ``path``, in its order. Raises ManifestError."""
    document = read_document(path, "expectations")
    faults: list[Fault] = []
    shape = checked(document, ExpectationsShape, faults)
    refuse(faults)
    entries: dict[tuple[str, str], ExpectedOutcome] = {}
    for position, each in enumerate(shape.outcomes if shape else ()):
        origin = document.origin(("outcomes", position))
        key = (each.case, each.dataplane)
        if key in entries:
            faults.append(
                Fault(origin, f"{each.case} on {each.dataplane} is listed already at {entries[key].origin}; remove one")
            )
        entries.setdefault(key, ExpectedOutcome(origin, *key, CaseOutcome(each.outcome), each.reason))
    refuse(faults)
    return list(entries.values())
