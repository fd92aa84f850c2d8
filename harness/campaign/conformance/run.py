"""Runs conformance cases: on each data plane those of one topology share a lab and an attachment.

Policies are replaced step by step; a step is converged when ``apply`` returns, and then each flow is asked, never again
until it fits. Data planes work side by side, each in its own lab, and beside them cases that change their labs, in others:
most of the time goes by in waiting for silence.
"""

import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from threading import Event, Lock

from harness.campaign.conformance.bypass import judge_bypass
from harness.campaign.conformance.calls import ask_all, askers_for, callers, responder_ports
from harness.campaign.conformance.churn import Churned, judge_churn
from harness.campaign.conformance.exchanges import exchanges_on_control, expected_exchanges
from harness.campaign.conformance.features import obstacle
from harness.campaign.conformance.oracles import Consulted, consult
from harness.campaign.conformance.packets import expected_packets, packets_on_control
from harness.campaign.conformance.routed import direct_flows
from harness.campaign.conformance.sights import ADMITTED_SECONDS
from harness.campaign.conformance.step import Site, judge_step
from harness.campaign.observer import Observer
from harness.dataplanes.port import DataPlane, DataPlaneError
from harness.judge.conformance import Judgement, refused
from harness.lab import netns
from harness.lab.addressing import plan
from harness.lab.port import Lab, LabError
from harness.model.canary import CanarySeen
from harness.model.case import Case, CaseOutcome, CaseResult
from harness.model.exchange import Exchange
from harness.model.flow import Flow, Verdict
from harness.model.packet import CraftedPacket
from harness.traffic.arrivals import Responder
from harness.traffic.port import LoadFailed
from harness.traffic.probe import probe_all
from harness.traffic.responder import serve_all

LABS = 2
"""In how many labs many cases are judged at once on each data plane; FEW cases share one."""

FEW = 40

BYPASSES = 3
"""How many cases of the bypass catalogue are tried at a time. Each makes labs of its own, and most of their time is waiting."""

Held = Callable[[Lab, Sequence[CaseResult]], None]
"""Called while a lab is still up, with its data plane attached and the last step's policies in force."""


@dataclass(slots=True)
class Outcomes:
    """What a run of cases came to. ``convergence``: seconds from handing policies over to enforcement, by data plane.

    ``canaries``: by data plane, what was seen of flows that changes deny while those were on their way into force.
    ``control``: how many different flows were asked on the control, without a data plane, and got through or did not.
    ``troubles``: what went wrong in detaching data planes and taking labs down, when all was judged.
    """

    results: list[CaseResult] = field(default_factory=list)
    convergence: dict[str, list[float]] = field(default_factory=dict)
    canaries: dict[str, list[CanarySeen]] = field(default_factory=dict)
    control: dict[Verdict, int] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


