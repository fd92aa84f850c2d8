"""Endpoints as they are written in ``scenarios/claims.yaml`` and ``scenarios/workloads.yaml``."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from harness.manifests.maturity import CaseName
from harness.manifests.shape import Shape, wrong
from harness.model.claim import (
    Answers,
    Bound,
    Cases,
    Endpoint,
    Features,
    Figure,
    Growth,
    Ratio,
    Slope,
    Subject,
    Total,
    Unasked,
)  # fmt: skip
from harness.model.origin import Origin

Text = Annotated[str, Field(min_length=1)]
Plane = Annotated[
    str, Field(pattern=r"^[a-z0-9-]+(@[a-z0-9_=,.]+)?$", description="A data plane, with its settings if need be.")
]
Texts = Annotated[list[Text], Field(min_length=1)]
Names = Annotated[list[CaseName], Field(min_length=1)]


class RatioShape(Shape):
    """A metric of a data plane divided by that of another, in each of the loads."""

    scenario: Text
    loads: Texts
    metrics: Texts
    dataplane: Plane | None = Field(default=None, description="Of the candidate where none is named.")
    against: Plane
    against_scenario: Text | None = Field(default=None, description="Where the other figure is of another scenario.")


class TotalShape(Shape):
    """The sum of metrics of a data plane divided by that of another: memory is PSS and what BPF maps take."""

    scenario: Text
    loads: Texts
    metrics: Annotated[list[Text], Field(min_length=2)]
    dataplane: Plane | None = Field(default=None, description="Of the candidate where none is named.")
    against: Plane


class FigureShape(Shape):
    """A figure itself, in each of the loads."""

    scenario: Text
    loads: Texts
    metric: Text
    component: Text | None = None
    dataplane: Plane | None = Field(default=None, description="Of the candidate where none is named.")


class CasesShape(Shape):
    """Conformance cases: all have to pass, or a share, or more than on another data plane."""

    names: Names
    dataplane: Plane | None = Field(default=None, description="Of the candidate where none is named.")
    more_than: Plane | None = None


class FeaturesShape(Shape):
    """Features of maturity.yaml: the data plane has more of them than another."""

    names: Texts
    dataplane: Plane | None = Field(default=None, description="Of the candidate where none is named.")
    richer_than: Plane


class SlopeShape(Shape):
    """A fitted slope divided by another data plane's: what one more of x costs."""

    metric: Text
    x: Text
    dataplane: Plane | None = Field(default=None, description="Of the candidate where none is named.")
    against: Plane


class GrowthShape(Shape):
    """A fitted figure at the largest x divided by that at the smallest."""

    metric: Text
    x: Text
    dataplane: Plane | None = Field(default=None, description="Of the candidate where none is named.")


KINDS = ("ratio", "total", "figure", "cases", "features", "slope", "growth", "answers", "unasked")
_BOUNDED = ("ratio", "total", "figure", "slope", "growth")


class EndpointShape(Shape):
    """What decides: one kind of figure and, where it has one, its bound."""

    condition: Text = Field(description="Where it is looked at, in words.")
    ratio: RatioShape | None = None
    total: TotalShape | None = None
    figure: FigureShape | None = None
    cases: CasesShape | None = None
    features: FeaturesShape | None = None
    slope: SlopeShape | None = None
    growth: GrowthShape | None = None
    answers: bool | None = Field(default=None, description="true: the share of classes of workload answered replace.")
    unasked: Text | None = Field(default=None, description="Part of what settles it that nothing measures yet, and why.")
    at_most: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    at_least: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_kind(self) -> "EndpointShape":
        kinds = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise wrong(f"want exactly one of {', '.join(KINDS)}, found {', '.join(kinds) or 'none'}")
        bounds = (self.at_most is not None) + (self.at_least is not None)
        if kinds[0] in _BOUNDED and bounds != 1:
            raise wrong(f"want exactly one of atMost and atLeast beside {kinds[0]}")
        share = self.cases is not None and self.cases.more_than is None
        if kinds[0] not in _BOUNDED and bounds and not (share and self.at_most is None):
            raise wrong(f"no bound goes with {kinds[0]}{' but atLeast' if share else ''}; remove it")
        return self

    @model_validator(mode="after")
    def _of_two(self) -> "EndpointShape":
        for each, other in ((self.ratio, "against"), (self.total, "against"), (self.slope, "against"),
                            (self.cases, "more_than"), (self.features, "richer_than")):  # fmt: skip
            if each is None or each.dataplane is None or getattr(each, other) != each.dataplane:
                continue
            if getattr(each, "against_scenario", None) is None:
                raise wrong(f"the data plane itself as {other.replace('_t', 'T')}; write another")
        return self


def endpoints(origin: Origin, shape: EndpointShape, candidate: str | None = None) -> Iterator[Endpoint]:
    """The endpoints that a shape stands for, one for each load and metric; the ``candidate``'s where it names no data plane."""
    bound = _bound(shape)
    for subject in _subjects(shape, candidate or ""):
        yield Endpoint(origin, shape.condition, subject, bound)


def nameless(shape: EndpointShape) -> bool:
    """Whether an endpoint that is about a data plane names none."""
    for kind in KINDS:
        value = getattr(shape, kind)
        if isinstance(value, Shape):
            return getattr(value, "dataplane", None) is None
    return False


def _bound(shape: EndpointShape) -> Bound | None:
    if shape.at_most is not None:
        return Bound("at most", shape.at_most)
    if shape.at_least is not None:
        return Bound("at least", shape.at_least)
    if shape.cases is not None:
        return Bound("at least", 1.0)  # all pass; or, compared, one more than the other does
    if shape.features is not None or shape.answers is not None:
        return Bound("at least", 1.0)
    return None


def _subjects(shape: EndpointShape, candidate: str) -> Iterator[Subject]:
    if (ratio := shape.ratio) is not None:
        for load in ratio.loads:
            for metric in ratio.metrics:
                yield Ratio(ratio.scenario, load, metric, ratio.dataplane or candidate, ratio.against, ratio.against_scenario)
    elif (total := shape.total) is not None:
        for load in total.loads:
            yield Total(total.scenario, load, tuple(total.metrics), total.dataplane or candidate, total.against)
    elif (figure := shape.figure) is not None:
        for load in figure.loads:
            yield Figure(figure.scenario, load, figure.metric, figure.dataplane or candidate, figure.component or "")
    else:
        yield _single(shape, candidate)


def _single(shape: EndpointShape, candidate: str) -> Subject:
    if (cases := shape.cases) is not None:
        return Cases(tuple(cases.names), cases.dataplane or candidate, cases.more_than)
    if (features := shape.features) is not None:
        return Features(tuple(features.names), features.dataplane or candidate, features.richer_than)
    if (slope := shape.slope) is not None:
        return Slope(slope.metric, slope.x, slope.dataplane or candidate, slope.against)
    if (growth := shape.growth) is not None:
        return Growth(growth.metric, growth.x, growth.dataplane or candidate)
    return Answers() if shape.answers else Unasked(shape.unasked or "")
