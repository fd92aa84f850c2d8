"""Loads of benchmark scenarios."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from harness.manifests.asked import Headers, pairs
from harness.manifests.errors import found
from harness.manifests.shape import Shape, wrong
from harness.model.bench import LoadKind, LoadPoint, MixPart

HALF = "half-of-slowest-maximum"
PARTS = 7  # of a mix; the generators have room for eight forms of request (form.h)
HEADERS = 2000  # characters of a request's headers, for the same reason

_OFFERED = ("latency", "cost", "trace")
_MIXING = (*_OFFERED, "closed", "blocking", "connections")

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


class LoadShape(_RequestShape):
    """One load."""

    kind: Literal["latency", "cost", "trace", "maximum", "closed", "blocking", "connections", "bulk"] = Field(
        description="What is measured."
    )
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
    def _requests_that_it_can_send(self) -> "LoadShape":
        if self.mix and self.kind not in _MIXING:
            raise wrong(f"a {self.kind} load's tool has one form of request; write kind: closed, or remove it", "mix")
        if self.headers and self.kind == "bulk":
            raise wrong("a bulk load has no requests; remove it", "headers")
        if sum(part.percent for part in self.mix) > 100:
            raise wrong("the parts are more than 100 per cent together; write less", "mix")
        return self


def load_point(name: str, shape: LoadShape) -> LoadPoint:
    """The load as the model holds it."""
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
    )
