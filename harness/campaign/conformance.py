"""Runs conformance cases: those of one topology share a lab and, on each data plane, an attachment.

Policies are replaced step by step; a step is converged when ``apply`` returns, and then each flow is asked, never again
until it fits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby

from harness.campaign.conformance_features import manner, obstacle
from harness.campaign.conformance_oracles import Consulted, consult
from harness.campaign.conformance_probes import Asked, ask, served
from harness.campaign.observer import Observer
from harness.dataplanes.port import Attachment, DataPlane, DataPlaneError
from harness.judge.conformance import Judgement, Sight, admitted, judge, twins
from harness.lab import netns
from harness.lab.addressing import plan
from harness.lab.port import Lab, LabError
from harness.model.bench import Expectation
from harness.model.case import Case, CaseOutcome, CaseResult, Step
from harness.model.flow import Flow, Verdict
from harness.traffic.port import LoadFailed

ADMITTED_SECONDS = 1.0
"""For a flow that should get through: one SYN is sent in that time."""

SILENT_SECONDS = 0.25
"""For a flow that should be met with silence. A wrong admission that took longer would pass for silence, but then the data
plane has no record of denying it, which is a failure too."""

Held = Callable[[Lab, Sequence[CaseResult]], None]
"""Called while a lab is still up, with its data plane attached and the last step's policies in force."""


@dataclass(slots=True)
class Outcomes:
    """What a run of cases came to. ``convergence``: seconds from handing policies over to enforcement, by data plane.

    ``control``: how many different flows were asked on the control, without a data plane, and got through or did not.
    """

    results: list[CaseResult] = field(default_factory=list)
    convergence: dict[str, list[float]] = field(default_factory=dict)
    control: dict[Verdict, int] = field(default_factory=dict)


class Conformance:
    """Cases on data planes. ``control`` is the plane that denies nothing: a flow that fails on it proves nothing elsewhere."""

    def __init__(self, cases: Sequence[Case], planes: Sequence[DataPlane], control: DataPlane, observer: Observer) -> None:
        self._cases = cases
        self._planes = planes
        self._control = control
        self._observer = observer
        self._outcomes = Outcomes()

    def run(self, held: Held | None = None) -> Outcomes:
        """Run everything and return the results by case and plane. With ``held`` labs of data planes are kept (see Held)."""
        self._observer.planned(len(self._cases) * len(self._planes), 0, 0.0)
        groups = groupby(sorted(self._cases, key=lambda case: case.topology.name), key=lambda case: case.topology)
        for topology, cases in [(topology, list(members)) for topology, members in groups]:
            addressed = plan(topology).topology
            consulted = {case.id: consult(case, addressed) for case in cases}
            runnable = [case for case in cases if not consulted[case.id].contradictions]
            for case in cases:
                if consulted[case.id].contradictions:
                    self._everywhere(case, CaseOutcome.ERROR, "\n".join(consulted[case.id].contradictions))
            self._group([case for case in runnable if self._possible(case)], consulted, held)
        order = {case.id: number for number, case in enumerate(self._cases)}
        self._outcomes.results.sort(key=lambda result: order[result.case])
        return self._outcomes

    def _possible(self, case: Case) -> bool:
        """Whether any plane runs a case; what each one that does not says of it is recorded."""
        possible = False
        for plane in self._planes:
            found = obstacle(case, plane)
            if found is None:
                possible = True
            else:
                self._record(case, plane, *found)
        return possible

    def _everywhere(self, case: Case, outcome: CaseOutcome, reason: str) -> None:
        for plane in self._planes:
            self._record(case, plane, outcome, reason)

    def _record(self, case: Case, plane: DataPlane, outcome: CaseOutcome, reason: str, judged: Judgement | None = None) -> None:
        evidence, rule = (judged.evidence, judged.rule) if judged else ("", None)
        self._outcomes.results.append(CaseResult(case.id, case.area, plane.name, outcome, reason, evidence, rule))
        self._observer.finished(f"{case.id} on {plane.name}: {outcome}")
        if outcome in (CaseOutcome.FAIL, CaseOutcome.ERROR):
            self._observer.noted(f"{case.id} on {plane.name}: {outcome}: {reason.splitlines()[0]}")

    def _group(self, cases: Sequence[Case], consulted: Mapping[str, Consulted], held: Held | None) -> None:
        """Cases of one topology: the control first, then every plane."""
        if not cases:
            return
        unreached = self._on_control(cases)
        for plane in self._planes:
            mine = [case for case in cases if obstacle(case, plane) is None]
            for case in mine:
                lost = [unreached[flow] for flow in _flows([case]) if flow in unreached]
                if lost:
                    self._record(case, plane, CaseOutcome.ERROR, "\n".join(lost))
            mine = [case for case in mine if not any(flow in unreached for flow in _flows([case]))]
            if mine:
                self._on_plane(plane, mine, consulted, held)

    def _on_control(self, cases: Sequence[Case]) -> dict[Flow, str]:
        """Every flow of the cases once, where nothing denies: those that did not get through, and what was seen of them."""
        flows = _flows(cases)
        self._observer.began(f"control: {len(flows)} flows on {self._control.name}")
        with _lab(cases, keep=False) as lab, self._control.attach(lab):
            asked = ask(flows, lab, ADMITTED_SECONDS)
        unreached = {}
        for flow, seen in zip(flows, asked, strict=True):
            verdict = seen.verdict
            self._outcomes.control[verdict] = self._outcomes.control.get(verdict, 0) + 1
            if verdict is not Verdict.FORWARDED:
                unreached[flow] = f"{flow}: {verdict} ({seen.detail}) on {self._control.name}, where nothing denies"
        return unreached

    def _on_plane(self, plane: DataPlane, cases: Sequence[Case], consulted: Mapping[str, Consulted], held: Held | None) -> None:
        waiting = list(cases)
        self._observer.began(f"{plane.name}: attaching for {len(cases)} cases")
        try:
            with _lab(cases, keep=held is not None) as lab, plane.attach(lab) as attachment:
                while waiting:
                    self._observer.began(f"{waiting[0].id} on {plane.name}")
                    self._case(waiting[0], plane, lab, attachment, consulted[waiting[0].id])
                    del waiting[0]
                if held is not None:
                    held(lab, self._outcomes.results)
        except (LabError, DataPlaneError) as error:
            for case in waiting:
                self._record(case, plane, CaseOutcome.ERROR, str(error))
            if not waiting:
                self._observer.noted(f"{plane.name}: {error}")

    def _case(self, case: Case, plane: DataPlane, lab: Lab, attachment: Attachment, consulted: Consulted) -> None:
        """One case; it ends at the first step that is not as it should be, whose policies then stay in force."""
        judged = Judgement((), "", None)
        for step, answers in zip(case.steps, consulted.answers, strict=True):
            try:
                revision = attachment.apply(step.policies)
                self._outcomes.convergence.setdefault(plane.name, []).append(revision.seconds)
                judged = judge(_sights(step, plane, lab, attachment), answers)
            except DataPlaneError as error:  # it claims to support what the case asks for
                self._record(case, plane, CaseOutcome.FAIL, f"{step.origin}: the policies are not in force: {error}")
                return
            except (LoadFailed, LabError) as error:
                self._record(case, plane, CaseOutcome.ERROR, f"{step.origin}: {error}")
                return
            if judged.faults:
                self._record(case, plane, CaseOutcome.FAIL, "\n".join(judged.faults), judged)
                return
        self._record(case, plane, CaseOutcome.PASS, "", judged)


