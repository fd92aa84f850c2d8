"""What a load is: something that runs between two pods for a stated time and says what happened."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from harness.lab.port import LabPod
from harness.model.bench import LoadPoint
from harness.model.result import Metric


class LoadFailed(Exception):
    """A load tool died or printed what cannot be understood; says which, where and what it printed."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Times of each request in ns of CLOCK_MONOTONIC, in order of intent; equal lengths. Warm-up is not among them.

    ``done`` is 0 for a request that failed. ``status`` is the HTTP status, 0 without an answer.
    ``lag`` is how long the generator itself was late (the wait for a free connection is not its fault and is not in it).
    ``form`` is 0 for the load's own request, and the place in its mix, from 1, for another.
    """

    intended: npt.NDArray[np.uint64]
    sent: npt.NDArray[np.uint64]
    done: npt.NDArray[np.uint64]
    lag: npt.NDArray[np.uint64]
    status: npt.NDArray[np.uint16]
    form: npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What a load did after its warm-up. ``count`` is what per-request figures divide by (bytes for bulk)."""

    count: int
    errors: int
    seconds: float
    metrics: tuple[Metric, ...] = ()
    requests: Requests | None = None


class Gauge(Protocol):
    """Called by a load when its warm-up is over, and when its measured part is."""

    def begin(self) -> None: ...

    def end(self) -> None: ...


class Load(Protocol):
    """One kind of traffic; modules of this package list theirs in ``LOADS``."""

    @property
    def kind(self) -> str: ...

    def run(
        self,
        client: LabPod,
        server: LabPod,
        port: int,
        point: LoadPoint,
        rate: float,
        gauge: Gauge,
        *,
        address: str | None = None,
    ) -> LoadResult:
        """Raises LoadFailed. ``rate`` in requests a second, already resolved; ignored by closed loops.

        ``address`` is asked instead of the server's own: a Service's.
        """
        ...
