"""A change of policies with a canary through it: a flow that was allowed before and is denied by it, begun again and again."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from zlib import crc32

from harness.campaign.conformance.features import manner
from harness.dataplanes.port import DataPlane, Revision
from harness.judge.canary import judge_canary
from harness.judge.conformance import Judgement, admitted
from harness.lab.port import Lab
from harness.model.bench import Expectation, Opened
from harness.model.canary import CanarySeen
from harness.model.case import Step
from harness.model.cilium import Policy
from harness.model.fault import Symptom
from harness.model.flow import Flow, Verdict
from harness.model.topology import Topology
from harness.model.verdict import Answer
from harness.oracle import direct
from harness.traffic.arrivals import Responder, settle
from harness.traffic.canary import Canary, canary

PERIOD = 0.001
PERIODS = {Verdict.REJECTED: 0.025}
"""Seconds between two beginnings, where a plane denies by refusing: a connection through proxies costs milliseconds."""

AFTER = 5
"""How many times a canary is begun after the change is said to be in force."""

ASKED = 64
"""Of how many denied flows it is asked whether they were allowed before, until one was."""


def flow_that_turns(step: Step, in_force: Sequence[Policy], topology: Topology) -> Expectation | None:
    """A flow that ``step`` denies and the policies before it allow, or None. Not always the first: other cases, other ends."""
    denied = [
        each
        for each in step.expectations
        if not admitted(each)
        and (each.opened, each.credentials, each.flow.request) == (Opened.NOW, None, None)
        and each.flow.protocol != "ICMP"
    ]
    start = crc32(str(step.origin).encode()) % len(denied) if denied else 0
    turned = (
        each
        for each in islice([*denied[start:], *denied[:start]], ASKED)
        if direct.answer(each.flow, in_force, topology).verdict is Verdict.FORWARDED
    )
    return next(turned, None)


class WatchedChange:
    """A change through which ``bird`` is begun again and again; None where no flow turns from allowed to denied."""

    def __init__(self, turning: Expectation | None, bird: Canary | None, server: Responder | None, at_interface: bool) -> None:
        self._turning = turning
        self._bird = bird
        self._server = server
        self._at_interface = at_interface
        self._sang = bird is None or bird.await_answered()
        self._called = self._returned = 0

    def make(self, change: Callable[[], Revision]) -> Revision:
        """Make the change, and go on for a while when it is said to be in force."""
        self._called = time.monotonic_ns()
        revision = change()
        self._returned = time.monotonic_ns()
        return revision

    def end(self) -> None:
        """Begin the flow a few times more, and then never again. Raises LoadFailed."""
        if self._bird is not None and self._sang:
            self._bird.await_begun(self._returned, AFTER)
            self._bird.end()

    def judged(self, answers: Mapping[Flow, Answer]) -> tuple[Judgement, CanarySeen | None]:
        """What it proves, and what was seen of the flow until now. Raises LoadFailed."""
        if self._turning is None or self._bird is None or self._server is None:
            return Judgement((), "", None), None
        if not self._sang:
            fault = f"{self._turning.origin}: {self._turning.flow}: not answered before this step, whose predecessor allows it"
            return Judgement((fault,), "none", None, frozenset({Symptom.DENIES})), None
        settle([self._server])
        seen = self._bird.seen(self._called, self._returned, at_interface=self._at_interface)
        return judge_canary(seen, self._turning, answers), seen


@contextmanager
def watched_change(
    step: Step, in_force: Sequence[Policy] | None, plane: DataPlane, lab: Lab, servers: Mapping[str, Responder]
) -> Iterator[WatchedChange]:
    """Entered when the canary got its first answer under the policies ``in_force``; None where those are not known.

    Raises LoadFailed where there is no canary to be had.
    """
    turning = None if in_force is None else flow_that_turns(step, in_force, lab.topology)
    if turning is None:
        yield WatchedChange(None, None, None, False)
        return
    denies = manner(turning, plane)
    server = servers[turning.flow.destination]
    period = PERIODS.get(denies, PERIOD) if denies is not None else PERIOD
    with canary(turning.flow, lab, server, period) as bird:
        yield WatchedChange(turning, bird, server, at_interface=denies is Verdict.DROPPED)
