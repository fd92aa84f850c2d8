"""The port behind which machines stand that measure parts of a campaign."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.campaign.job import Delivered, Job
from harness.campaign.machines import Identity


@dataclass(frozen=True, slots=True)
class Said:
    """A worker's progress with a job: ``took`` where it begins, else the name of an Observer's method with its text."""

    number: int
    worker: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Came:
    """A job is done."""

    number: int
    worker: str
    delivered: Delivered


@dataclass(frozen=True, slots=True)
class Failed:
    """A job cannot be done, on any worker."""

    number: int
    text: str


Event = Said | Came | Failed


class Crew(Protocol):
    """Workers, each of which measures one job at a time. Every method raises CampaignError where nobody answers any more."""

    def workers(self) -> Mapping[str, Identity | str]:
        """Who is there now, by name; a text says why a worker cannot tell who it is."""
        ...

    def start(self, job: Job, worker: str, *, alone: bool) -> None:
        """Give a job to a free worker. Where that is lost another begins it anew, unless it is for that one ``alone``."""
        ...

    def drop(self, number: int) -> None:
        """Forget a job."""
        ...

    def happened(self, seconds: float) -> Sequence[Event]:
        """What has happened since the last call; waits so long for something."""
        ...

    def stop(self) -> None:
        """End all jobs, and wait until the workers have cleaned up."""
        ...
