"""Reading a run's folder: ``run.json`` (format 1) and the Parquet files beside it.

The models here are the format: ``docs/schemas/run.schema.json`` is generated from them. Within a format, fields are only
ever added, so a reader ignores what it does not know. Figures that do not exist are null: a quick run has no intervals,
and a meter that could not read has no estimate.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from harness.report.claim_rows import ClaimRow, DecisionRow, EvidenceRow

FORMAT = 1


class RunError(Exception):
    """A run's folder cannot be read: which file, what was found, what to do."""


def _finite(value: object) -> object:
    """NaN and infinities become null: "not known" and "unbounded" are printed, not plotted."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class SupportRow(_Row):
    """Whether a data plane supports a feature; ``denies`` is how a denial shows at the client."""

    answer: Literal["yes", "no", "unknown"]
    reason: str | None = None
    denies: str | None = None


class DataPlaneRow(_Row):
    """A data plane that took part. ``arms`` are its attachments; a second one (``plain#2``) makes the A/A pair.

    ``paths``: what it counts of the way that requests take, by the names that ``path_per_request`` has for components.
    """

    name: str
    title: str
    arms: list[str] = []
    supports: dict[str, SupportRow] = {}
    paths: dict[str, str] = {}


class MixRow(_Row):
    """Requests of another form, so many per cent of a load's."""

    percent: float
    path: str
    headers: list[tuple[str, str]] = []


class LoadRow(_Row):
    """One load of a scenario. ``rate`` is null where it follows from the slowest plane; ``resolved_rate`` was offered."""

    name: str
    kind: str
    rate: Number = None
    half_of_slowest: bool = False
    resolved_rate: Number = None
    seconds: Number = None
    warmup: Number = None
    connections: int | None = None
    arrivals: str | None = None
    family: int | None = None
    path: str | None = None
    headers: list[tuple[str, str]] = []
    mix: list[MixRow] = []

    @property
    def offered(self) -> float | None:
        """Requests a second that were offered, where the load is an open loop."""
        return self.resolved_rate if self.resolved_rate is not None else self.rate


class ScenarioRow(_Row):
    """A scenario that was run; ``policies`` are files as a user would ``kubectl apply`` them.

    ``service`` is what the client asks on data planes that have Services, and ``backends`` the pods that answer there.
    """

    name: str
    title: str
    why: str
    topology: str
    client: str
    server: str
    same_node: bool
    policies: list[str] = []
    loads: list[LoadRow]
    service: str | None = None
    backends: list[str] = []

    def load(self, name: str) -> LoadRow | None:
        """The load called ``name``, or None."""
        return next((load for load in self.loads if load.name == name), None)


class _Interval(_Row):
    """What an estimate and a target have in common. JSON has no infinity: where ``level`` is not 0, null stands for it.

    No figure is negative, so infinity is always upwards.
    """

    estimate: Number
    low: Number
    high: Number
    level: Number

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The interval, infinite where it is unbounded; None where the blocks were too few for one."""
        if not self.level:
            return None
        return math.inf if self.low is None else self.low, math.inf if self.high is None else self.high


class EstimateRow(_Interval):
    """One metric of one cell over all blocks (``against`` null), or its paired ratio to another plane.

    ``cell`` is ``scenario/load``. ``level`` is 0 or null where the blocks are too few for an interval. ``estimate`` is null
    where it is infinite: the latency of requests that were never answered.
    """

    cell: str
    scenario: str
    dataplane: str
    metric: str
    unit: str
    against: str | None
    blocks: int
    void: int
    component: str = ""
    equal_features: bool | None = None
    family_low: Number = None
    family_high: Number = None
    family_level: Number = None
    different: bool | None = None

    @property
    def value(self) -> float | None:
        """The estimate, infinite for what never came; None where no block counts."""
        if self.estimate is None:
            return math.inf if self.blocks else None
        return self.estimate

    @property
    def load(self) -> str:
        """The load's name, from ``cell``."""
        return self.cell.removeprefix(f"{self.scenario}/").split("/")[0]


class NoiseRow(_Row):
    """How far a ratio can be from 1 between two attachments of one plane; ``floor`` 0.03 means 3 %."""

    scenario: str
    load: str
    metric: str
    floor: Number
    level: Number


class VoidRow(_Row):
    """A cell that was declared void, why, and whether a rerun resolved it."""

    cell: str
    reason: str
    reran: bool
    resolved: bool


class UnmeasuredRow(_Row):
    """A meter (or a metric) that could not be read on this machine, and why."""

    metric: str
    reason: str


class UnsupportedRow(_Row):
    """A scenario that a data plane cannot do, and why: it has no figures there."""

    scenario: str
    dataplane: str
    reason: str


class ConformanceRow(_Row):
    """One probe of a hand-written reachability matrix on one plane; block 0 is the survey before the first block.

    ``evidence`` is what the plane itself says of a denial, ``rule`` the file and line that it denied by, where it knows.
    """

    scenario: str
    dataplane: str
    block: int
    flow: str
    source: str = Field(alias="from")
    destination: str = Field(alias="to")
    port: int
    family: int
    expected: str
    observed: str | None
    outcome: Literal["pass", "fail", "unsupported", "error"]
    evidence: str | None = None
    reason: str | None = None
    rule: str | None = None


class TargetRow(_Interval):
    """A stated goal for a paired ratio and what became of it; reached only if the whole interval is.

    ``against``'s figure is of ``against_scenario`` and ``against_load``, where these are not null.
    """

    id: str
    text: str
    scenario: str
    load: str
    metric: str
    dataplane: str
    against: str
    direction: Literal["at most", "at least"]
    bound: float
    floor: Number
    outcome: Literal["reached", "not reached", "inconclusive", "void"]
    equal: bool | None = None
    against_scenario: str | None = None
    against_load: str | None = None


class FitRow(_Row):
    """A metric of a data plane as intercept + slope * x."""

    id: str
    title: str = ""
    dataplane: str
    metric: str
    unit: str = ""
    x: str
    x_values: list[float] = []
    intercept: Number
    intercept_low: Number
    intercept_high: Number
    slope: Number
    slope_low: Number
    slope_high: Number
    level: Number
    residual_max: Number = None
    residual_share: Number = None
    points: int = 0
    condition: str = ""
    line: bool = False


class KnownEffectRow(_Row):
    """An effect that the campaign itself put in, and whether it was recovered."""

    id: str
    text: str = ""
    recovered: bool | None = None


class Run(_Row):
    """``run.json``.

    ``fixed``: SHA-256 of the files that say what decides, from before the run began. ``judged_by``: of those by which
    ``claims`` and ``decision`` were judged; where they are others, that was after the fact, and the report says so.
    """

    format: Literal[1]
    title: str
    started: str
    seconds: float
    mode: Literal["quick", "default", "full"]
    indicative: bool
    command: str
    fingerprint: dict[str, str]
    dataplanes: list[DataPlaneRow]
    scenarios: list[ScenarioRow]
    estimates: list[EstimateRow]
    noise_floor: list[NoiseRow] = []
    voids: list[VoidRow] = []
    unmeasured: list[UnmeasuredRow] = []
    unsupported: list[UnsupportedRow] = []
    conformance: list[ConformanceRow] = []
    targets: list[TargetRow] = []
    claims: list[ClaimRow] = []
    decision: DecisionRow | None = None
    evidence: list[EvidenceRow] = []
    fixed: dict[str, str] = {}
    judged_by: dict[str, str] = {}
    fits: list[FitRow] = []
    known_effects: list[KnownEffectRow] = []


def read_run(folder: Path) -> Run:
    """Read ``run.json`` of a run's folder. Raises RunError."""
    file = folder / "run.json"
    try:
        document = json.loads(file.read_text())
    except FileNotFoundError:
        raise RunError(f"{file}: not there; give the folder of a finished run (of `bench`, or of `conform --out`)") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as fault:
        raise RunError(f"{file}: cannot be read: {fault}") from fault
    found = document.get("format") if isinstance(document, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise RunError(f"{file}: format {found}, but this meshproof reads up to format {FORMAT}; use a newer meshproof")
    if found != FORMAT:
        raise RunError(f"{file}: format {found!r}, expected {FORMAT}; is this a run's folder?")
    try:
        return Run.model_validate(document)
    except ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunError(f"{file}: {where}: {first['msg']}, found {str(first['input'])[:80]!r}") from fault


def schema_text() -> str:
    """The JSON Schema of ``run.json``, as committed in docs/schemas/run.schema.json."""
    schema = Run.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
