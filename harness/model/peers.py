"""Programs that do the same, each with its share, and tell one another what came of theirs."""

from typing import Any, Protocol


class Peers(Protocol):
    """Who has the other shares."""

    def together(self, mine: dict[str, Any]) -> dict[str, Any]:
        """What all have found, by key: of keys that several have, the first one's that is not None. Returns when all are here.

        Values are JSON's.
        """
        ...


class Alone:
    """Nobody: what is found here is all."""

    def together(self, mine: dict[str, Any]) -> dict[str, Any]:
        """See Peers."""
        return mine


ALONE = Alone()
