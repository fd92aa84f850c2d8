"""What may become of a request to a Service, by the oracles of routing and of policies together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from harness.campaign.conformance.traffic import under_policy
from harness.judge.conformance import deciding
from harness.model.call import PERMISSION_DENIED, STATUSES, GRPCCall
from harness.model.case import Step
from harness.model.flow import Flow, Verdict
from harness.model.request import GRPCRequest, HTTPRequest
from harness.model.route import HeaderChanges
from harness.model.routed import Asked, NamedHeaders, Outcome, RoutedExpectation, Status
from harness.model.routing import Forwarded, Mirrored, Replied
from harness.model.topology import Topology
from harness.oracle import direct, sets
from harness.oracle.routing import Router
from harness.oracle.routing.trying import GATEWAY_TIMEOUT, tries

FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Outcomes:
    """All that may become of a request. ``unsaid``: why some of it is left open, a line each."""

    all: tuple[Outcome, ...]
    mirrors: tuple[Mirrored, ...] = ()
    unsaid: tuple[str, ...] = ()


class StepOracle:
    """The oracles of a step: where its requests go, and whether policies let them. ``topology`` has addresses."""

    def __init__(self, step: Step, topology: Topology) -> None:
        self._policies = step.policies
        self._topology = topology
        self._router = Router(step.routing, topology)
        self._other = sets.Oracle(step.policies, topology)

    def outcomes(self, expectation: RoutedExpectation) -> Outcomes:
        """What may become of a request. Those that a client and servers cannot tell apart are one."""
        asked = expectation.asked
        found: dict[tuple[object, ...], Outcome] = {}
        mirrors: dict[Mirrored, None] = {}
        unsaid: list[str] = []
        for answer in self._router.answer(asked.call):
            if isinstance(answer, Replied):
                parts = [_replied(answer, asked)]
            else:
                parts = list(self._forwarded(answer, asked, unsaid))
                if len(parts) > 1 and expectation.weighted:
                    unsaid.append(f"{asked}: how a Service's pods share its requests is left open; write no weights")
                parts = [each for part in parts for each in under_policy(part, answer, expectation, unsaid)]
            if isinstance(answer, Forwarded) and any(each.pods for each in parts):
                mirrors.update(dict.fromkeys(self._mirrors(answer, asked, unsaid)))
            for each in parts:
                key = (each.pods, each.status, each.tries, each.path, each.host, each.headers, each.returns, each.delay)
                held = found.get(key)
                found[key] = each if held is None else _together(held, each)
        return Outcomes(tuple(found.values()), tuple(mirrors), tuple(unsaid))

    def _mirrors(self, answer: Forwarded, asked: Asked, unsaid: list[str]) -> Iterator[Mirrored]:
        """Those whose pods may have the request: a copy is one."""
        for each in answer.mirrors:
            flows = [_flow(answer, asked, pod, port) for pod, port in self.copied(each)]
            said = [direct.answer(flow, self._policies, self._topology).verdict for flow in flows]
            if any(verdict is Verdict.FORWARDED for verdict in said):
                yield each
                if any(verdict is not Verdict.FORWARDED for verdict in said):
                    unsaid.append(f"{asked}: which of the pods of Service {each.backend} gets copies is left open")

    def flows(self, expectation: RoutedExpectation) -> Iterator[Flow]:
        """The request as each pod behind its backends would get it, which is what policies judge."""
        for answer in self._router.answer(expectation.asked.call):
            if isinstance(answer, Forwarded):
                for pod, port in self._router.endpoints(answer.backend, answer.port):
                    yield _flow(answer, expectation.asked, pod, port)

    def behind(self, expectation: RoutedExpectation) -> dict[str, int]:
        """The pods that may get a request or its copies if no policy refuses it, and at which port."""
        found: dict[str, int] = {}
        for answer in self._router.answer(expectation.asked.call):
            if isinstance(answer, Forwarded):
                for backend, port in [(answer.backend, answer.port), *((each.backend, each.port) for each in answer.mirrors)]:
                    found.update(self._router.endpoints(backend, port))
        return found

    def copied(self, mirror: Mirrored) -> tuple[tuple[str, int], ...]:
        """The pods of which one gets a copy, and at which port."""
        return self._router.endpoints(mirror.backend, mirror.port)

    def _forwarded(self, answer: Forwarded, asked: Asked, unsaid: list[str]) -> Iterator[Outcome]:
        """One of those pods that policies let have it, and one of all others."""
        endpoints = self._router.endpoints(answer.backend, answer.port)
        admitted, denied, rule, reason = [], [], None, ""
        for pod, port in endpoints:
            flow = _flow(answer, asked, pod, port)
            first, second = direct.answer(flow, self._policies, self._topology), self._other.answer(flow)
            if (first.verdict is Verdict.DROPPED) is (second.verdict is Verdict.FORWARDED):
                unsaid.append(f"{flow}: oracle direct says {first.verdict}, oracle sets says {second.verdict}")
            if first.verdict is Verdict.FORWARDED:
                admitted.append(pod)
            else:
                denied.append(flow)
                rule, reason = deciding(first).rule, deciding(first).reason
        share = Fraction(answer.weight, len(endpoints))
        if denied:
            status: Status = FORBIDDEN if isinstance(asked.call.request, HTTPRequest) else STATUSES[PERMISSION_DENIED]
            yield Outcome((), status, share * len(denied), denied=tuple(denied), rule=rule, reason=reason)
        if admitted:
            status, count = self._answered(answer, asked, unsaid)
            own = status == GATEWAY_TIMEOUT  # an error of the mesh, which filters leave as it is
            yield Outcome(
                tuple(sorted(admitted)), status, share * len(admitted), count, answer.path, answer.host,
                _as_it_arrives(answer, asked), () if own else _as_it_returns(answer.response, asked), rule=answer.rule,
                reason="the rule's backend" if answer.rule else "the Service itself, which has no route",
            )  # fmt: skip

    def _answered(self, answer: Forwarded, asked: Asked, unsaid: list[str]) -> tuple[Status, int]:
        """The status of the answer to a request that a pod gets, and how often that reads it."""
        request = asked.call.request
        if isinstance(request, GRPCCall):
            return request.answer, 1
        tried = tries(asked.told, answer.timeouts, answer.retry, answer.traffic)
        if tried.unsaid:
            unsaid.append(f"{asked}: {tried.unsaid}")
        return tried.status, tried.count


def _together(one: Outcome, other: Outcome) -> Outcome:
    """Two that are alike but for what decides."""
    return Outcome(
        one.pods, one.status, one.weight + other.weight, one.tries, one.path, one.host, one.headers, one.returns,
        (*one.denied, *other.denied), one.rule, one.reason, one.delay,
    )  # fmt: skip


def _flow(answer: Forwarded, asked: Asked, pod: str, port: int) -> Flow:
    """The request as if the client had sent it to the pod as its backend gets it, which is what policies are about."""
    request = asked.call.request
    if isinstance(request, GRPCRequest):
        kept = tuple((name, value) for name, value in answer.headers.items() if name.lower() != "content-type")
        judged: HTTPRequest | GRPCRequest = GRPCRequest(answer.path.removeprefix("/"), answer.host, kept)
    else:
        judged = HTTPRequest(request.method, answer.path, answer.host, tuple(answer.headers.items()))
    return Flow(asked.call.source, pod, port, family=asked.family, request=judged)


def _replied(answer: Replied, asked: Asked) -> Outcome:
    status: Status = answer.status
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if isinstance(asked.call.request, GRPCRequest):
        code = headers.pop("grpc-status", None)
        status = STATUSES[int(code)] if code is not None else _of_http(answer.status)
    return Outcome(
        (), status, Fraction(answer.weight), returns=tuple(headers.items()), rule=answer.rule, reason=answer.reason
    )  # fmt: skip


def _of_http(status: int) -> str:
    """What a client of gRPC makes of a status of HTTP.

    Source: https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
    """
    return {404: "UNIMPLEMENTED", 503: "UNAVAILABLE", 403: "PERMISSION_DENIED"}.get(status, "UNKNOWN")


def _as_it_arrives(answer: Forwarded, asked: Asked) -> NamedHeaders:
    """Of the headers that the client sent, or that are there when all filters are through; the others are a proxy's own."""
    there = {name.lower(): value for name, value in answer.headers.items()}
    sent = [name.lower() for name, _ in asked.call.request.headers]
    return tuple((name, there.get(name)) for name in dict.fromkeys([*sent, *there]) if name != "content-type")


def _as_it_returns(changes: Sequence[HeaderChanges], asked: Asked) -> NamedHeaders:
    """The headers that the server was told to send, and that filters name, when all are through."""
    held: dict[str, str | None] = {}
    for name, value in asked.told.headers:
        held[name.lower()] = _added(held, name, value)
    for each in changes:
        held |= {header.name.lower(): header.value for header in each.set or ()}
        for header in each.add or ():
            held[header.name.lower()] = _added(held, header.name, header.value)
        held |= {name.lower(): None for name in each.remove or ()}
    return tuple(held.items())


def _added(held: Mapping[str, str | None], name: str, value: str) -> str:
    former = held.get(name.lower())
    return value if former is None else f"{former},{value}"
