"""Faults for the mutation gate: ``scenarios/mutation/*.yaml`` and ``scenarios/mutation/faults/*.yaml``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from harness.manifests.document import Document, read_document
from harness.manifests.errors import Fault as Refused
from harness.manifests.errors import ManifestError, refuse
from harness.manifests.place import SCENARIOS, shown
from harness.manifests.shape import Shape, checked
from harness.model.fault import Fault, Symptom

FOLDER = SCENARIOS / "mutation"
ROOT = SCENARIOS.parent
Text = Annotated[str, Field(min_length=1)]


class FaultShape(Shape):
    """One fault: a text that occurs once in a source file, and what takes its place."""

    name: Text
    why: Text
    file: Text = Field(description="The source file, relative to the checkout.")
    find: Text = Field(description="Text that occurs exactly once in the file.")
    replace: str
    planes: Annotated[list[Text], Field(min_length=1)] = Field(description="The data planes on which it must be seen.")
    kind: Literal["admits", "denies", "refuses", "breaks"] | None = Field(
        default=None, description="How a case must fail; without it, anything but `breaks`."
    )
    first: list[Text] = Field(default=[], alias="try", description="Patterns of case names to ask first.")
    equivalent: Text | None = Field(default=None, description="Why no case can tell the difference.")
    operator: Text | None = Field(default=None, description="What wrote it, where a program did.")


class FaultsShape(Shape):
    """A file of faults."""

    faults: Annotated[list[FaultShape], Field(min_length=1)]


def load_faults(paths: Sequence[Path] = ()) -> list[Fault]:
    """The faults of files and folders, or those shipped where none is named.

    Raises ManifestError with everything that is wrong: names that occur twice, and texts that do not occur just once.
    """
    refused: list[Refused] = []
    faults: list[Fault] = []
    for path in paths or [shown(FOLDER)]:
        for file in sorted(path.rglob("*.yaml")) if path.is_dir() else [path]:
            try:
                faults += _faults(file, refused)
            except ManifestError as broken:
                refused += broken.faults
    first: dict[str, Fault] = {}
    for fault in faults:
        earlier = first.setdefault(fault.name, fault)
        if earlier is not fault:
            refused.append(Refused(fault.origin, f"fault {fault.name} stands at {earlier.origin} already; rename one"))
        refused += _misplaced(fault)
    refuse(refused)
    return faults


def _faults(file: Path, refused: list[Refused]) -> list[Fault]:
    document: Document = read_document(file, "faults")
    shape = checked(document, FaultsShape, refused)
    return [
        Fault(
            origin=document.origin(("faults", position)), name=each.name, why=each.why, file=each.file, find=each.find,
            replace=each.replace, planes=tuple(each.planes), kind=each.kind and Symptom(each.kind), first=tuple(each.first),
            equivalent=each.equivalent, operator=each.operator,
        )
        for position, each in enumerate(shape.faults if shape else ())
    ]  # fmt: skip


def _misplaced(fault: Fault) -> list[Refused]:
    source = ROOT / fault.file
    if not source.is_file():
        return [Refused(fault.origin, f"{fault.name}: no file {fault.file} in this checkout")]
    count = source.read_text().count(fault.find)
    if count != 1:
        return [Refused(fault.origin, f"{fault.name}: find occurs {count} times in {fault.file}; it must occur once")]
    if fault.find == fault.replace:
        return [Refused(fault.origin, f"{fault.name}: replace is what was found; a fault changes something")]
    return []
