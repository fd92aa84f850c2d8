"""Cases whose pods come and go while streams are open: on the control first, then alike on all data planes at once.

On each plane such cases share a lab of their own: after each of them the pods are again those of the topology.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from harness.campaign.conformance.apply import applied, followed
from harness.campaign.conformance.oracles import Consulted
from harness.campaign.conformance.sights import sights
from harness.campaign.conformance.streams import OpenStreams
from harness.campaign.topologies import topologies
from harness.dataplanes.port import Attachment, DataPlane, DataPlaneError
from harness.judge.conformance import Judgement, Sight, judge, refused
from harness.lab import netns
from harness.lab.addressing import plan
from harness.lab.port import Lab, LabError
from harness.model.bench import Expectation
from harness.model.case import Case, CaseOutcome, Step
from harness.model.churn import PodCreated, PodDeleted, StreamExpectation
from harness.model.flow import Verdict
from harness.model.topology import Pod, Topology
from harness.traffic.port import LoadFailed
from harness.traffic.probe import probe_all
from harness.traffic.responder import serve_all

SECONDS = 0.9
NOTHING = Judgement((), "", None)
_NOTHING_LEARNT = (LabError, DataPlaneError, LoadFailed)
_Said = TypeVar("_Said")


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
    rounds: Sequence[tuple[DataPlane, Sequence[Case]]],
    control: DataPlane,
    consulted: Mapping[str, Consulted],
    tell: Told,
    ending: Callable[[], bool],
) -> None:
    """Judge cases, all of one topology, on each plane of ``rounds``.

    ``tell`` takes what came of a case. Nothing more is begun when ``ending`` says so.
    """
    everything = list({case.id: case for _, cases in rounds for case in cases}.values())
    astray = {case.id: said for case, said in _series(everything, control, _on_control, str, ending)}

    def on(plane: DataPlane, cases: Sequence[Case]) -> None:
        for case in cases:
            if astray.get(case.id):
                tell(case, plane, Churned(CaseOutcome.ERROR, astray[case.id]))
        sound = [case for case in cases if case.id in astray and not astray[case.id]]

        def judged(case: Case, run: "_Run") -> Churned:
            return _on_plane(case, plane, run, consulted[case.id])

        def broken(error: Exception) -> Churned:
            return Churned(CaseOutcome.ERROR, str(error))

        for case, churned in _series(sound, plane, judged, broken, ending):
            tell(case, plane, churned)

    with ThreadPoolExecutor(max(1, len(rounds))) as pool:
        list(pool.map(lambda each: on(*each), rounds))


def _series(
    cases: Sequence[Case],
    plane: DataPlane,
    judged: Callable[[Case, "_Run"], _Said],
    broken: Callable[[Exception], _Said],
    ending: Callable[[], bool],
) -> Iterator[tuple[Case, _Said]]:
    """What ``judged`` says of each case, in labs that as many share as can; ``broken`` says it where nothing was learnt."""
    for group in _groups(cases):
        labs = _Labs(group, plane)
        try:
            for case in group:
                if ending():
                    return
                try:
                    said = judged(case, labs.begin(case))
                except _NOTHING_LEARNT as error:
                    said = broken(error)
                    labs.spoilt()
                yield case, said
        finally:
            labs.spoilt()


def _groups(cases: Sequence[Case]) -> list[list[Case]]:
    """Cases that can share a lab: no flow of one goes to a port that is served for streams of another."""
    groups: list[list[Case]] = []
    for case in cases:
        fitting = (group for group in groups if _apart([*group, case]))
        group = next(fitting, None)
        if group is None:
            groups.append([case])
        else:
            group.append(case)
    return groups


def _apart(cases: Sequence[Case]) -> bool:
    flows, streams = (set[int]().union(*map(of, cases)) for of in (_flow_ports, _stream_ports))
    return not flows & streams


def _flow_ports(case: Case) -> set[int]:
    return {each.flow.port for step in case.steps for each in step.expectations} - {0}


def _stream_ports(case: Case) -> set[int]:
    return {each.port for step in case.steps for each in step.streams}


class _Labs:
    """One lab after the other for ``cases``: the next one where the last could not be brought back to what it was."""

    def __init__(self, cases: Sequence[Case], plane: DataPlane) -> None:
        self._cases = cases
        self._plane = plane
        self._stack = ExitStack()
        self._run: _Run | None = None

    def begin(self, case: Case) -> "_Run":
        """A lab as its topology says, with the data plane attached."""
        if self._run is not None:
            try:
                self._run.restore()
            except _NOTHING_LEARNT:  # what came of the case before is known; only its lab is of no more use
                self.spoilt()
        if self._run is None:
            self._run = self._stack.enter_context(_running(self._cases, self._plane))
        self._run.begin(case)
        return self._run

    def spoilt(self) -> None:
        """Take the lab down."""
        self._run = None
        with suppress(*_NOTHING_LEARNT):  # `meshproof clean` tells of what is left
            self._stack.close()


class _Run:
    """Cases in a lab, one after another, with a data plane attached."""

    def __init__(self, cases: Sequence[Case], lab: Lab, attachment: Attachment, stack: ExitStack) -> None:
        self.lab = lab
        self.attachment = attachment
        self._stack = stack
        self._ports = sorted(set().union(*map(_flow_ports, cases)))
        self._first = {pod.pod.ref: pod for pod in lab.pods}
        self._steps: Iterator[Topology] = iter(())
        self.servers = dict(stack.enter_context(serve_all(lab.pods, self._ports)))
        self.streams = OpenStreams(lab, sorted(set().union(*map(_stream_ports, cases))), stack)

    def begin(self, case: Case) -> None:
        """Be ready for the first step of ``case``."""
        self._steps = topologies(case, plan(case.topology).topology)

    def change(self, step: Step) -> tuple[int, int]:
        """Put a step in force and open its streams; when it was called for and when it was in force (ns, CLOCK_MONOTONIC)."""
        after = next(self._steps)
        called = time.monotonic_ns()
        if step.keeps:
            deleted = [self.lab.pod(each.ref).pod for each in step.pods if isinstance(each, PodDeleted)]
            self._exchange(deleted, [after.pod(each.pod.ref) for each in step.pods if isinstance(each, PodCreated)])
        else:
            applied(self.attachment, step.policies)
        enforced = time.monotonic_ns()
        self.streams.open(step.streams)
        return called, enforced

    def restore(self) -> None:
        """Have the pods of the topology again, and no stream. Raises LabError, DataPlaneError, LoadFailed."""
        self.streams.end()
        strange = [pod.pod for pod in self.lab.pods if self._first.get(pod.pod.ref) is not pod]
        kept = {pod.pod.ref for pod in self.lab.pods} - {pod.ref for pod in strange}
        missing = [pod.pod for ref, pod in self._first.items() if ref not in kept]
        if strange or missing:
            self._exchange(strange, missing)
            self._first |= {pod.ref: self.lab.pod(pod.ref) for pod in missing}

    def _exchange(self, deleted: Sequence[Pod], created: Sequence[Pod]) -> None:
        for pod in deleted:
            self.lab.remove_pod(pod.ref)
        # A server that answers a deleted client later, to the address of the next one, opens that one's way to itself.
        self.streams.settle()
        added = [self.lab.add_pod(pod) for pod in created]
        if added:
            self.servers |= self._stack.enter_context(serve_all(added, self._ports))
        for new in added:
            self.streams.serve(new)
        followed(self.attachment, added, deleted)
        for new in added:
            self.lab.connect(new.pod.ref)


@contextmanager
def _running(cases: Sequence[Case], plane: DataPlane) -> Iterator[_Run]:
    with ExitStack() as stack:
        lab = stack.enter_context(netns.up(cases[0].topology))
        yield _Run(cases, lab, stack.enter_context(plane.attach(lab)), stack)


def _on_control(case: Case, run: _Run) -> str:
    """What did not get through where nothing denies, a line each."""
    astray = []
    for step in case.steps:
        called, enforced = run.change(step)
        flows = [each.flow for each in step.expectations]
        for flow, seen in zip(flows, probe_all(flows, run.lab, SECONDS), strict=True):
            if seen.verdict is not Verdict.FORWARDED:
                astray.append(f"{step.origin}: {flow}: {seen.verdict} ({seen.detail}) where nothing denies")
        open_to_all = [replace(each, verdict=Verdict.FORWARDED) for each in step.stream_expectations]
        for each, (verdict, detail) in run.streams.look(open_to_all, called, enforced, lambda _: True)[0].items():
            if verdict is not Verdict.FORWARDED:
                astray.append(f"{each.origin}: {each.asked}: {detail} where nothing denies")
    return "\n".join(astray)


def _on_plane(case: Case, plane: DataPlane, run: _Run, consulted: Consulted) -> Churned:
    """The case ends at its first step that is not as it should be."""
    began = time.monotonic()
    judged, admitted = NOTHING, 0

    def churned(outcome: CaseOutcome, reason: str = "") -> Churned:
        return Churned(outcome, reason, judged, admitted, time.monotonic() - began)

    for step, answers in zip(case.steps, consulted.answers, strict=True):
        try:
            called, enforced = run.change(step)
        except DataPlaneError as error:  # it claims to support what the case asks for
            judged = refused(f"{step.origin}: the step is not in force: {error}")
            return churned(CaseOutcome.FAIL, "\n".join(judged.faults))
        asked = sights(step, plane, run.lab, run.attachment, run.servers)
        streams, more = run.streams.look(
            step.stream_expectations, called, enforced, lambda flow: run.attachment.evidence(flow) is not None
        )
        admitted += more
        judged = judge([*asked, *(_sight(*each, run.attachment) for each in streams.items())], answers)
        if judged.faults:
            return churned(CaseOutcome.FAIL, "\n".join(judged.faults))
    return churned(CaseOutcome.PASS)


def _sight(each: StreamExpectation, found: tuple[Verdict, str], attachment: Attachment) -> Sight:
    verdict, detail = found
    evidence = None if verdict is Verdict.FORWARDED else attachment.evidence(each.asked)
    return Sight(Expectation(each.origin, each.asked, each.verdict), verdict, detail, evidence)
