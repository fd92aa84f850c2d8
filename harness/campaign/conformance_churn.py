"""Cases whose pods come and go while streams are open: on the control first, then alike on every data plane at once.

Each case has a lab of its own on each plane, for it leaves other pods than it found.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from harness.campaign.conformance_oracles import Consulted
from harness.campaign.conformance_streams import OpenStreams
from harness.campaign.topologies import topologies
from harness.dataplanes.port import Attachment, DataPlane, DataPlaneError
from harness.judge.conformance import Judgement, Sight, judge
from harness.lab import netns
from harness.lab.port import Lab, LabError
from harness.model.bench import Expectation
from harness.model.case import Case, CaseOutcome, Step
from harness.model.churn import PodCreated, PodDeleted, StreamExpectation
from harness.model.fault import Symptom
from harness.model.flow import Verdict
from harness.traffic.port import LoadFailed
from harness.traffic.probe import probe_all
from harness.traffic.responder import serve_all

SECONDS = 0.9
NOTHING = Judgement((), "", None)

Asked = Callable[[Step, DataPlane, Lab, Attachment], list[Sight]]


@dataclass(frozen=True, slots=True)
class Churned:
    """What a case came to on a data plane.

    ``admitted``: messages of streams that got through while steps that deny them were on their way into force.
    """

    outcome: CaseOutcome
    reason: str
    judged: Judgement = NOTHING
    admitted: int = 0
    seconds: float = 0.0


Told = Callable[[Case, DataPlane, Churned], None]


def judge_churn(
    case: Case, planes: Sequence[DataPlane], control: DataPlane, consulted: Consulted, ask: Asked, tell: Told
) -> None:
    """Judge one case on all ``planes`` at once. ``ask`` asks the flows of a step, ``tell`` takes what came of it all."""
    try:
        astray = _on_control(case, control)
    except (LabError, DataPlaneError, LoadFailed) as error:
        astray = f"{case.origin}: control: {error}"

    def on(plane: DataPlane) -> None:
        if astray:
            tell(case, plane, Churned(CaseOutcome.ERROR, astray))
            return
        began = time.monotonic()
        try:
            outcome, reason, judged, admitted = _on_plane(case, plane, consulted, ask)
        except (LabError, DataPlaneError, LoadFailed) as error:
            outcome, reason, judged, admitted = CaseOutcome.ERROR, f"{case.origin}: {error}", NOTHING, 0
        tell(case, plane, Churned(outcome, reason, judged, admitted, time.monotonic() - began))

    with ThreadPoolExecutor(max(1, len(planes))) as pool:
        list(pool.map(on, planes))


class _Run:
    """A case in a lab of its own, with a data plane attached."""

    def __init__(self, case: Case, lab: Lab, attachment: Attachment, stack: ExitStack) -> None:
        self.lab = lab
        self.attachment = attachment
        flows = {each.flow.port for step in case.steps for each in step.expectations}
        self._ports = sorted(flows - {0})
        self._stack = stack
        self._topologies = topologies(case, lab.topology)
        stack.enter_context(serve_all(lab.pods, self._ports))
        self.streams = OpenStreams(lab, sorted({each.port for step in case.steps for each in step.streams}), stack)

    def change(self, step: Step) -> tuple[int, int]:
        """Put a step in force and open its streams; when it was called for and when it was in force (ns, CLOCK_MONOTONIC)."""
        after = next(self._topologies)
        called = time.monotonic_ns()
        if step.keeps:
            removed = [self.lab.pod(each.ref).pod for each in step.pods if isinstance(each, PodDeleted)]
            for pod in removed:
                self.lab.remove_pod(pod.ref)
            # A server that answers a deleted client later, to the address of the next one, opens that one's way to itself.
            self.streams.settle()
            added = [self.lab.add_pod(after.pod(each.pod.ref)) for each in step.pods if isinstance(each, PodCreated)]
            if added:
                self._stack.enter_context(serve_all(added, self._ports))
            for new in added:
                self.streams.serve(new)
            self.attachment.pods_changed(added, removed)
            for new in added:
                self.lab.connect(new.pod.ref)
        else:
            self.attachment.apply(step.policies)
        enforced = time.monotonic_ns()
        self.streams.open(step.streams)
        return called, enforced


@contextmanager
def _running(case: Case, plane: DataPlane) -> Iterator[_Run]:
    with ExitStack() as stack:
        lab = stack.enter_context(netns.up(case.topology))
        yield _Run(case, lab, stack.enter_context(plane.attach(lab)), stack)


def _on_control(case: Case, control: DataPlane) -> str:
    """What did not get through where nothing denies, a line each."""
    astray = []
    with _running(case, control) as run:
        for step in case.steps:
            called, enforced = run.change(step)
            flows = [each.flow for each in step.expectations]
            for flow, seen in zip(flows, probe_all(flows, run.lab, SECONDS), strict=True):
                if seen.verdict is not Verdict.FORWARDED:
                    astray.append(f"{flow}: {seen.verdict} ({seen.detail}) on {control.name}, where nothing denies")
            open_to_all = [replace(each, verdict=Verdict.FORWARDED) for each in step.stream_expectations]
            for each, (verdict, detail) in run.streams.look(open_to_all, called, enforced)[0].items():
                if verdict is not Verdict.FORWARDED:
                    astray.append(f"{each.origin}: {each.asked}: {detail} on {control.name}, where nothing denies")
    return "\n".join(astray)


def _on_plane(case: Case, plane: DataPlane, consulted: Consulted, ask: Asked) -> tuple[CaseOutcome, str, Judgement, int]:
    """The case ends at its first step that is not as it should be."""
    judged, admitted = NOTHING, 0
    with _running(case, plane) as run:
        for step, answers in zip(case.steps, consulted.answers, strict=True):
            try:
                called, enforced = run.change(step)
            except DataPlaneError as error:  # it claims to support what the case asks for
                broken = Judgement((), "", None, frozenset({Symptom.BREAKS}))
                return CaseOutcome.FAIL, f"{step.origin}: the step is not in force: {error}", broken, admitted
            sights = ask(step, plane, run.lab, run.attachment)
            streams, more = run.streams.look(step.stream_expectations, called, enforced)
            admitted += more
            judged = judge([*sights, *(_sight(*each, run.attachment) for each in streams.items())], answers)
            if judged.faults:
                return CaseOutcome.FAIL, "\n".join(judged.faults), judged, admitted
    return CaseOutcome.PASS, "", judged, admitted


def _sight(each: StreamExpectation, found: tuple[Verdict, str], attachment: Attachment) -> Sight:
    verdict, detail = found
    evidence = None if verdict is Verdict.FORWARDED else attachment.evidence(each.asked)
    return Sight(Expectation(each.origin, each.asked, each.verdict), verdict, detail, evidence)
