"""What conformance cases ask about."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """A field, of a manifest or of a case, and a class of its values."""

    field: str
    value: str

    def __str__(self) -> str:
        return f"{self.field}: {self.value}"


@dataclass(frozen=True, slots=True, order=True)
class Noticed:
    """A misreading that changes a flow's verdict: ``field`` holds a value of the class ``value``, taken as ``taken`` says."""

    field: str
    value: str
    taken: str

    def __str__(self) -> str:
        return f"{self.field}: {self.value}, taken as: {self.taken}"


@dataclass(frozen=True, slots=True)
class CaseCoverage:
    """The pairs that a case asks about; ``own``: those of which no other does; ``alone``: what no other case notices.

    ``kills``: the seeded faults that name this case as the one to find them.
    """

    case: str
    generated: bool
    pairs: tuple[Pair, ...]
    own: tuple[Pair, ...]
    alone: tuple[Noticed, ...] = ()
    kills: tuple[str, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether the suite would be poorer without it."""
        return bool(self.own or self.alone or self.kills)
