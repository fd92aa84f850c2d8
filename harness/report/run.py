"""Reading a run's folder: ``run.json`` (format 1) and the Parquet files beside it.

The models here are the format: ``docs/schemas/run.schema.json`` is generated from them. Within a format, fields are only
ever added, so a reader ignores what it does not know. Figures that do not exist are null: a quick run has no intervals,
and a meter that could not read has no estimate.
"""

import json
import math
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from harness.report.claim_rows import ClaimRow, DecisionRow, EvidenceRow
from harness.report.kernel_rows import KernelMatrix
from harness.report.row import Number, Row
from harness.report.scaling_rows import FitRow, ScalingRow

FORMAT = 1


class RunError(Exception):
    """A run's folder cannot be read: which file, what was found, what to do."""


class SupportRow(Row):
    """Whether a data plane supports a feature; ``denies`` is how a denial shows at the client."""

    answer: Literal["yes", "no", "unknown"]
    reason: str | None = None
    denies: str | None = None


class DataPlaneRow(Row):
    """A data plane that took part. ``arms`` are its attachments; a second one (``plain#2``) makes the A/A pair.

    ``paths``: what it counts of the way that requests take, by the names that ``path_per_request`` has for components.
    """

    name: str
    title: str
    arms: list[str] = []
    supports: dict[str, SupportRow] = {}
    paths: dict[str, str] = {}


class MixRow(Row):
    """Requests of another form, so many per cent of a load's."""

    percent: float
    path: str
    headers: list[tuple[str, str]] = []


class SearchRow(Row):
    """A capacity's objective: ``percent`` of the requests answered ``within`` so many seconds; and how it was searched."""

    percent: float
    within: float
    lowest: Number = None
    highest: Number = None
    trial: Number = None
    width: Number = None


class ShareRow(Row):
    """``share`` (0 to 1) of what the capacity load ``of`` found for the same plane in the same block."""

    of: str
    share: float


class LoadRow(Row):
    """One load of a scenario. ``rate`` is null where it follows from the slowest plane; ``resolved_rate`` was offered.

    With a ``share`` the rate differs from plane to plane: it is the metric ``offered``.
    """

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
    search: SearchRow | None = None
    share: ShareRow | None = None

    @property
    def offered(self) -> float | None:
        """Requests a second that were offered, where the load is an open loop."""
        return self.resolved_rate if self.resolved_rate is not None else self.rate


class ScenarioRow(Row):
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


class _Interval(Row):
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
    where it is infinite: the latency of requests that were never answered. ``family_low`` to ``family_high`` is the interval
    that holds together with those of all other comparisons with confidence ``family_level``; ``different`` is the verdict.
    ``family_level`` is 0 for a ratio that is not judged, null in older runs, whose verdicts follow from ``low`` and ``high``.
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


class NoiseRow(Row):
    """How far a ratio can be from 1 between two attachments of one plane; ``floor`` 0.03 means 3 %."""

    scenario: str
    load: str
    metric: str
    floor: Number
    level: Number


class VoidRow(Row):
    """A cell that was declared void, why, and whether a rerun resolved it."""

    cell: str
    reason: str
    reran: bool
    resolved: bool


class UnmeasuredRow(Row):
    """A meter (or a metric) that could not be read on this machine, and why."""

    metric: str
    reason: str


class UnsupportedRow(Row):
    """A scenario that a data plane cannot do, and why: it has no figures there."""

    scenario: str
    dataplane: str
    reason: str


class ConformanceRow(Row):
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


class MachineRow(Row):
    """A worker of a campaign on several machines. Blocks are never split over machines.

    ``fingerprint`` is a digest; ``differs`` has the facts in which it is not the run's. ``absolute`` says whether figures in
    their own units are estimated over its blocks, which is so of one fingerprint alone; ratios are over all blocks. Blocks
    in ``lost`` it had begun when it was lost; their results were thrown away, and another machine measured them anew.
    """

    worker: str
    fingerprint: str
    blocks: list[int]
    absolute: bool = True
    differs: dict[str, str] = {}
    lost: list[int] = []


class KnownEffectRow(_Interval):
    """What the campaign injected itself; ``estimate`` is found/expected, and ``level`` holds for all such rows together.

    ``truth`` is what was injected, in ``unit``; ``found`` and ``expected`` are medians over blocks of ``metric``.
    ``recovered``: the interval holds 1. A campaign in which one is not is void.
    """

    id: str
    text: str
    scenario: str
    load: str
    metric: str
    unit: str
    truth: float
    found: Number = None
    expected: Number = None
    blocks: int
    recovered: bool


class Run(Row):
    """``run.json``.

    ``fixed``: SHA-256 of the files that say what decides, from before the run began. ``judged_by``: of those by which
    ``claims`` and ``decision`` were judged; where they are others, that was after the fact, and the report says so.
    ``known_effects_exempt`` says why nothing was injected, where that was so.
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
    machines: list[MachineRow] = []
    known_effects: list[KnownEffectRow] = []
    known_effects_exempt: str | None = None
    scaling: list[ScalingRow] = []
    fits: list[FitRow] = []
    claims: list[ClaimRow] = []
    decision: DecisionRow | None = None
    evidence: list[EvidenceRow] = []
    fixed: dict[str, str] = {}
    judged_by: dict[str, str] = {}
    kernels: KernelMatrix | None = None


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
