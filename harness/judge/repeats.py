"""Whether a suite that is run again and again says the same each time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.model.case import CaseOutcome

Round = Mapping[tuple[str, str], CaseOutcome]
"""What one round came to, by case and data plane."""


@dataclass(frozen=True, slots=True)
class Flake:
    """A case on a data plane that did not come to the same in every round; ``outcomes`` has one entry a round."""

    case: str
    dataplane: str
    outcomes: tuple[CaseOutcome | None, ...]


def flakes(rounds: Sequence[Round]) -> list[Flake]:
    """Every case and data plane whose outcome is not the same in all rounds; one that a round lacks is among them."""
    keys = dict.fromkeys(key for each in rounds for key in each)
    seen = {key: tuple(each.get(key) for each in rounds) for key in keys}
    return [Flake(*key, outcomes) for key, outcomes in seen.items() if len(set(outcomes)) > 1]
