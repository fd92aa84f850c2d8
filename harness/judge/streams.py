"""What streams show of a change: whether one that is allowed had a gap, and whether one that is denied still got through.

Nothing is judged by when it was seen. Each message says when it was given to the kernel, and ends write down all that they
read: what was sent before a moment is told from what was sent after it, however late a busy machine lets either be read.
"""

from harness.model.churn import StreamExpectation, StreamSeen
from harness.model.flow import Verdict

STALL_SECONDS = 0.15
"""Less than the least time after which Linux sends a TCP segment again that nothing else told it was lost (0.2 s)."""


def observed(expectation: StreamExpectation, found: StreamSeen, *, continued: bool) -> tuple[Verdict, str]:
    """The verdict on an open stream, and by what. ``continued``: ``found`` reaches over the change itself.

    A denied stream is dropped if nothing of it reached any server. A datagram without an answer is a gap. TCP repairs what is
    lost, so there a gap is a connection that ended, or that stalled *and* whose kernel says that segments were lost: of a
    stall alone the machine may be guilty.
    """
    counted = f"{found.answered} of {found.sent} messages answered, {found.arrived} arrived"
    if expectation.verdict is not Verdict.FORWARDED:
        if found.arrived:
            return Verdict.FORWARDED, f"stream: {counted}, all sent after the change was in force"
        return Verdict.DROPPED, f"stream: {counted}, {found.attempts} connections tried"
    gap = _gap(expectation, found, continued=continued)
    if gap is None:
        return Verdict.FORWARDED, f"stream: {counted}, the slowest after {found.slowest * 1000:.0f} ms"
    return Verdict.DROPPED, f"stream with a gap: {gap}; {counted}"


def _gap(expectation: StreamExpectation, found: StreamSeen, *, continued: bool) -> str | None:
    if found.stuck:
        return "nothing is answered any more"
    if expectation.stream.protocol == "UDP":
        if found.first_unanswered is None:
            return None
        return f"{found.unanswered} datagrams unanswered, the first sent after {found.first_unanswered * 1000:.1f} ms"
    if continued and found.ended:
        return f"the connection ended, {found.ended} times"
    if continued and found.lost and found.slowest > STALL_SECONDS:
        return f"{found.lost} segments lost, an answer after {found.slowest * 1000:.0f} ms"
    return None
