"""Canaries: a flow that is begun again and again through a change that denies it, and so tells when that is really in force."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

import numpy as np

from harness.lab.build import c_program
from harness.lab.port import Lab, LabError
from harness.model.canary import CanarySeen
from harness.model.flow import Flow
from harness.traffic.arrivals import PROTOCOLS, Responder, packed
from harness.traffic.arrivals import Kind as Arrived
from harness.traffic.diary import Diary, Records
from harness.traffic.port import LoadFailed

SOURCE = Path(__file__).with_name("canary.c")
ANSWER_SECONDS = 5.0
RECORD = np.dtype([("kind", "u4"), ("port", "u4"), ("nonce", "u8"), ("began", "u8"), ("time", "u8")])


class Kind(IntEnum):
    """What a record of a canary says; see canary.c."""

    BEGAN = 1
    ANSWERED = 2


class Canary(Diary):
    """A flow that is begun again and again, to ``server``. Times are ns of CLOCK_MONOTONIC."""

    def __init__(self, flow: Flow, lab: Lab, server: Responder, period: float) -> None:
        self.flow = flow
        self._ends = [lab.pod(ref).pod.ip(flow.family) for ref in (flow.source, flow.destination)]
        self._server = server
        self._since = server.count()
        self._file = lab.folder / f"canary-{flow.source.replace('/', '-')}-{self._since}-{id(self)}"
        words = [str(self._file), flow.protocol.lower(), self._ends[1], str(flow.port), str(round(period * 1e6))]
        try:
            process = lab.pod(flow.source).start([str(c_program(SOURCE)), *words], component="probe")
        except LabError as error:
            raise LoadFailed(f"a canary of {flow} could not be started: {error}") from error
        super().__init__(f"the canary of {flow}", process, self._file, RECORD)

    def await_answered(self) -> bool:
        """Return when it was answered for the first time; False where it was not."""
        return self.await_that(lambda: len(self.of(Kind.ANSWERED)) > 0, "was answered", ANSWER_SECONDS)

    def await_begun(self, since: int, times: int) -> None:
        """Return when it was begun so many times from ``since`` on. Raises LoadFailed."""
        if not self.await_that(lambda: int((self.of(Kind.BEGAN)["began"] >= since).sum()) >= times, "was begun again"):
            raise LoadFailed(f"{self.what} hardly got a turn: when the change was in force is not known")

    def end(self) -> None:
        """Begin it no more."""
        self.process.stop()

    def forget_all(self) -> None:
        """Remove what it wrote down."""
        self._file.unlink(missing_ok=True)

    def seen(self, called: int, returned: int, *, at_interface: bool) -> CanarySeen:
        """What got through, of what its server has written down by now, where a change was called for and said to be in force.

        ``at_interface``: what came in at the server's interface got through, whether the server read it or not.
        """
        began = self.of(Kind.BEGAN)
        records = self._server.records(self._since)
        through = np.isin(began["nonce"], records["nonce"][records["nonce"] != 0])
        if at_interface and self.flow.protocol == "TCP":  # its SYN says nothing, but its port is its own: the next has another
            through |= np.isin(began["port"], self._came(records)["source_port"])
        meanwhile = (began["began"] >= called) & (began["began"] < returned)
        after = began["began"] >= returned
        return CanarySeen(
            self.flow,
            seconds=(returned - called) / 1e9,
            meanwhile=int(meanwhile.sum()),
            admitted=int((meanwhile & through).sum()),
            last=_last(began[meanwhile & through], called),
            after=int(after.sum()),
            late=int((after & through).sum()),
            latest=_last(began[after & through], returned),
        )

    def _came(self, records: Records) -> Records:
        """The packets with which the flow began at the server's interface."""
        source, destination = (np.void(packed(end)) for end in self._ends)
        found: Records = records[
            (records["kind"] == Arrived.FRAME)
            & (records["protocol"] == PROTOCOLS[self.flow.family][self.flow.protocol])
            & (records["port"] == self.flow.port)
            & (records["source"] == source)
            & (records["destination"] == destination)
        ]
        return found


def _last(began: Records, since: int) -> float:
    return max((int(began["began"].max()) - since) / 1e9, 0.0) if len(began) else 0.0


@contextmanager
def canary(flow: Flow, lab: Lab, server: Responder, period: float) -> Iterator[Canary]:
    """Begin ``flow`` (TCP or UDP) every ``period`` seconds until it is ended; entered when its client runs.

    Raises LoadFailed.
    """
    one = Canary(flow, lab, server, period)
    try:
        yield one
    finally:
        one.end()
        one.forget_all()
