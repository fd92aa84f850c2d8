"""Changes of a cluster's pods, and streams that go on through them."""

from dataclasses import dataclass

from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin
from harness.model.topology import Pod


@dataclass(frozen=True, slots=True)
class PodDeleted:
    """A pod goes, and its addresses are free."""

    origin: Origin
    ref: str


@dataclass(frozen=True, slots=True)
class PodCreated:
    """A pod comes, with the addresses that ``addresses_of`` had, a pod that was deleted; else with some that nobody had."""

    origin: Origin
    pod: Pod
    addresses_of: str | None = None


PodChange = PodDeleted | PodCreated


@dataclass(frozen=True, slots=True)
class StreamExpectation:
    """What becomes of an open stream. ``stream`` are its ends as they were called when it was opened.

    ``asked`` is the same flow between those who have its addresses now. ``moved``: in this step one of them got a new owner, so
    that nothing can be said of what was sent before the step was in force.
    """

    origin: Origin
    stream: Flow
    asked: Flow
    verdict: Verdict
    moved: bool = False


@dataclass(frozen=True, slots=True)
class StreamSeen:
    """What became of the messages of a stream that were sent from one moment to another.

    ``answered`` and ``unanswered`` of those that were ``sent``, ``arrived`` at a server, whosoever. ``attempts``: connections
    that were tried; ``ended``: established ones that ended; ``lost``: TCP segments that the client's kernel had to send again,
    less those of which the peer said that it had them already; ``slowest``: seconds from sending to the answer.
    ``stuck``: nothing that was sent afterwards was answered either.
    """

    sent: int
    arrived: int
    unanswered: int = 0
    first_unanswered: float | None = None  # seconds from the first moment to the sending of the first that nobody answered
    attempts: int = 0
    ended: int = 0
    lost: int = 0
    slowest: float = 0.0
    stuck: bool = False

    @property
    def answered(self) -> int:
        """How many were answered."""
        return self.sent - self.unanswered
