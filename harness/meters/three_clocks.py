"""Three clocks side by side, request by request: the generator's own, the kernel's at its calls, the kernel's at an interface.

Each next one sees less of a request: what lies between the generator's two readings encloses the calls of the kernel that
carry the request and its answer, and those enclose what passes the interface.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from harness.meters.port import MeterError
from harness.traffic.generator import Run
from harness.traffic.sightings import Sightings

LIMIT = 0.02  # how far two clocks' percentiles may be from each other, as a share of the second's
PERCENTILES = (50, 99, 99.9)
Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Clocks:
    """Times of the same answered requests, ns of CLOCK_MONOTONIC; equal lengths, in the order in which they come to pass.

    ``sent`` and ``done`` are the generator's readings; ``entered`` and ``left`` the kernel's at the entry of send(2) and the
    exit of the recv(2) that completed the answer; ``asked`` and ``answered`` the kernel's at the interface.
    """

    sent: Times
    entered: Times
    asked: Times
    answered: Times
    left: Times
    done: Times

    @property
    def generator(self) -> Times:
        """What the generator says of each request."""
        return self.done - self.sent

    @property
    def calls(self) -> Times:
        """What the kernel says of the generator's calls."""
        return self.left - self.entered

    @property
    def interface(self) -> Times:
        """What passed the interface."""
        return self.answered - self.asked

    def astray(self, slack: int) -> int:
        """How many requests have a clock that saw something outside of what the clock around it saw.

        Where two of the kernel's clocks are compared by time of day, ``slack`` ns are allowed: how well their distance is
        known. Durations, and the generator beside its calls, are compared without any.
        """
        inside = (self.sent <= self.entered) & (self.left <= self.done) & (self.interface <= self.calls)
        inside &= (self.entered <= self.asked + slack) & (self.answered <= self.left + slack)
        return int(np.count_nonzero(~inside))


def aligned(run: Run, calls: Sightings, interface: Sightings, offset: int) -> Clocks:
    """The measured requests of a run that were answered, as all three saw them.

    ``offset`` is how many ns CLOCK_REALTIME, the interface's, is ahead of CLOCK_MONOTONIC. Raises MeterError where one of the
    observers misses a request: figures of those that are easily seen would not be those of all.
    """
    answered = np.flatnonzero(run.records["done"] > 0)
    numbers = answered[answered >= run.first]
    sent, done = (run.records[name][numbers].astype(np.int64) for name in ("sent", "done"))
    entered, left = _of(numbers, calls, "the calls")
    first, last = _of(numbers, interface, "the interface")
    return Clocks(sent, entered, first - offset, last - offset, left, done)


def _of(numbers: npt.NDArray[np.intp], seen: Sightings, where: str) -> tuple[Times, Times]:
    missed = np.setdiff1d(numbers, seen.number)
    if len(missed):
        raise MeterError(
            f"{len(missed)} of {len(numbers)} answered requests were not seen at {where}, first number {missed[0]}"
        )
    places = np.searchsorted(seen.number, numbers)
    return seen.asked[places], seen.answered[places]


def pooled(parts: Sequence[Clocks]) -> Clocks:
    """The requests of several loads, as if of one."""
    return Clocks(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Clocks)))


def percentiles(values: Times) -> Mapping[str, float]:
    """PERCENTILES by name, in µs."""
    return {f"p{each:g}": float(np.percentile(values, each)) / 1e3 for each in PERCENTILES}


def ratios(one: Times, other: Times) -> Mapping[str, float]:
    """The one's percentiles over the other's."""
    numerators, denominators = percentiles(one), percentiles(other)
    return {name: numerators[name] / denominators[name] for name in numerators}


def agree(one: Times, other: Times) -> bool:
    """Whether all percentiles of two clocks are within LIMIT of each other."""
    return all(abs(ratio - 1) <= LIMIT for ratio in ratios(one, other).values())
