"""One part measured by a process of its own, which can be stopped at any time and then cleans up after itself.

A worker speaks with its scheduler all the time; the process that measures does not, and shares no interpreter with it. Its
journal and its requests' files are in a folder of the worker's until the part is whole.
"""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from harness.campaign.journal import CampaignError, Journal, Record
from harness.campaign.parts import Part
from harness.campaign.plan import Plan

POLL = 0.2  # seconds between two looks at whether the part is still wanted
CLEANING = 60.0  # seconds in which a stopped process takes down its labs
SENT = ("cell", "survey", "unmeasured")


@dataclass(frozen=True, slots=True)
class Job:
    """A part to measure. ``rates`` are requests a second, by scenario; void loads may be run again for ``rerun`` seconds."""

    campaign: str
    number: int
    plan: Plan
    part: Part
    rates: Mapping[str, float]
    rerun: float


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a part came to: the records for the journal, and the requests' Parquet files by name."""

    records: Sequence[Record]
    requests: Mapping[str, bytes]


class JobFailed(Exception):
    """A part could not be measured; what a user is told."""


class Unwanted(Exception):
    """Nobody waits for the part any more; it was stopped, and has cleaned up."""


Say = Callable[[str, str], None]
"""Told of progress: the name of an Observer's method, and its text."""


def measured(job: Job, folder: Path, say: Say, wanted: Callable[[], bool]) -> Delivered:
    """Measure the job in a process of its own, below ``folder``. Raises JobFailed, Unwanted."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_body, args=(theirs, job, folder / f"{job.campaign}-{job.number}"), daemon=True)
    process.start()
    theirs.close()
    try:
        while wanted():
            with suppress(EOFError):
                if not ours.poll(POLL):
                    continue
                kind, *rest = ours.recv()
                if kind == "delivered":
                    delivered: Delivered = rest[0]
                    return delivered
                if kind == "failed":
                    raise JobFailed(rest[0])
                say(kind, rest[0])
                continue
            process.join(CLEANING)
            raise JobFailed(f"the process that measured {job.part} ended with status {process.exitcode}")
        raise Unwanted
    finally:
        ours.close()  # the process hears its end as the word to stop
        process.join(CLEANING)


class _Sayer:
    """The campaign's observer in that process: everything goes to the worker."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def planned(self, cells: int, done: int, seconds: float) -> None:
        """See Observer."""

    def added(self, cells: int) -> None:
        """See Observer."""
        self._pipe.send(("added", str(cells)))

    def began(self, what: str) -> None:
        """See Observer."""
        self._pipe.send(("began", what))

    def finished(self, what: str) -> None:
        """See Observer."""
        self._pipe.send(("finished", what))

    def noted(self, what: str) -> None:
        """See Observer."""
        self._pipe.send(("noted", what))


def _body(pipe: Connection, job: Job, folder: Path) -> None:
    """The process: measure, hand over, and end; stopped when the pipe ends, whoever ended."""
    os.setsid()  # a terminal's Ctrl-C is for the worker, which ends the pipe
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, _interrupted)
    threading.Thread(target=_stop_with, args=(pipe,), daemon=True).start()
    message: tuple[Any, ...]
    try:
        message = ("delivered", _measure(job, folder, _Sayer(pipe)))
    except (KeyboardInterrupt, BrokenPipeError):
        return
    except Exception as error:
        message = ("failed", f"{job.part}: {error}" if str(error) else f"{job.part}: {error!r}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # nothing is left to stop, and the worker ends the pipe next
    with suppress(BrokenPipeError):
        pipe.send(message)


def _interrupted(number: int, frame: FrameType | None) -> None:
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _stop_with(pipe: Connection) -> None:
    with suppress(EOFError, OSError):
        pipe.recv()
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGINT)


def _measure(job: Job, folder: Path, sayer: _Sayer) -> Delivered:
    from harness import meters, traffic  # noqa: PLC0415 -- the worker itself measures nothing
    from harness.campaign.run import Campaign  # noqa: PLC0415
    from harness.dataplanes import find  # noqa: PLC0415
    from harness.lab.idle import kept_awake  # noqa: PLC0415
    from harness.lab.turns import turn  # noqa: PLC0415

    folder.mkdir(parents=True)
    journal = Journal(folder / "journal.jsonl")
    usable = meters.usable(lambda name, reason: journal.append("unmeasured", meter=name, reason=reason))
    sayer.began("waiting for its turn on the machine")
    with turn(alone=True), kept_awake():
        Campaign(
            job.plan, folder, journal, sayer, planes={arm.dataplane: find(arm.dataplane) for arm in job.plan.arms},
            loads=traffic.registered(), meters=usable, rerun_until=time.monotonic() + job.rerun,
        ).measure(job.part, job.rates)  # fmt: skip
    files = sorted((folder / "requests").glob("*.parquet"))
    return Delivered(list(journal.records(*SENT)), {file.name: file.read_bytes() for file in files})


def adopt(delivered: Delivered, folder: Path, journal: Journal, worker: str) -> None:
    """Put a whole part into the campaign's folder, its requests first. Raises CampaignError on a full disk."""
    try:
        for name, content in delivered.requests.items():
            path = folder / "requests" / Path(name).name  # a name, never a path: it came over a network
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise CampaignError(f"{folder}: {error}; make room, then go on with `meshproof bench --resume`") from error
    known = {(record["meter"], record["reason"]) for record in journal.records("unmeasured")}
    for record in delivered.records:
        if record["kind"] == "unmeasured" and (record["meter"], record["reason"]) in known:
            continue
        fields = {name: value for name, value in record.items() if name not in ("kind", "at")}
        journal.append(record["kind"], **fields, worker=worker)
