"""``scenarios/targets.yaml``: the figures that must be reached, as the model's targets."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from harness.manifests.document import read_document
from harness.manifests.errors import Fault, ManifestError, quoted, refuse
from harness.manifests.kubernetes import DnsLabel
from harness.manifests.place import SCENARIOS, shown
from harness.manifests.shape import Shape, checked, wrong
from harness.model.origin import Origin
from harness.model.target import Target

Text = Annotated[str, Field(min_length=1)]


class TargetShape(Shape):
    """One target: a bound on the ratio of a plane's figure to another plane's, or to its own in another load."""

    id: DnsLabel
    text: Text = Field(description="The target in a sentence.")
    scenario: DnsLabel
    load: DnsLabel
    metric: Text
    dataplane: DnsLabel
    against: DnsLabel
    against_scenario: DnsLabel | None = Field(default=None, description="Where its figure is of another scenario.")
    against_load: DnsLabel | None = Field(default=None, description="Where its figure is of another load.")
    at_most: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    at_least: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    equal: bool | None = Field(
        default=None,
        description="Whether both planes do the same for the user; left out against the control.",
    )

    @model_validator(mode="after")
    def _one_bound(self) -> "TargetShape":
        if (self.at_most is None) == (self.at_least is None):
            raise wrong("want exactly one of atMost and atLeast")
        return self

    @model_validator(mode="after")
    def _two_figures(self) -> "TargetShape":
        elsewhere = self.against_scenario not in (None, self.scenario) or self.against_load not in (None, self.load)
        if self.dataplane == self.against and not elsewhere:
            raise wrong("the data plane itself; write another, or againstScenario or againstLoad beside it", "against")
        return self


class TargetsShape(Shape):
    """The file of targets."""

    targets: list[TargetShape]


def load_targets(path: Path | None = None) -> list[Target]:
    """The targets of ``path``, or those shipped. Raises ManifestError."""
    document = read_document(path or shown(SCENARIOS / "targets.yaml"), "targets")
    faults: list[Fault] = []
    shape = checked(document, TargetsShape, faults)
    if shape is None:
        raise ManifestError(faults)
    first: dict[str, int] = {}
    for position, each in enumerate(shape.targets):
        if first.setdefault(each.id, position) != position:
            faults.append(document.fault(("targets", position, "id"), f"{quoted(each.id)} is used twice; rename one"))
    refuse(faults)
    return [_target(document.origin(("targets", position)), each) for position, each in enumerate(shape.targets)]


def _target(origin: Origin, shape: TargetShape) -> Target:
    return Target(
        id=shape.id,
        text=shape.text,
        origin=origin,
        scenario=shape.scenario,
        load=shape.load,
        metric=shape.metric,
        dataplane=shape.dataplane,
        against=shape.against,
        direction="at most" if shape.at_least is None else "at least",
        bound=shape.at_most or shape.at_least or 0.0,  # one is given, above 0: the shape saw to that
        equal=shape.equal,
        against_scenario=shape.against_scenario,
        against_load=shape.against_load,
    )
