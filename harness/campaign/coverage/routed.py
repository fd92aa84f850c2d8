"""The classes of requests to Services and Gateways that cases ask: what decides about them, and what becomes of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from harness.campaign.conformance.routed_outcomes import Outcomes, StepOracle
from harness.campaign.coverage.gateways import peers_of
from harness.campaign.coverage.requests import request_class
from harness.campaign.coverage.routes import Rule, applying, backends_of, filters_of, kinds, matches_of, parents
from harness.campaign.coverage.situations import decided, distance
from harness.campaign.coverage.traffic import asked_how, policy_class
from harness.model.case import Step
from harness.model.coverage import Noticed, Pair
from harness.model.flow import Flow
from harness.model.route import HTTPRouteRule, Route
from harness.model.routed import Asked, RoutedExpectation
from harness.model.routing import Forwarded, Routing
from harness.model.topology import Topology
from harness.oracle import direct
from harness.oracle.misreadings.routes import routing
from harness.oracle.routing import Router
from harness.oracle.routing.matching import Rank, grpc_ranks, http_ranks
from harness.oracle.routing.message import Message, message
from harness.oracle.routing.trying import tries

_OK = 200


def routed_pairs(step: Step, topology: Topology, former: Step | None) -> Iterator[Pair]:
    """Pairs for each request of a step, and for what differs from the step before."""
    if not step.requests:
        return
    oracle = StepOracle(step, topology)
    changed = "" if former is None else _changed(former, step)
    for expectation in step.requests:
        found = oracle.outcomes(expectation)
        yield from _of(expectation, found, step, topology)
        if changed:
            at = " of a Gateway" if expectation.asked.call.to_gateway else ""
            yield Pair(f"change of routes{at}", f"{changed}: {_became(expectation, found)}")


def routed_misreadings(step: Step, topology: Topology) -> Iterator[Noticed]:
    """The misreadings of a step's routes by which another answer of some request's would be right."""
    asked = [each.asked for each in step.requests]
    if not asked:
        return
    router = Router(step.routing, topology)
    right = [_answers(router, each) for each in asked]
    for reading in routing(step.routing):
        other = Router(reading.instead, topology)
        if any(_answers(other, each) != answers for each, answers in zip(asked, right, strict=True)):
            yield Noticed(reading.field, reading.value, reading.taken)


def _answers(router: Router, asked: Asked) -> list[str]:
    """All that may become of a request, told apart by what a client or a server would see of it."""
    seen: dict[object, int] = {}
    answers = router.answer(asked.call)
    for each in answers:
        if isinstance(each, Forwarded):
            what: object = (
                each.backend, each.port, each.path, each.host, tuple(sorted(each.headers.items())), each.response, each.mirrors,
                tries(asked.told, each.timeouts, each.retry, each.traffic),
            )  # fmt: skip
        else:
            what = (each.status, tuple(each.headers.items()))
        seen[what] = seen.get(what, 0) + each.weight
    total = sum(each.weight for each in answers)
    return sorted(f"{Fraction(weight, total)} {what}" for what, weight in seen.items())


def _of(expectation: RoutedExpectation, found: Outcomes, step: Step, topology: Topology) -> Iterator[Pair]:
    asked = expectation.asked
    routes = applying(asked, step.routing, topology)
    origins = {each.rule for each in found.all if not each.denied and each.rule is not None}
    chosen = [(route, rule) for route in routes for rule in route.rules or () if rule.origin in origins]
    asks, became = _asks(asked, step.routing), _became(expectation, found)
    to, at = ("request to a Gateway", " of a Gateway") if asked.call.to_gateway else ("request to a Service", "")
    yield Pair(to, f"{asks}, {parents(routes, asked, step.routing, topology)}: {became}")
    where = " and ".join(sorted({distance(Flow(asked.call.source, pod, 0), topology) for one in found.all for pod in one.pods}))
    yield Pair(to, f"{where or 'to nobody'} over IPv{asked.family}, {kinds(routes)}: {became}")
    for route, rule in chosen:
        if asked.call.to_gateway and any(parent.kind == "Service" for parent in route.parent_refs or ()):
            at = " of a Gateway and a Service"
        yield Pair(f"route matches{at}", f"{matches_of(rule)}{_over(route, rule, routes, asked)} for {asks}")
        filters = " then ".join(filters_of(rule, route, step.routing))
        if filters:
            yield Pair(f"route filters{at}", f"{filters} for {asks}{' under policies' if step.policies else ''}: {became}")
        yield Pair(f"route backendRefs{at}", f"{backends_of(rule, route, asked, step.routing)}: {became}")
        if isinstance(rule, HTTPRouteRule) and (rule.timeouts or rule.retry):
            yield Pair(f"route timeouts and retry{at}", f"{_limits(rule)} for {asks}: {became}")
    governing = {each.traffic for each in Router(step.routing, topology).answer(asked.call) if isinstance(each, Forwarded)}
    for policy in (each for each in governing if each is not None):
        of_several = " of several" if len(step.routing.traffic_policies) > 1 else ""
        about = f"{policy_class(policy)}{of_several} for {asks}, {asked_how(expectation)}"
        yield Pair(f"traffic policy{at}", f"{about}: {became}")
    if not chosen and routes:
        unmet = " and ".join(sorted({matches_of(each) for route in routes for each in route.rules or ()}))
        yield Pair(f"route matches{at}", f"none of {unmet} for {asks}")
    for flow in StepOracle(step, topology).flows(expectation) if step.policies else ():
        said = decided(direct.answer(flow, step.policies, topology), step.policies)
        said += f" for {peers_of(step.policies)}" if asked.call.to_gateway else ""
        yield Pair(f"policy of a backend{at}", f"{said}, {distance(flow, topology)}, {kinds(routes)}: {became}")


def _asks(asked: Asked, routing: Routing) -> str:
    """What is asked, and what its server is told to do; a Host that is another Service's name could lead there."""
    told = asked.told
    said = [*(["status"] * (told.status != _OK)), *(["delay"] * bool(told.delay)), *(["headers"] * bool(told.headers))]
    told_so = f", its server told {' and '.join(said)}{' at first' if told.first else ''}" if said else ""
    request = asked.call.request
    host = (request.host or "").partition(":")[0]
    namespace, _, name = asked.call.destination.partition("/")
    if host.startswith(f"{name}.{namespace}."):
        request = replace(request, host=None)  # what a client says that is not told
    others = {each.name for each in routing.services if each.ref != asked.call.destination}
    return f"{request_class(request)}{told_so}{', its Host another Service' if host in others else ''}"


