"""How a campaign tells what it is doing. It prints nothing itself."""

from typing import Protocol


class Observer(Protocol):
    """Told of a campaign's progress, from the campaign's own thread."""

    def planned(self, cells: int, done: int, seconds: float) -> None:
        """There are ``cells`` cells, ``done`` of them finished by an earlier run; about ``seconds`` of load remain, if any."""
        ...

    def added(self, cells: int) -> None:
        """There are more cells than were planned, as a void block is run again; or fewer, as the rest of one is passed over."""
        ...

    def began(self, what: str) -> None:
        """Something that takes time has begun."""
        ...

    def finished(self, what: str) -> None:
        """A cell is in the journal."""
        ...

    def noted(self, what: str) -> None:
        """Something that a reader should know: a void, an error, a rerun."""
        ...
