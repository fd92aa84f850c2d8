"""Requests to Services and Gateways in conformance cases: against the oracles, on the control, and on a data plane."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.campaign.conformance.routed_outcomes import Outcomes, StepOracle
from harness.dataplanes.port import Attachment
from harness.judge.conformance import Judgement
from harness.judge.packets import together
from harness.judge.routed import REFUSALS, RoutedSight, Try, judge_requests
from harness.judge.routed_claims import contradictions
from harness.lab.addressing import plan
from harness.lab.gateway_addresses import gateway_addresses
from harness.lab.port import Lab
from harness.lab.service_addresses import service_addresses
from harness.model.call import GRPCCall
from harness.model.case import Case, Step
from harness.model.fault import Symptom
from harness.model.flow import Evidence, Flow
from harness.model.origin import Origin
from harness.model.routed import Copies, ReadRequest, RoutedExpectation
from harness.model.topology import Topology
from harness.oracle import wire
from harness.traffic.arrivals import Responder, settle
from harness.traffic.calls.programs import CallPrograms
from harness.traffic.routed import OWN, ask, joined
from harness.traffic.transcript import Transcript

COPY_SECONDS = 5.0
"""Within which a copy must have been read: nobody waits for it, so that it may come after the answer."""

_POLL = 0.02


def expected_requests(cases: Sequence[Case]) -> list[RoutedExpectation]:
    """All of them, in order."""
    return [each for case in cases for step in case.steps for each in step.requests]


def direct_flows(case: Case) -> dict[Flow, Origin]:
    """A flow from each client to each pod that may get its request: on the control, which has no Services, they stand for it.

    With each the line of the request.
    """
    found: dict[Flow, Origin] = {}
    topology = plan(case.topology).topology if expected_requests([case]) else case.topology
    for step in case.steps:
        oracle = StepOracle(step, topology) if step.requests else None
        for each in step.requests if oracle is not None else ():
            assert oracle is not None  # noqa: S101 -- for the type checker
            asked = each.asked
            request = GRPCCall(asked.call.request.method) if isinstance(asked.call.request, GRPCCall) else None
            for pod, port in oracle.behind(each).items():
                flow = Flow(asked.call.source, pod, port, family=asked.family, request=request)
                found.setdefault(flow, each.origin)
    return found


def consult_requests(step: Step, topology: Topology) -> Iterator[str]:
    """What contradicts the case, by the oracles of routing and of policies."""
    if not step.requests:
        return
    oracle = StepOracle(step, topology)
    called = {port for each in step.requests if _is_call(each) for port in oracle.behind(each).values()}
    for each in step.requests:
        if not _is_call(each) and called & set(oracle.behind(each).values()):
            yield f"{each.origin}: {each.asked}: gRPC is called at its pods' port, whose servers read no other requests"
        found = oracle.outcomes(each)
        mirrors = [
            (frozenset(pod for pod, _ in oracle.copied(mirror)), mirror.numerator, mirror.denominator)
            for mirror in found.mirrors
        ]
        for said in (*found.unsaid, *contradictions(each, found.all, mirrors)):
            yield f"{each.origin}: {each.asked}: {said}"


def _is_call(expectation: RoutedExpectation) -> bool:
    return isinstance(expectation.asked.call.request, GRPCCall)


def judge_requests_on(
    step: Step,
    lab: Lab,
    servers: Mapping[str, Responder],
    attachment: Attachment,
    programs: CallPrograms | None,
) -> Judgement:
    """Ask a step's requests and judge what became of them. Raises LoadFailed where one could not be asked."""
    oracle = StepOracle(step, lab.topology)
    reading = _Reading(servers, programs)
    answered = ask([each.asked for each in step.requests], lab, _addresses(step, lab.topology), programs)
    nonces = [[nonce for nonce, _ in times] for times in answered]
    reading.await_copies([(each.copies, some) for each, some in zip(step.requests, nonces, strict=True)])
    read = reading.read()
    sights = []
    for expectation, times in zip(step.requests, answered, strict=True):
        found = oracle.outcomes(expectation)
        tries = [Try(answer, tuple(read.by_nonce.get(nonce, ()))) for nonce, answer in times]
        refused = any(each.answer.status in REFUSALS for each in tries)
        sights.append(RoutedSight(expectation, found.all, tries, _evidence(found, attachment) if refused else None))
    judged = judge_requests(sights)
    if read.malformed:
        faults = tuple(f"{step.origin}: a server read what is no request: {each}" for each in read.malformed)
        judged = together(judged, Judgement(faults, "", None, frozenset({Symptom.BREAKS})))
    return judged