def _became(expectation: RoutedExpectation, found: Outcomes) -> str:
    parts = []
    for each in found.all:
        several = " by one of several pods" if len(each.pods) > 1 else ""
        parts.append(f"{each.status}{several}{f' in {each.tries} tries' if each.tries > 1 else ''}")
    copies = sorted("copies of all" if each.always else "copies of some" for each in expectation.copies)
    return " or ".join(sorted(parts)) + (f" with {' and '.join(copies)}" if copies else "")


def _over(route: Route, rule: Rule, routes: Sequence[Route], asked: Asked) -> str:
    """The other rules that the request meets, those first that are as specific, and by what they come later."""
    sent = message(asked.call)
    own = max(_ranks(rule, sent))
    beaten = set()
    for other in routes:
        for each in other.rules or ():
            ranks = [] if each is rule else _ranks(each, sent)
            if ranks:
                later = "of a later rule" if other is route else "of a younger route" if other.created else "of a later name"
                beaten.add(f"{matches_of(each)}{f', as specific, {later}' if max(ranks) == own else ''}")
    return f" over {' and '.join(sorted(beaten))}" if beaten else ""


def _ranks(rule: Rule, sent: Message) -> list[Rank]:
    return list(http_ranks(rule, sent) if isinstance(rule, HTTPRouteRule) else grpc_ranks(rule, sent))


def _limits(rule: HTTPRouteRule) -> str:
    said = []
    for name in ("request", "backend_request"):
        value = getattr(rule.timeouts, name) if rule.timeouts is not None else None
        said += [] if value is None else [f"{name} {'of zero' if value.strip('0') in ('s', 'ms', 'm', 'h') else 'limited'}"]
    if rule.retry is not None:
        said.append(f"{len(rule.retry.codes or ())} codes, {rule.retry.attempts} attempts")
    return " and ".join(said)


def _changed(former: Step, step: Step) -> str:
    """What of routing and policies differs between two steps."""
    said = []
    for name in ("http_routes", "grpc_routes", "services", "gateways"):
        old, new = getattr(former.routing, name), getattr(step.routing, name)
        if old != new:
            word = "replaced" if old and new else "added" if new else "removed"
            said.append(f"{name} {word}")
    old, new = former.policies, step.policies
    return ", ".join([*said, *([f"policies {'added' if len(new) > len(old) else 'removed'}"] if old != new else [])])