class Conformance:
    """Cases on data planes. ``control`` is the plane that denies nothing: a flow that fails on it proves nothing elsewhere.

    With ``fail_fast`` the first failure ends it: what was not judged until then has no result.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        planes: Sequence[DataPlane],
        control: DataPlane,
        observer: Observer,
        *,
        fail_fast: bool = False,
    ) -> None:
        self._cases = cases
        self._planes = planes
        self._control = control
        self._observer = observer
        self._outcomes = Outcomes()
        self._recording = Lock()
        self._ending = Event()
        self._fail_fast = fail_fast

    def run(self, held: Held | None = None) -> Outcomes:
        """Run everything and return the results by case and plane. With ``held`` labs of data planes are kept (see Held)."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a shell gives 1,024, and labs of seven data planes take more
        self._observer.planned(len(self._cases) * len(self._planes), 0, 0.0)
        groups = groupby(sorted(self._cases, key=lambda case: case.topology.name), key=lambda case: case.topology)
        for topology, cases in [(topology, list(members)) for topology, members in groups]:
            addressed = plan(topology).topology
            consulted = {case.id: consult(case, addressed) for case in cases}
            runnable = [case for case in cases if not consulted[case.id].contradictions]
            for case in cases:
                if consulted[case.id].contradictions:
                    self._everywhere(case, CaseOutcome.ERROR, "\n".join(consulted[case.id].contradictions))
            self._at_once(  # on the same planes, but in other labs
                [
                    partial(self._bypassing, runnable, consulted),
                    partial(self._churning, runnable, consulted),
                    partial(self._sharing, runnable, consulted, held),
                ]
            )
        cases_order = {case.id: number for number, case in enumerate(self._cases)}
        planes_order = {plane.name: number for number, plane in enumerate(self._planes)}
        self._outcomes.results.sort(key=lambda result: (cases_order[result.case], planes_order[result.dataplane]))
        return self._outcomes

    def _bypassing(self, cases: Sequence[Case], consulted: Mapping[str, Consulted]) -> None:
        def bypass(case: Case) -> None:
            if not self._ending.is_set():
                judge_bypass(case, self._planes, self._control, consulted[case.id], self._record)

        self._at_once([partial(bypass, case) for case in cases if case.technique is not None], BYPASSES)

    def _churning(self, cases: Sequence[Case], consulted: Mapping[str, Consulted]) -> None:
        churning = [case for case in cases if case.churns and self._possible(case)]
        rounds = [(plane, [case for case in churning if obstacle(case, plane) is None]) for plane in self._planes]
        judge_churn(rounds, self._control, consulted, self._churned, self._ending.is_set)

    def _sharing(self, cases: Sequence[Case], consulted: Mapping[str, Consulted], held: Held | None) -> None:
        ordinary = [case for case in cases if case.technique is None and not case.churns]
        possible = [case for case in ordinary if self._possible(case)]
        for kind in sorted({callers(case) for case in possible}, key=sorted):
            self._group([case for case in possible if callers(case) == kind], consulted, held)

    def _churned(self, case: Case, plane: DataPlane, churned: Churned) -> None:
        self._record(case, plane, churned.outcome, churned.reason, churned.judged, churned.seconds, admitted=churned.admitted)

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

    def _record(
        self,
        case: Case,
        plane: DataPlane,
        outcome: CaseOutcome,
        reason: str,
        judged: Judgement | None = None,
        seconds: float = 0.0,
        admitted: int = 0,
    ) -> None:
        evidence, rule = (judged.evidence, judged.rule) if judged else ("", None)
        symptoms = tuple(sorted(judged.symptoms)) if judged else ()
        with self._recording:
            self._outcomes.results.append(
                CaseResult(
                    case.id,
                    case.area,
                    plane.name,
                    outcome,
                    reason,
                    evidence,
                    rule,
                    seconds=seconds,
                    symptoms=symptoms,
                    admitted_meanwhile=admitted,
                )
            )
            self._observer.finished(f"{case.id} on {plane.name}: {outcome}")
            if outcome is CaseOutcome.FAIL and self._fail_fast:
                self._ending.set()
            if outcome in (CaseOutcome.FAIL, CaseOutcome.ERROR):
                self._observer.noted(f"{case.id} on {plane.name}: {outcome}: {reason.partition(chr(10))[0]}")

    def _group(self, cases: Sequence[Case], consulted: Mapping[str, Consulted], held: Held | None) -> None:
        """Cases of one topology: the control first, then every plane."""
        if not cases or self._ending.is_set():
            return
        unreached, astray, unanswered = self._on_control(cases)
        rounds = []
        for plane in self._planes:
            mine = []
            for case in cases:
                lost = [unreached[flow] for flow in _flows([case]) if flow in unreached]
                lost += [astray[each.packet] for each in expected_packets([case]) if each.packet in astray]
                lost += [unanswered[each.exchange] for each in expected_exchanges([case]) if each.exchange in unanswered]
                if obstacle(case, plane) is not None:
                    continue  # recorded already
                if lost:
                    self._record(case, plane, CaseOutcome.ERROR, "\n".join(lost))
                else:
                    mine.append(case)
            rounds += [(plane, part) for part in _parts(mine)]
        try:
            self._on_planes(rounds, consulted, held)
        except (LabError, DataPlaneError) as error:  # in detaching: the cases have been judged
            self._outcomes.troubles.append(str(error))

    def _on_control(self, cases: Sequence[Case]) -> tuple[dict[Flow, str], dict[CraftedPacket, str], dict[Exchange, str]]:
        """All that the cases ask once, where nothing denies: what fared otherwise, and what was seen of it."""
        flows = _flows(cases)
        self._observer.began(f"control: {len(flows)} flows on {self._control.name}")
        with _lab(cases, keep=False) as (lab, _), askers_for(flows, lab) as askers, self._control.attach(lab):
            asked = ask_all(flows, lambda probed: probe_all(probed, lab, ADMITTED_SECONDS), askers)
            astray = packets_on_control(cases, lab)
            unanswered = exchanges_on_control(cases, lab)
        unreached = {}
        for flow, seen in zip(flows, asked, strict=True):
            verdict = seen.verdict
            self._outcomes.control[verdict] = self._outcomes.control.get(verdict, 0) + 1
            if verdict is not Verdict.FORWARDED:
                unreached[flow] = f"{flow}: {verdict} ({seen.detail}) on {self._control.name}, where nothing denies"
        return unreached, astray, unanswered

    def _on_planes(
        self, rounds: Sequence[tuple[DataPlane, Sequence[Case]]], consulted: Mapping[str, Consulted], held: Held | None
    ) -> None:
        """Attach each plane in a lab of its own, one after another, then judge the cases on all of them at once."""
        with ExitStack() as stack:
            works: list[Callable[[], None]] = []
            labs = []
            for plane, cases in rounds:
                self._observer.began(f"{plane.name}: attaching for {len(cases)} cases")
                try:
                    lab, servers = stack.enter_context(_lab(cases, keep=held is not None))
                    askers = stack.enter_context(askers_for(_flows(cases), lab))
                    attachment = stack.enter_context(plane.attach(lab))
                except (LabError, DataPlaneError, LoadFailed) as error:
                    for case in cases:
                        self._record(case, plane, CaseOutcome.ERROR, str(error))
                    continue
                labs.append(lab)
                works.append(partial(self._cases_on, cases, Site(plane, lab, servers, attachment, askers=askers), consulted))
            self._at_once(works)
            if held is not None and labs:
                held(labs[0], self._outcomes.results)

    def _at_once(self, works: Sequence[Callable[[], None]], workers: int | None = None) -> None:
        """Run ``works`` to their end; where one raises, or the user interrupts, the others end with the case they are at."""
        with ThreadPoolExecutor(workers or max(1, len(works))) as pool:
            futures = [pool.submit(work) for work in works]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                self._ending.set()
                raise

    def _cases_on(self, cases: Sequence[Case], site: Site, consulted: Mapping[str, Consulted]) -> None:
        for case in cases:
            if self._ending.is_set():
                return
            self._case(case, site, consulted[case.id])

    def _case(self, case: Case, site: Site, consulted: Consulted) -> None:
        """One case; it ends at the first step that is not as it should be, whose policies then stay in force."""
        plane = site.plane
        began = time.monotonic()
        meanwhile = 0

        def record(outcome: CaseOutcome, reason: str = "", judged: Judgement | None = None) -> None:
            self._record(case, plane, outcome, reason, judged, time.monotonic() - began, meanwhile)

        judged = Judgement((), "", None)
        for step, answers in zip(case.steps, consulted.answers, strict=True):
            try:
                found = judge_step(step, site, answers)
                judged = found.judgement
                self._outcomes.convergence.setdefault(plane.name, []).append(found.seconds)
                if found.canary is not None:
                    self._outcomes.canaries.setdefault(plane.name, []).append(found.canary)
                    meanwhile += found.canary.admitted
            except DataPlaneError as error:  # it claims to support what the case asks for
                said = f"{step.origin}: the policies are not in force: {error}"
                record(CaseOutcome.FAIL, said, refused(said))
                return
            except (LoadFailed, LabError) as error:
                record(CaseOutcome.ERROR, f"{step.origin}: {error}")
                return
            if judged.faults:
                record(CaseOutcome.FAIL, "\n".join(judged.faults), judged)
                return
        record(CaseOutcome.PASS, judged=judged)


