"""Our own generators, openloop.c and blocking.c, run in a pod: their command line, markers, and the records that they leave."""

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.lab.build import c_program
from harness.lab.port import LabError, LabPod, Process
from harness.model.bench import LoadPoint
from harness.traffic.port import Gauge, LoadFailed, Requests
from harness.traffic.tool import failure, not_understood, start

SOURCE = Path(__file__).with_name("openloop.c")
BLOCKING = Path(__file__).with_name("blocking.c")
TIMEOUT = 5.0  # seconds after the last intended time until what is unanswered is given up
GRACE = 15.0  # seconds beyond all that a run may take, until it is taken for hung
POLL = 0.01  # seconds between looks for a marker; figures do not depend on it
NAP = 1.0  # seconds between looks while requests are timed: each look takes a processor from someone
RECORD = np.dtype(
    [
        ("intended", "<u8"),
        ("sent", "<u8"),
        ("done", "<u8"),
        ("lag", "<u8"),
        ("status", "<u2"),
        ("failure", "<u2"),
        ("form", "<u4"),
    ]
)
"""``struct record`` of schedule.h. ``form``: 0 is the load's own request, others are those of its mix, in order."""

FAILURES = ("", "connect failed", "connection broken", "unanswered", "malformed answer", "a blocking socket said EAGAIN")
"""``enum failure`` of schedule.h."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of the generator left. ``records`` include the warm-up; the measured ones begin at ``first``.

    Times are ns of CLOCK_MONOTONIC: ``begin`` and ``end`` of the measured part as planned, and ``gauged``, when the
    gauge began to read.
    """

    records: npt.NDArray[np.void]
    first: int
    begin: int
    end: int
    gauged: int

    @property
    def requests(self) -> Requests:
        """The measured requests."""
        measured = self.records[self.first :]
        return Requests(*(np.ascontiguousarray(measured[each.name]) for each in fields(Requests)))

    @property
    def answered(self) -> int:
        """How many of the measured requests got a 2xx answer."""
        return int(np.count_nonzero(_successful(self.records[self.first :])))

    @property
    def errors(self) -> int:
        """How many of the measured requests did not."""
        return len(self.records) - self.first - self.answered

    @property
    def count(self) -> int:
        """How many 2xx answers came while the gauge was reading."""
        return int(np.count_nonzero(_successful(self.records) & (self.records["done"] >= self.gauged)))

    @property
    def seconds(self) -> float:
        """From the planned begin to the planned end, or to the last answer where that came later."""
        last = int(self.records["done"].max(initial=0))
        return (max(last, self.end) - self.begin) / 1e9

    @property
    def service_time_p50(self) -> float:
        """Median from send to answer over the measured requests, in seconds; one without a 2xx answer took for ever."""
        measured = self.records[self.first :]
        taken = np.where(_successful(measured), measured["done"].astype(np.float64) - measured["sent"], np.inf)
        return float(np.percentile(taken, 50, method="inverted_cdf")) / 1e9 if len(taken) else 0.0

    @property
    def lag_p99(self) -> float:
        """99th percentile of the generator's own lag over the measured requests that were sent, in seconds."""
        measured = self.records[self.first :]
        lags = measured["lag"][measured["sent"] > 0]
        return float(np.percentile(lags, 99)) / 1e9 if len(lags) else 0.0


