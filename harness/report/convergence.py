"""How long changes of policy took, and what got through meanwhile."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Seen(Protocol):
    """The figures of a canary; CanarySeen says what they are."""

    @property
    def meanwhile(self) -> int: ...
    @property
    def admitted(self) -> int: ...
    @property
    def last(self) -> float: ...
    @property
    def after(self) -> int: ...
    @property
    def late(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Canaries:
    """What canaries saw of ``changes``: flows that those deny, begun again and again while they were on their way into force.

    ``begun`` in that time, of which ``admitted`` got through; ``last_p50`` and ``last_p99``: over the changes, the seconds from
    the call to the last one that got through. ``after``: begun when a change was said to be in force; ``late`` of them got
    through all the same.
    """

    changes: int
    begun: int
    admitted: int
    last_p50: float
    last_p99: float
    after: int
    late: int

    @classmethod
    def of(cls, seen: Sequence[Seen]) -> "Canaries":
        """Of at least one change."""
        last = [each.last for each in seen]
        return cls(
            len(seen),
            sum(each.meanwhile for each in seen),
            sum(each.admitted for each in seen),
            quantile(last, 0.5),
            quantile(last, 0.99),
            sum(each.after for each in seen),
            sum(each.late for each in seen),
        )


@dataclass(frozen=True, slots=True)
class Convergence:
    """Seconds from handing policies over to their enforcement as the data plane says, over its ``count`` changes.

    ``canaries``: what was seen of some of them from outside.
    """

    count: int
    p50: float
    p99: float
    canaries: Canaries | None = None

    @classmethod
    def of(cls, seconds: Sequence[float], canaries: Sequence[Seen] = ()) -> "Convergence":
        """Of at least one change."""
        seen = Canaries.of(canaries) if canaries else None
        return cls(len(seconds), quantile(seconds, 0.5), quantile(seconds, 0.99), seen)

    @property
    def words(self) -> str:
        """For a line of text."""
        changes = f"{self.count} change{'' if self.count == 1 else 's'} of policy enforced after"
        said = f"{changes} p50 {self.p50 * 1000:.1f} ms, p99 {self.p99 * 1000:.1f} ms"
        if self.canaries is None:
            return said
        return (
            f"{said}; of {self.canaries.begun} denied connections begun meanwhile {self.canaries.admitted} got through, "
            f"of {self.canaries.after} begun after it {self.canaries.late}"
        )


def quantile(values: Sequence[float], share: float) -> float:
    """Of at least one value; between two of them the larger."""
    return sorted(values)[math.ceil(share * (len(values) - 1))]
