"""Exit statuses, and how a failure becomes one line on standard error and one of them."""

import os
import select
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType


class Status(IntEnum):
    """What a program may rely on (docs/command-line.md)."""

    EXPECTED = 0
    UNEXPECTED = 1
    BAD_INPUT = 2
    CANNOT = 3
    VOID = 4
    INTERRUPTED = 130
    READER_GONE = 141  # as a shell shows a program that SIGPIPE ended


class UsageError(Exception):
    """Arguments that do not go together."""


FAILURES: Mapping[str, Status] = {
    "harness.manifests.errors.ManifestError": Status.BAD_INPUT,
    "harness.report.run.RunError": Status.BAD_INPUT,
    "harness.dataplanes.NoSuchDataPlane": Status.BAD_INPUT,
    "harness.cli.status.UsageError": Status.BAD_INPUT,
    "harness.campaign.journal.CampaignError": Status.CANNOT,
    "harness.dataplanes.port.DataPlaneError": Status.CANNOT,
    "harness.lab.port.LabError": Status.CANNOT,
    "harness.traffic.port.LoadFailed": Status.CANNOT,
    "harness.search.shrinking.NothingLearnt": Status.CANNOT,
    "harness.meters.port.MeterError": Status.CANNOT,
}
"""By name, so that a command imports none of the rooms that it does not use."""


def status_of(error: Exception) -> Status | None:
    """The exit status of a failure that users are told in a line; None of one that is a fault of the program."""
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)
    return next((FAILURES[name] for name in names if name in FAILURES), None)


def say(line: str) -> None:
    """A line for people, on standard error."""
    print(line, file=sys.stderr)


def say_not_judged(counts: Iterable[Mapping[str, int]]) -> None:
    """How many objects of which kinds are not judged, where there are any: they change nothing."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    if total:
        say(f"not judged: {', '.join(f'{count} {kind}' for kind, count in sorted(total.items()))}")


def guarded(command: Callable[[], object]) -> int:
    """Run a command; its known failures become one line each and an exit status, never a traceback."""
    try:
        result = command()
    except Exception as error:
        return _told(error)
    except KeyboardInterrupt as interrupt:
        say(f"meshproof: interrupted{': ' + str(interrupt) if interrupt.args else ''}")
        return Status.INTERRUPTED
    return int(result) if isinstance(result, int) else Status.EXPECTED


def _told(error: Exception) -> Status:
    """Say what failed. Raises ``error`` again where it is no known failure."""
    status = status_of(error)
    if status is not None:
        for line in str(error).splitlines():
            say(line if hasattr(error, "faults") else f"meshproof: {line}")  # a ManifestError's lines begin with FILE:LINE
        return status
    if isinstance(error, BrokenPipeError) and reader_gone():
        return Status.READER_GONE
    if isinstance(error, OSError):
        say(f"meshproof: {error.filename or 'system'}: {error.strerror}")
        return Status.CANNOT
    raise error


def reader_gone() -> bool:
    """Whether the reader of standard output has ended, as in ``meshproof ... | head -1``; then what is left goes nowhere."""
    output = select.poll()
    output.register(1, 0)
    gone = any(events & select.POLLERR for _, events in output.poll(0))
    if gone:  # or Python would complain once more when it flushes at its end
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
    return gone


@contextmanager
def interruptible(also: Callable[[], object] = lambda: None) -> Iterator[None]:
    """SIGTERM and SIGHUP end the work as Ctrl-C does, cleaning up; while that goes on, a second signal changes nothing.

    ``also`` is called at the first signal, to tell other threads: KeyboardInterrupt is raised in the main one alone.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        say("meshproof: interrupted; cleaning up")
        also()
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
