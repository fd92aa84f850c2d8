"""Classes of workload, as written: what a data plane must show before it may replace the sidecars there."""

from dataclasses import dataclass
from enum import StrEnum

from harness.model.claim import Column, Endpoint
from harness.model.origin import Origin


class Answer(StrEnum):
    """What to do about the sidecars."""

    REPLACE = "replace"
    L4_ONLY = "L4 only"  # take connections from them, keep them for requests
    KEEP = "keep"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Needs:
    """What must hold. ``figures`` are endpoints of the candidate; ``supports`` are features that it must claim to have.

    ``claims`` are ids of the ledger, in the same column. ``unasked``: what else would have to be shown, and nothing
    measures yet.
    """

    cases: tuple[str, ...] = ()
    supports: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    figures: tuple[Endpoint, ...] = ()
    unasked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who would take the sidecars' place in a column, for connections and for requests."""

    l4: str
    l7: str


@dataclass(frozen=True, slots=True)
class WorkloadClass:
    """A class of workload, taken from ``rival``; ``l4`` and ``l7`` are None where nothing of that is needed.

    The figures of a group are written for each column's own candidate: ``l4`` and ``l7`` hold them by column.
    """

    origin: Origin
    id: str
    title: str
    why: str
    rival: str
    candidates: dict[Column, Candidate]
    l4: dict[Column, Needs] | None
    l7: dict[Column, Needs] | None
