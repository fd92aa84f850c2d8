"""What is seen of a step's calls of gRPC and requests of Kafka: as of its other flows, but by clients of their own.

These are kept from case to case (harness.traffic.asker).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from harness.campaign.conformance.features import manner
from harness.campaign.conformance.routed import expected_requests
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
from harness.traffic.asker import ANSWER_SECONDS, SILENCE_SECONDS, Asker, Connections, ends
from harness.traffic.calls import asking
from harness.traffic.calls.asking import Calls
from harness.traffic.calls.programs import call_programs
from harness.traffic.kafka.asking import KafkaRequests, is_kafka, topics
from harness.traffic.kafka.programs import kafka_programs
from harness.traffic.port import LoadFailed
from harness.traffic.probe import Observation

OLDER_SILENCE_SECONDS = 2.0
BESIDE_KAFKA = 28_080
"""The port of responders for what is asked at a broker's port and is no request of Kafka."""

Servers = Mapping[str, Responder]


def is_call(flow: Flow) -> bool:
    """Whether a flow is a call of gRPC or a request of Kafka."""
    return asking.is_call(flow) or is_kafka(flow)


def callers(case: Case) -> frozenset[str]:
    """What a case calls, gRPC or Kafka or both: then it is judged in a lab with programs for that."""
    flows = [each.flow for step in case.steps for each in step.expectations]
    found = {name for name, asks in (("grpc", asking.is_call), ("kafka", is_kafka)) if any(map(asks, flows))}
    if any(isinstance(each.asked.call.request, GRPCCall) for each in expected_requests([case])):
        found.add("grpc")
    return frozenset(found)


def in_progress(expectation: Expectation) -> bool:
    """Whether it is about a call that was begun in the step before, and judged then."""
    return expectation.opened is Opened.ASKED and is_call(expectation.flow)


@contextmanager
def askers_for(flows: Sequence[Flow], lab: Lab) -> Iterator[Sequence[Asker]]:
    """The programs that the calls among ``flows`` need. Raises LoadFailed, LabError."""
    with ExitStack() as stack:
        askers: list[Asker] = []
        clients, servers, ports = ends(flows, asking.is_call)
        if ports:
            askers.append(Calls(stack.enter_context(call_programs(lab, clients, servers, ports))))
        clients, servers, ports = ends(flows, is_kafka)
        if ports:
            programs = kafka_programs(lab, clients, servers, ports, topics(flows), BESIDE_KAFKA)
            askers.append(KafkaRequests(stack.enter_context(programs)))
        yield askers


def responder_ports(flows: Sequence[Flow]) -> set[int]:
    """The ports at which responders (harness.traffic.responder) answer ``flows``: not those of programs for calls."""
    asked = {flow.port for flow in flows}
    called = {flow.port for flow in flows if is_call(flow)}
    return (asked - called) | ({BESIDE_KAFKA} if any(map(is_kafka, flows)) else set())


def ask_all(
    flows: Sequence[Flow], probe: Callable[[Sequence[Flow]], Sequence[Observation]], askers: Sequence[Asker]
) -> list[Observation]:
    """Each of ``flows`` once where all should be answered, in their order: calls by ``askers``, the others by ``probe``."""
    probed = [flow for flow in flows if not is_call(flow)]
    seen: dict[Flow, Observation] = dict(zip(probed, probe(probed), strict=True))
    for asker in askers:
        called = [flow for flow in flows if asker.asks(flow)]
        with asker.connections() as kept:
            seen |= dict(zip(called, asker.ask(called, ANSWER_SECONDS, kept), strict=True))
    return [seen[flow] for flow in flows]


def call_sights(step: Step, plane: DataPlane, lab: Lab, attachment: Attachment, servers: Servers, asker: Asker) -> list[Sight]:
    """Make the allowed calls of ``asker``'s, then the denied ones, then the allowed ones that are most like those once more.

    Over a shared connection allowed calls are made together with denied ones, too.
    """
    fresh = [each for each in step.expectations if each.opened is Opened.NOW and asker.asks(each.flow)]
    if not fresh:
        return []
    allowed = [each for each in fresh if admitted(each)]
    denied = [each for each in fresh if not admitted(each)]
    together = [each for each in allowed if _shared(each) and any(_shared(other) for other in denied)]
    silent = [each for each in denied if manner(each, plane) is Verdict.DROPPED]
    answered = [each for each in denied if manner(each, plane) is not Verdict.DROPPED]
    with asker.connections() as kept:

        def look(expectations: Sequence[Expectation], seconds: float) -> list[tuple[Expectation, Observation]]:
            flows = [each.flow for each in expectations]
            return list(zip(expectations, asker.ask(flows, seconds, kept), strict=True))

        before = look(allowed, ANSWER_SECONDS)
        watch, arrivals = Watch(lab, servers), asker.watch()
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

    asker: Asker
    kept: Connections
    later: list[Expectation]
    begun: list[Expectation]
    nonces: list[int]

    def sights(self, attachment: Attachment) -> list[Sight]:
        """Make the later calls over them while those that were begun are open, and then go on with these."""
        arrivals = self.asker.watch()
        begun, later = [each.flow for each in self.begun], [each.flow for each in self.later]
        new = self.asker.ask(later, max(map(_patience, self.later), default=0.0), self.kept, all_kept=True)
        on = self.asker.go_on(begun, [_patience(each) for each in self.begun], self.kept, self.nonces)
        return [
            Sight(
                each, seen.verdict, seen.detail, status=seen.status,
                evidence=None if seen.verdict is Verdict.FORWARDED else attachment.evidence(each.flow),
                reached=arrivals.reached(each.flow, seen.nonce),
            )
            for each, seen in zip([*self.begun, *self.later], [*on, *new], strict=True)
        ]  # fmt: skip


@contextmanager
def calls_kept(step: Step, asker: Asker) -> Iterator[KeptCalls | None]:
    """What ``step`` asks about calls over earlier connections; the policies of the step before are in force.

    Raises LoadFailed where a connection cannot be opened: a call over it that is refused as gRPC has it has opened one.
    """
    older = [each for each in step.expectations if each.opened is not Opened.NOW and asker.asks(each.flow)]
    if not older:
        yield None
        return
    begun = [each for each in older if in_progress(each)]
    later = [each for each in older if not in_progress(each)]
    with asker.connections() as kept:
        nonces = asker.begin([each.flow for each in begun], kept)
        first = asker.ask([each.flow for each in later], ANSWER_SECONDS, kept, all_kept=True)
        for each, seen in zip(later, first, strict=True):
            if seen.verdict is not Verdict.FORWARDED and not asker.refused(seen):
                raise LoadFailed(f"{each.origin}: {each.flow}: no connection could be opened: {seen.detail}")
        yield KeptCalls(asker, kept, later, begun, nonces)


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
