"""``expectations.yaml``: outcomes of conformance cases that are known not to be passes, each with its reason."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from harness.manifests.document import read_document
from harness.manifests.errors import Fault, nearest, quoted, refuse, suggestion
from harness.manifests.place import SCENARIOS, shown
from harness.manifests.shape import Shape, checked
from harness.model.case import Case, CaseOutcome, ExpectedOutcome

Text = Annotated[str, Field(min_length=1)]

_NAME = {"type": "string", "minLength": 1}
DataPlanes = Annotated[
    list[Text],
    Field(min_length=1),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [_NAME, {"type": "array", "items": _NAME, "minItems": 1}]}),
]


class OutcomeShape(Shape):
    """One case on one data plane, or on several for one reason."""

    case: Text = Field(description="The case, as area/name.")
    dataplane: DataPlanes = Field(description="The data plane's name, or several.")
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
        for dataplane in each.dataplane:
            key = (each.case, dataplane)
            if key in entries:
                faults.append(
                    Fault(origin, f"{each.case} on {dataplane} is listed already at {entries[key].origin}; remove one")
                )
            entries.setdefault(key, ExpectedOutcome(origin, *key, CaseOutcome(each.outcome), each.reason))
    refuse(faults)
    return list(entries.values())


def expectations_for(
    cases: Sequence[Case], dataplanes: Collection[str], file: Path | None = None, paths: Sequence[Path] = ()
) -> list[ExpectedOutcome]:
    """The entries that are about ``cases``: those of ``file``, or of the shipped file, for cases in its folder and below.

    ``paths`` are what the cases were loaded from (nothing: the shipped ones). Where they hold the file's whole folder, an
    entry that names none of its cases is refused: it would excuse nothing, and go unseen. So is one whose data plane, the
    settings after its ``@`` left aside, is none of ``dataplanes``, all that there are. Raises ManifestError.
    """
    shipped = shown(SCENARIOS / "conformance")
    path = file or shipped / "expectations.yaml"
    if file is None and not path.is_file():
        return []
    below = path.resolve().parent
    mine = {case.id for case in cases if Path(case.origin.file).resolve().is_relative_to(below)}
    entries = load_expectations(path)
    refuse(
        [
            Fault(each.origin, f"no data plane is called {quoted(each.dataplane)}{suggestion(each.dataplane, dataplanes)}")
            for each in entries
            if each.dataplane.partition("@")[0] not in dataplanes
        ]
    )
    if any(below.is_relative_to(each.resolve()) for each in paths or [shipped]):
        refuse(
            [
                Fault(each.origin, f"no case {quoted(each.case)} in {path.parent}{nearest(each.case, mine)}; remove the entry")
                for each in entries
                if each.case not in mine
            ]
        )
    return [entry for entry in entries if entry.case in mine]
