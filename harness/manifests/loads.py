"""Loads of benchmark scenarios."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from harness.manifests.asked import Headers, pairs
from harness.manifests.errors import found
from harness.manifests.shape import Shape, wrong
from harness.model.bench import LoadKind, LoadPoint, MixPart, Search, Share

HALF = "half-of-slowest-maximum"
PARTS = 7  # of a mix; the generators have room for eight forms of request (form.h)
HEADERS = 2000  # characters of a request's headers, for the same reason

_OFFERED = ("latency", "cost", "trace")
_MIXING = (*_OFFERED, "capacity", "closed", "blocking", "connections")

SHARES = (10, 50, 90)  # per cent of each plane's own capacity at which latency is measured

Seconds = Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)]
Path = Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=1000, description="Path of the requests.")]


def _rate(value: object) -> float | str:
    if value == HALF:
        return HALF
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 1_000_000:
        raise wrong(f"want requests a second (1 to 1,000,000) or {HALF}, found {found(value)}")
    return float(value)


class _RequestShape(Shape):
    headers: Headers = Field(default={}, description="Headers of the requests, beside Host.")

    @model_validator(mode="after")
    def _headers_that_fit(self) -> "_RequestShape":
        if sum(len(name) + len(value) + 4 for name, value in pairs(self.headers)) > HEADERS:
            raise wrong(f"want at most {HEADERS} characters", "headers")
        return self


class MixShape(_RequestShape):
    """Requests of another form than the load's own."""

    percent: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] = Field(description="Their part of all requests.")
    path: Path | None = Field(default=None, description="Their path; the load's if left out.")


class ObjectiveShape(Shape):
    """What must hold at a rate for it to be within the capacity."""

    percent: Annotated[float, Field(gt=0, lt=100, allow_inf_nan=False)] = Field(description="How many of all requests.")
    within: Annotated[float, Field(ge=0.0001, le=10, allow_inf_nan=False)] = Field(
        description="Seconds from when one was meant to be sent to its answer."
    )


class SearchShape(Shape):
    """Where and how a capacity is looked for."""

    lowest: Annotated[float, Field(ge=1, le=1_000_000)] = Field(default=250, description="Requests a second, at least.")
    highest: Annotated[float, Field(ge=1, le=1_000_000)] = Field(default=200_000, description="Requests a second, at most.")
    trial: Annotated[float, Field(ge=0.05, le=60)] = Field(default=0.25, description="Seconds of each trial.")
    width: Annotated[float, Field(ge=0.005, le=0.5)] = Field(default=0.05, description="How well to know it, as a share of it.")
    shares: Annotated[float, Field(gt=0, le=600)] = Field(
        default=0.6, description="Seconds of each latency load at 10, 50 and 90 per cent of the capacity."
    )

    @model_validator(mode="after")
    def _room_to_search(self) -> "SearchShape":
        if self.highest <= self.lowest:
            raise wrong(f"want more than lowest, {self.lowest:g}; write a higher rate", "highest")
        return self


class LoadShape(_RequestShape):
    """One load."""

    kind: Literal["latency", "cost", "trace", "maximum", "closed", "blocking", "connections", "capacity", "bulk"] = Field(
        description="What is measured."
    )
    objective: ObjectiveShape | None = Field(default=None, description="What a capacity's rate must meet.")
    search: SearchShape | None = Field(default=None, description="How a capacity is looked for.")
    rate: Annotated[float | Literal["half-of-slowest-maximum"], BeforeValidator(_rate)] | None = Field(
        default=None, description="Offered requests a second, for latency, cost and trace."
    )
    connections: Annotated[int, Field(ge=1, le=1024)] = Field(default=16, description="Connections kept open.")
    seconds: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = Field(description="Length of the measured part.")
    warmup: Seconds = Field(default=0.3, description="Seconds of load before the measured part.")
    arrivals: Literal["poisson", "fixed"] = Field(default="poisson", description="How intended send times are spaced.")
    family: Literal[4, 6] = Field(default=4, description="IP version.")
    path: Path = "/1k"
    mix: Annotated[Sequence[MixShape], Field(max_length=PARTS)] = Field(
        default=[], description="Requests of other forms among the load's own, drawn at random."
    )

    @model_validator(mode="after")
    def _rate_where_it_counts(self) -> "LoadShape":
        offered = self.kind in _OFFERED
        if offered and self.rate is None:
            raise wrong(f"missing; a {self.kind} load needs requests a second or {HALF}", "rate")
        if not offered and self.rate is not None:
            raise wrong(f"a {self.kind} load goes as fast as it can; remove the rate", "rate")
        return self

    @model_validator(mode="after")
    def _objective_of_a_capacity(self) -> "LoadShape":
        if self.kind == "capacity" and self.objective is None:
            raise wrong("missing; a capacity is the highest rate that meets one: {percent: 99, within: 0.01}", "objective")
        for name in ("objective", "search") if self.kind != "capacity" else ():
            if getattr(self, name) is not None:
                raise wrong(f"a {self.kind} load is not searched; write kind: capacity, or remove it", name)
        return self

    @model_validator(mode="after")
    def _requests_that_it_can_send(self) -> "LoadShape":
        if self.mix and self.kind not in _MIXING:
            raise wrong(f"a {self.kind} load's tool has one form of request; write kind: closed, or remove it", "mix")
        if self.headers and self.kind == "bulk":
            raise wrong("a bulk load has no requests; remove it", "headers")
        if sum(part.percent for part in self.mix) > 100:
            raise wrong("the parts are more than 100 per cent together; write less", "mix")
        return self


def load_points(loads: Mapping[str, LoadShape]) -> Iterator[LoadPoint]:
    """The loads as the model holds them. A capacity is followed by the latency loads at shares of it, named for those."""
    for name, shape in loads.items():
        yield (point := _load_point(name, shape))
        for percent in SHARES if shape.kind == "capacity" else ():
            seconds = (shape.search or SearchShape()).shares
            yield replace(
                point, name=share_name(name, percent), kind=LoadKind.LATENCY, seconds=seconds, search=None,
                share=Share(name, percent / 100),
            )  # fmt: skip


def share_name(name: str, percent: int) -> str:
    """What the latency load at a share of the capacity ``name`` is called."""
    return f"{name}-{percent}"


def _search(shape: LoadShape) -> Search | None:
    if shape.objective is None:
        return None
    how = shape.search or SearchShape()
    return Search(shape.objective.percent, shape.objective.within, how.lowest, how.highest, how.trial, how.width)


def _load_point(name: str, shape: LoadShape) -> LoadPoint:
    half = shape.rate == HALF
    return LoadPoint(
        name=name,
        kind=LoadKind(shape.kind),
        seconds=shape.seconds,
        warmup=shape.warmup,
        rate=None if half or shape.rate is None else float(shape.rate),
        half_of_slowest=half,
        connections=shape.connections,
        arrivals=shape.arrivals,
        family=shape.family,
        path=shape.path,
        headers=pairs(shape.headers),
        mix=tuple(
            MixPart(part.percent, shape.path if part.path is None else part.path, pairs(part.headers)) for part in shape.mix
        ),
        search=_search(shape),
    )