def _successful(records: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    answered: npt.NDArray[np.bool_] = (records["done"] > 0) & (records["status"] // 100 == 2)
    return answered


def generate(
    client: LabPod,
    address: str,
    port: int,
    point: LoadPoint,
    rate: float,
    gauge: Gauge,
    *,
    spin: float,
    fresh: bool = False,
    numbered: bool = False,
    timeout: float = TIMEOUT,
    source: Path = SOURCE,
) -> Run:
    """Send ``point``'s load to ``address``. ``rate`` 0 is the closed loop; ``spin`` (s) is how long before a send it polls.

    ``fresh`` uses a new connection for each request. ``numbered`` adds a header ``x-request-id``, the request's place in the
    run's records in ten digits, so that what an interface shows can be told apart (not of blocking.c). What is unanswered
    ``timeout`` seconds after the end is given up. ``source`` is the generator's. Raises LoadFailed.
    """
    with tempfile.TemporaryFile() as output:
        # A file without a name needs no clean-up, even after SIGKILL; the generator opens it through this process.
        argv = [
            str(_program(source)), "--address", address, "--port", str(port), *_forms(point), "--rate", repr(rate),
            "--seconds", repr(point.seconds), "--warmup", repr(point.warmup), "--connections", str(point.connections),
            "--arrivals", point.arrivals, "--connect", "each" if fresh else "once", "--spin", repr(spin),
            "--number", "yes" if numbered else "no", "--timeout", repr(timeout),
            "--output", f"/proc/{os.getpid()}/fd/{output.fileno()}",
        ]  # fmt: skip
        process = start(client, argv, "client")
        try:
            gauged = _follow(process, source.stem, point, gauge)
        finally:
            process.stop()
        said = process.log.read_text(errors="replace")
        return decode(said, np.fromfile(output, dtype=RECORD), gauged, source.stem)


def _forms(point: LoadPoint) -> Sequence[str]:
    """The load's requests as the generators' options say them."""
    words = ["--path", point.path]
    words += [word for name, value in point.headers for word in ("--header", f"{name}: {value}")]
    for part in point.mix:
        words += ["--mix", repr(part.percent), "--path", part.path]
        words += [word for name, value in part.headers for word in ("--header", f"{name}: {value}")]
    return words


def decode(said: str, records: npt.NDArray[np.void], gauged: int, tool: str = "openloop") -> Run:
    """A run from what the generator printed and the records that it wrote; raises LoadFailed where they do not agree."""
    try:
        summary = json.loads(said.splitlines()[-1])
        run = Run(records, summary["first"], summary["begin"], summary["end"], gauged)
        expected = summary["records"]
    except (ValueError, IndexError, KeyError, TypeError):
        raise not_understood(tool, said) from None
    if len(records) != expected:
        raise LoadFailed(f"{tool} says that it wrote {expected} records, its output has {len(records)}")
    return run


def _program(source: Path) -> Path:
    try:
        return c_program(source, "m")
    except LabError as error:
        raise LoadFailed(str(error)) from error


def _follow(process: Process, tool: str, point: LoadPoint, gauge: Gauge) -> int:
    """Drive the gauge by the generator's markers until its end; returns when (ns) the gauge began to read."""
    deadline = time.monotonic() + point.warmup + point.seconds + 2 * TIMEOUT + GRACE
    _await_line(process, tool, "begin", deadline)
    before = time.monotonic_ns()
    gauge.begin()
    gauged = (before + time.monotonic_ns()) // 2
    _leave_alone(process, before / 1e9 + point.seconds)
    _await_line(process, tool, "end", deadline)
    gauge.end()
    try:
        status = process.wait(GRACE)
    except TimeoutError as error:
        raise LoadFailed(f"{tool}: {error}") from error
    if status != 0:
        raise failure(tool, status, process.log.read_text(errors="replace"))
    return gauged


def _leave_alone(process: Process, until: float) -> None:
    """Sleep until then (s of CLOCK_MONOTONIC), or until the process is seen to have ended."""
    while (left := until - time.monotonic()) > 0 and process.poll() is None:
        time.sleep(min(left, NAP))


def _await_line(process: Process, tool: str, line: str, deadline: float) -> None:
    while True:
        status = process.poll()  # before the look, so that what it printed last is seen
        lines: Sequence[str] = process.log.read_text(errors="replace").splitlines()
        if line in lines:
            return
        if status is not None:
            raise failure(tool, status, "\n".join(lines))
        if time.monotonic() > deadline:
            raise LoadFailed(f"{tool} hangs: no line {line!r} in its log")
        time.sleep(POLL)
