"""What a run leaves behind: measured samples, estimates over blocks, and voids. Units are SI and spelt out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of one cell. ``component`` is empty for the cell as a whole.

    Names and units used across planes: ``latency_p50`` etc. (s), ``throughput`` (1/s),
    ``bulk`` (bit/s), ``cpu_per_request`` (s), ``pss`` (B), ``context_switches``, ``syscalls``,
    ``stack_traversals`` (per request), ``bpf_run_time`` (s per run), ``lag_p99`` (s), ``errors`` (requests).
    """

    name: str
    value: float
    unit: str
    component: str = ""


@dataclass(frozen=True, slots=True)
class CellKey:
    """What identifies one measurement: a load of a scenario on one attachment of a plane, in one block.

    ``arm`` is the attachment that is measured: the plane's name, or ``name#2`` for the second half of the A/A pair.
    """

    block: int
    scenario: str
    load: str
    arm: str

    def __str__(self) -> str:
        return f"block {self.block} {self.scenario}/{self.load} on {self.arm}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A row of run.json: one metric of one cell over all blocks, or its paired ratio to another plane.

    ``against`` is None for an absolute value in ``unit``; otherwise the value is the median over blocks of
    the ratio dataplane/against, ``unit`` is "ratio", and ``level`` is the confidence actually reached.
    """

    cell: str
    scenario: str
    dataplane: str
    metric: str
    unit: str
    estimate: float
    low: float
    high: float
    level: float
    against: str | None
    blocks: int
    void: int
    component: str = ""
    equal_features: bool | None = None
    family_low: float | None = None
    family_high: float | None = None
    family_level: float | None = None
    different: bool | None = None