def _parts(cases: Sequence[Case]) -> list[Sequence[Case]]:
    """What each lab of a data plane is for; neighbours are alike, and take as long."""
    labs = 1 if len(cases) <= FEW else LABS
    return [cases[number::labs] for number in range(labs) if cases]


def _flows(cases: Sequence[Case]) -> list[Flow]:
    """The different flows of cases, and those that stand for requests to Services."""
    flows = [each.flow for case in cases for step in case.steps for each in step.expectations]
    return list(dict.fromkeys([*flows, *(flow for case in cases for flow in direct_flows(case))]))


@contextmanager
def _lab(cases: Sequence[Case], *, keep: bool) -> Iterator[tuple[Lab, Mapping[str, Responder]]]:
    """A lab of the cases' topology, and its servers by pod.

    Every pod serves every port that any flow goes to: who answers tells who was asked.
    """
    with ExitStack() as stack:
        lab = stack.enter_context(netns.up(cases[0].topology, keep=keep))
        if keep:
            stack.callback(netns.down, lab.name)
        ports = responder_ports(_flows(cases)) | {each.packet.port for each in expected_packets(cases)}
        ports |= {each.exchange.port for each in expected_exchanges(cases)}
        yield lab, stack.enter_context(serve_all(lab.pods, sorted(ports - {0})))
