"""What became of a flow that a change denies, begun again and again while that change was on its way into force."""

from dataclasses import dataclass

from harness.model.flow import Flow


@dataclass(frozen=True, slots=True)
class CanarySeen:
    """Counts of ``flow``, begun again and again: each is told by when it was begun, and whether its server got it.

    ``seconds``: from the call for the change until it was said to be in force. ``meanwhile`` were begun in that time, of which
    ``admitted`` got through, the last of them ``last`` seconds after the call. ``after`` were begun when the change was
    said to be in force, of which ``late`` got through all the same, the last ``latest`` seconds after that.
    """

    flow: Flow
    seconds: float
    meanwhile: int
    admitted: int
    last: float
    after: int
    late: int
    latest: float