def _addresses(step: Step, topology: Topology) -> dict[str, tuple[str, ...]]:
    """Those of Services and Gateways, by what calls name them."""
    services = service_addresses(step.routing.services, topology)
    gateways = gateway_addresses(step.routing.gateways, services, topology)
    return services | {f"gateway {ref}": addresses for ref, addresses in gateways.items()}


def _evidence(outcomes: Outcomes, attachment: Attachment) -> Evidence | None:
    """The data plane's record of refusing a request that policies do, to any of the pods that would have had it."""
    denied = (flow for outcome in outcomes.all for flow in outcome.denied)
    return next((found for flow in denied if (found := attachment.evidence(flow)) is not None), None)


@dataclass(frozen=True, slots=True)
class _Read:
    """What servers read: the requests by their nonces, and what is none, in words."""

    by_nonce: Mapping[int, Sequence[ReadRequest]]
    malformed: Sequence[str]


class _Reading:
    """What servers read from when this is made, of HTTP/1.1 and of gRPC."""

    def __init__(self, servers: Mapping[str, Responder], programs: CallPrograms | None) -> None:
        self._servers = servers
        self._transcripts = {ref: Transcript(server) for ref, server in servers.items()}
        self._called = {} if programs is None else programs.servers
        self._since = {ref: server.count() for ref, server in self._called.items()}

    def await_copies(self, awaited: Sequence[tuple[Sequence[Copies], Sequence[int]]]) -> None:
        """Return when a copy of each request that is always copied has been read, or none has to be waited for any more."""
        wanted = [(set(copies.pods), nonces) for some, nonces in awaited for copies in some if copies.always]
        deadline = time.monotonic() + COPY_SECONDS
        while wanted and time.monotonic() < deadline:
            read = self.read().by_nonce
            wanted = [
                (pods, nonces)
                for pods, nonces in wanted
                if not all(pods & {each.pod for each in read.get(nonce, ())} for nonce in nonces)
            ]
            if wanted:
                time.sleep(_POLL)

    def read(self) -> _Read:
        """All that had come until now."""
        settle(self._servers.values())
        found: dict[int, list[ReadRequest]] = {}
        malformed = []
        for ref, transcript in self._transcripts.items():
            for number, connection in enumerate(transcript.connections()):
                reading = wire.read(connection.data)
                for each in reading.messages:
                    headers = joined(each.request.headers)
                    read = ReadRequest(ref, each.request.path, each.request.host, _others(headers), number)
                    found.setdefault(_nonce(headers), []).append(read)
                if reading.stopped:
                    malformed.append(f"{ref}: {reading.stopped}")
        for ref, server in self._called.items():
            for said in server.arrived(self._since[ref]):
                if said["what"] == "called":
                    headers = joined(said["metadata"])
                    found.setdefault(int(said["probe"] or "0", 16), []).append(
                        ReadRequest(ref, f"/{said['method']}", None, _others(headers))
                    )
        return _Read(found, malformed)


def _nonce(headers: Sequence[tuple[str, str]]) -> int:
    try:
        return int(dict(headers).get(OWN, "0"), 16)
    except ValueError:  # an application's own, or two that a proxy has joined
        return 0


def _others(headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in headers if not name.startswith(OWN))
