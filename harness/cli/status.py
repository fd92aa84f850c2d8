"""Exit statuses, and how a failure becomes one line on standard error and one of them."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType

from harness.campaign.journal import CampaignError
from harness.dataplanes import NoSuchDataPlane
from harness.dataplanes.port import DataPlaneError
from harness.lab.port import LabError
from harness.manifests.errors import ManifestError
from harness.meters.port import MeterError
from harness.report.run import RunError
from harness.traffic.port import LoadFailed


class Status(IntEnum):
    """What a program may rely on (docs/command-line.md)."""

    EXPECTED = 0
    UNEXPECTED = 1
    BAD_INPUT = 2
    CANNOT = 3
    VOID = 4
    INTERRUPTED = 130


class UsageError(Exception):
    """Arguments that do not go together."""


FAILURES: dict[type[Exception], Status] = {
    ManifestError: Status.BAD_INPUT,
    RunError: Status.BAD_INPUT,
    NoSuchDataPlane: Status.BAD_INPUT,
    UsageError: Status.BAD_INPUT,
    CampaignError: Status.CANNOT,
    DataPlaneError: Status.CANNOT,
    LabError: Status.CANNOT,
    LoadFailed: Status.CANNOT,
    MeterError: Status.CANNOT,
}


def say(line: str) -> None:
    """A line for people, on standard error."""
    print(line, file=sys.stderr)


def guarded(command: Callable[[], object]) -> int:
    """Run a command; its known failures become one line each and an exit status, never a traceback."""
    try:
        result = command()
    except tuple(FAILURES) as error:
        for line in str(error).splitlines():
            say(line if isinstance(error, ManifestError) else f"meshproof: {line}")
        return next(status for kind, status in FAILURES.items() if isinstance(error, kind))
    except OSError as error:
        say(f"meshproof: {error.filename or 'system'}: {error.strerror}")
        return Status.CANNOT
    except KeyboardInterrupt as interrupt:
        say(f"meshproof: interrupted{': ' + str(interrupt) if interrupt.args else ''}")
        return Status.INTERRUPTED
    return int(result) if isinstance(result, int) else Status.EXPECTED


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end the work as Ctrl-C does, cleaning up; while that goes on, a second signal changes nothing."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        say("meshproof: interrupted; cleaning up")
        raise KeyboardInterrupt

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
