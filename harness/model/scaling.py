"""Scaling scenarios as written: what is varied, over which points, on which data planes, and what is measured at each."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.model.origin import Origin


class Varied(StrEnum):
    """What grows from point to point."""

    PODS = "pods"
    POLICY_ENTRIES = "policy-entries"
    DATAPLANE = "dataplane"  # nothing grows: the data planes are compared with the first of them


class Measured(StrEnum):
    """What is measured at each point."""

    MEMORY = "memory"
    IDLE_CPU = "idle-cpu"
    START_UP = "start-up"
    POLICY_CHANGE = "policy-change"
    PACKET = "packet"
    REQUESTS = "requests"


MEASURABLE = {
    Varied.PODS: (Measured.MEMORY, Measured.IDLE_CPU, Measured.START_UP, Measured.POLICY_CHANGE),
    Varied.POLICY_ENTRIES: (Measured.PACKET, Measured.MEMORY, Measured.REQUESTS),
    Varied.DATAPLANE: (Measured.REQUESTS,),
}
"""What can be measured while something is varied."""


@dataclass(frozen=True, slots=True)
class ScalingScenario:
    """One subject of "how cost grows". ``blocks`` is how often each point is measured, each time anew and in random order.

    ``clusters``: how many clusters of Services every Envoy is told of, where pods are varied. ``quick_points`` are those of a
    quick run, which leaves the scenario out where there are none.
    """

    name: str
    title: str
    why: str
    origin: Origin
    vary: Varied
    points: Sequence[int]
    dataplanes: Sequence[str]
    measure: Sequence[Measured]
    blocks: int
    clusters: int = 0
    quick_points: Sequence[int] = ()