def _sights(step: Step, plane: DataPlane, lab: Lab, attachment: Attachment) -> list[Sight]:
    """Ask the allowed flows, then the denied ones, then the allowed ones that are most like those once more."""
    allowed = [each for each in step.expectations if admitted(each)]
    denied = [each for each in step.expectations if not admitted(each)]
    silent = [each for each in denied if manner(each.flow, plane) is Verdict.DROPPED]
    answered = [each for each in denied if manner(each.flow, plane) is not Verdict.DROPPED]

    def look(expectations: Sequence[Expectation], seconds: float) -> list[tuple[Expectation, Asked]]:
        return list(zip(expectations, ask([each.flow for each in expectations], lab, seconds), strict=True))

    before = look(allowed, ADMITTED_SECONDS)
    refused = look(answered, ADMITTED_SECONDS) + look(silent, SILENT_SECONDS)
    after = look(twins(step.expectations), ADMITTED_SECONDS)
    return [
        *(Sight(each, seen.verdict, seen.detail) for each, seen in before),
        *(
            Sight(
                each, seen.verdict, seen.detail, manner=manner(each.flow, plane),
                evidence=None if seen.verdict is Verdict.FORWARDED else attachment.evidence(each.flow),
            )
            for each, seen in refused
        ),
        *(Sight(each, seen.verdict, seen.detail, after=True) for each, seen in after),
    ]  # fmt: skip


def _flows(cases: Sequence[Case]) -> list[Flow]:
    """The different flows of cases."""
    return list(dict.fromkeys(each.flow for case in cases for step in case.steps for each in step.expectations))


@contextmanager
def _lab(cases: Sequence[Case], *, keep: bool) -> Iterator[Lab]:
    """A lab of the cases' topology, with servers wherever their flows go."""
    with ExitStack() as stack:
        lab = stack.enter_context(netns.up(cases[0].topology, keep=keep))
        if keep:
            stack.callback(netns.down, lab.name)
        stack.enter_context(served(lab, _flows(cases)))
        yield lab
