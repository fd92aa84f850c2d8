"""What a meter is: it reads before and after a load's measured part, and gives figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.dataplanes.port import Component
from harness.lab.port import Lab, LabPod
from harness.model.result import Metric
from harness.traffic.port import LoadResult


class MeterError(Exception):
    """A meter cannot read here: what is missing, and what to do."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: a lab, the pods under load, and the data plane's components.

    ``backends`` are the pods that answer, the server among them, where a Service is asked. ``path_counts`` reads how many
    requests took which path so far, by name, where the plane counts them. ``port`` is the servers'.
    """

    lab: Lab
    client: LabPod
    server: LabPod
    components: Sequence[Component]
    backends: Sequence[LabPod] = ()
    path_counts: Callable[[], Mapping[str, int]] | None = None
    port: int = 8080

    @property
    def servers(self) -> Sequence[LabPod]:
        """All pods that answer."""
        return self.backends or (self.server,)


class Reading(Protocol):
    """One measurement under way. It is a ``Gauge`` for the load; ``metrics`` is asked afterwards."""

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        """Figures of the time between begin and end; per-request ones are divided by ``load.count``.

        Asked once, before ``attachments``.
        """
        ...

    def attachments(self) -> Mapping[str, str]:
        """What a figure alone would lose, by name, as text that the campaign keeps beside the cell: an encoded histogram."""
        ...

    def close(self) -> None:
        """Give back what it holds; called once, also after a failure."""
        ...


class Meter(Protocol):
    """One kind of figure; modules of this package list theirs in ``METERS``."""

    @property
    def name(self) -> str: ...

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of load in which it reads (``LoadKind`` values); a meter that disturbs reads only in ``trace``."""
        ...

    def available(self) -> str | None:
        """None where it can read, else what this machine lacks, in plain words."""
        ...

    def open(self, subject: Subject) -> Reading:
        """Raises MeterError."""
        ...
