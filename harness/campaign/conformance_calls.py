"""What is seen of a step's calls of gRPC: as of its other flows, but by clients that are kept from case to case."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

from harness.campaign.conformance_features import manner
from harness.campaign.conformance_routed import expected_requests
from harness.dataplanes.port import Attachment, DataPlane
from harness.judge.conformance import Sight, admitted, twins
from harness.lab.port import Lab
from harness.model.bench import Expectation, Opened
from harness.model.call import GRPCCall
from harness.model.case import Case, Step
from harness.model.cilium import Policy
from harness.model.flow import Flow, Verdict
from harness.model.topology import Topology
from harness.model.verdict import Answer
from harness.oracle import direct
from harness.traffic.arrivals import Responder, Watch
from harness.traffic.calls import asking
from harness.traffic.calls.asking import ANSWER_SECONDS, SILENCE_SECONDS, CallWatch, Connections
from harness.traffic.calls.programs import CallPrograms, call_programs
from harness.traffic.port import LoadFailed
from harness.traffic.probe import Observation

OLDER_SILENCE_SECONDS = 2.0
Servers = Mapping[str, Responder]


def calls(case: Case) -> bool:
    """Whether a case calls gRPC: then it is judged in a lab with programs for that."""
    routed = any(isinstance(each.asked.call.request, GRPCCall) for each in expected_requests([case]))
    return routed or any(asking.is_call(each.flow) for step in case.steps for each in step.expectations)


def in_progress(expectation: Expectation) -> bool:
    """Whether it is about a call that was begun in the step before, and judged then."""
    return expectation.opened is Opened.ASKED and asking.is_call(expectation.flow)


@contextmanager
def programs_for(flows: Sequence[Flow], lab: Lab) -> Iterator[CallPrograms | None]:
    """The programs that the calls among ``flows`` need; None where there are none. Raises LoadFailed, LabError."""
    clients, servers, ports = asking.ends(flows)
    with call_programs(lab, clients, servers, ports) if ports else nullcontext() as programs:
        yield programs


def ask_all(
    flows: Sequence[Flow], probe: Callable[[Sequence[Flow]], Sequence[Observation]], programs: CallPrograms | None
) -> list[Observation]:
    """Each of ``flows`` once where all should be answered, in their order: calls by ``programs``, the others by ``probe``."""
    called = [flow for flow in flows if asking.is_call(flow)]
    probed = [flow for flow in flows if not asking.is_call(flow)]
    seen: dict[Flow, Observation] = dict(zip(probed, probe(probed), strict=True))
    if called and programs is not None:
        with asking.connections(programs) as kept:
            seen |= dict(zip(called, asking.ask(called, programs, ANSWER_SECONDS, kept), strict=True))
    return [seen[flow] for flow in flows]


def call_sights(
    step: Step, plane: DataPlane, lab: Lab, attachment: Attachment, servers: Servers, programs: CallPrograms | None
) -> list[Sight]:
    """Make the allowed calls, then the denied ones, then the allowed ones that are most like those once more.

    Over a shared connection allowed calls are made together with denied ones, too.
    """
    fresh = [each for each in step.expectations if each.opened is Opened.NOW and asking.is_call(each.flow)]
    if not fresh or programs is None:
        return []
    allowed = [each for each in fresh if admitted(each)]
    denied = [each for each in fresh if not admitted(each)]
    together = [each for each in allowed if _shared(each) and any(_shared(other) for other in denied)]
    silent = [each for each in denied if manner(each, plane) is Verdict.DROPPED]
    answered = [each for each in denied if manner(each, plane) is not Verdict.DROPPED]
    with asking.connections(programs) as kept:

        def look(expectations: Sequence[Expectation], seconds: float) -> list[tuple[Expectation, Observation]]:
            flows = [each.flow for each in expectations]
            return list(zip(expectations, asking.ask(flows, programs, seconds, kept), strict=True))

        before = look(allowed, ANSWER_SECONDS)
        watch, arrivals = Watch(lab, servers), CallWatch(programs)
        mixed = look([*answered, *together], ANSWER_SECONDS)
        refused = mixed[: len(answered)] + look(silent, SILENCE_SECONDS)
        after = mixed[len(answered) :] + look(twins(fresh), ANSWER_SECONDS)
        watch.settle(each.flow.destination for each in denied)

    def denial(each: Expectation, seen: Observation) -> Sight:
        how = manner(each, plane)
        reached = arrivals.reached(each.flow, seen.nonce)
        if reached is None:
            reached = watch.reached(each.flow, 0, at_interface=how is Verdict.DROPPED)
        found = None if seen.verdict is Verdict.FORWARDED else attachment.evidence(each.flow)
        return Sight(each, seen.verdict, seen.detail, manner=how, status=seen.status, evidence=found, reached=reached)

    return [
        *(Sight(each, seen.verdict, seen.detail, status=seen.status) for each, seen in before),
        *(denial(each, seen) for each, seen in refused),
        *(Sight(each, seen.verdict, seen.detail, after=True, status=seen.status) for each, seen in after),
    ]


def _patience(each: Expectation) -> float:
    """Seconds until nothing more is expected of a call over an older connection, on which TCP sends again what is lost."""
    return ANSWER_SECONDS if each.verdict in (Verdict.FORWARDED, Verdict.REJECTED) else OLDER_SILENCE_SECONDS


def _shared(each: Expectation) -> bool:
    return bool(getattr(each.flow.request, "shared", False))


@dataclass(slots=True)
class KeptCalls:
    """Connections that were opened, and calls that were begun, in the step before."""

    programs: CallPrograms
    kept: Connections
    later: list[Expectation]
    begun: list[Expectation]
    nonces: list[int]

    def sights(self, attachment: Attachment) -> list[Sight]:
        """Make the later calls over them while those that were begun are open, and then go on with these."""
        arrivals = CallWatch(self.programs)
        begun, later = [each.flow for each in self.begun], [each.flow for each in self.later]
        new = asking.ask(later, self.programs, max(map(_patience, self.later), default=0.0), self.kept, all_kept=True)
        on = asking.go_on(begun, self.programs, [_patience(each) for each in self.begun], self.kept, self.nonces)
        return [
            Sight(
                each, seen.verdict, seen.detail, status=seen.status,
                evidence=None if seen.verdict is Verdict.FORWARDED else attachment.evidence(each.flow),
                reached=arrivals.reached(each.flow, seen.nonce),
            )
            for each, seen in zip([*self.begun, *self.later], [*on, *new], strict=True)
        ]  # fmt: skip


@contextmanager
def calls_kept(step: Step, programs: CallPrograms | None) -> Iterator[KeptCalls | None]:
    """What ``step`` asks about calls over earlier connections; the policies of the step before are in force.

    Raises LoadFailed where a connection cannot be opened: a call over it that is refused as gRPC has it has opened one.
    """
    older = [each for each in step.expectations if each.opened is not Opened.NOW and asking.is_call(each.flow)]
    if not older or programs is None:
        yield None
        return
    begun = [each for each in older if in_progress(each)]
    later = [each for each in older if not in_progress(each)]
    with asking.connections(programs) as kept:
        nonces = asking.begin([each.flow for each in begun], programs, kept)
        first = asking.ask([each.flow for each in later], programs, ANSWER_SECONDS, kept, all_kept=True)
        for each, seen in zip(later, first, strict=True):
            if seen.verdict is not Verdict.FORWARDED and not asking.refused(seen):
                raise LoadFailed(f"{each.origin}: {each.flow}: no connection could be opened: {seen.detail}")
        yield KeptCalls(programs, kept, later, begun, nonces)


def answer_for(
    expectation: Expectation, policies: Sequence[Policy], topology: Topology, former: tuple[Sequence[Policy], Topology] | None
) -> Answer:
    """The direct oracle's answer for an expectation under ``policies``; ``former`` are those of the step before, with its pods.

    A call in progress was judged when it was begun. Of what is in force later it is asked whether its packets may go on.
    """
    flow = expectation.flow
    if in_progress(expectation) and former is not None:
        then = direct.answer(flow, *former)
        return then if then.verdict is not Verdict.FORWARDED else direct.answer(replace(flow, request=None), policies, topology)
    return direct.answer(flow, policies, topology)
