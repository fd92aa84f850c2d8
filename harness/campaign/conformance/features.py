"""What a case asks of a data plane, so that what a plane does not claim is not held against it."""

from collections.abc import Iterator

from harness.campaign.conformance.exchanges import asked_of_exchanges
from harness.campaign.conformance.packets import asked_of_packets
from harness.campaign.conformance.routed import expected_requests
from harness.dataplanes.port import DataPlane, Feature, No, Unknown, Yes
from harness.model.bench import Expectation, Opened
from harness.model.case import Case, CaseOutcome
from harness.model.cilium import CiliumPolicy, Policy
from harness.model.flow import Verdict, is_pod
from harness.model.origin import Origin
from harness.model.request import KafkaRequest

BY_PROTOCOL = {"TCP": Feature.POLICY_TCP, "UDP": Feature.POLICY_UDP, "ICMP": Feature.POLICY_ICMP}


def needs(case: Case) -> dict[Feature, Origin]:
    """The features that a case needs, each with the first place that asks for it."""
    found: dict[Feature, Origin] = {}
    for flow, origin in (*asked_of_packets(case), *asked_of_exchanges(case)):
        found.setdefault(BY_PROTOCOL[flow.protocol], origin)
        if flow.family == 6:
            found.setdefault(Feature.IPV6, origin)
    for feature, origin in _of_requests(case):
        found.setdefault(feature, origin)
    for step in case.steps:
        for stream in step.stream_expectations:
            found.setdefault(BY_PROTOCOL[stream.asked.protocol], stream.origin)
            if stream.asked.family == 6:
                found.setdefault(Feature.IPV6, stream.origin)
            if stream.stream not in step.streams and stream.verdict is not Verdict.FORWARDED:
                found.setdefault(Feature.REVOKE_OPEN_CONNECTIONS, stream.origin)
        for expectation in step.expectations:
            found.setdefault(BY_PROTOCOL[expectation.flow.protocol], expectation.origin)
            if expectation.opened in (Opened.EARLIER, Opened.ASKED):
                found.setdefault(Feature.REVOKE_OPEN_CONNECTIONS, expectation.origin)
            if expectation.flow.family == 6:
                found.setdefault(Feature.IPV6, expectation.origin)
        for policy in step.policies:
            for feature, origin in features_of(policy):
                found.setdefault(feature, origin)
    return found


def _of_requests(case: Case) -> Iterator[tuple[Feature, Origin]]:
    for request in expected_requests([case]):
        yield Feature.L7_ROUTING, request.origin
        if request.asked.call.to_gateway:
            yield Feature.L7_GATEWAYS, request.origin
        if request.asked.family == 6:
            yield Feature.IPV6, request.origin
    for step in case.steps:
        yield from ((Feature.L7_TRAFFIC, policy.origin) for policy in step.routing.traffic_policies)


def features_of(policy: Policy) -> Iterator[tuple[Feature, Origin]]:
    """What a policy asks of a data plane beyond policy itself, each with the place that asks for it."""
    if not isinstance(policy, CiliumPolicy):
        for rule in (*(policy.ingress or ()), *(policy.egress or ())):
            yield from ((Feature.POLICY_CIDR, peer.origin) for peer in rule.peers or () if peer.ip_block is not None)
        return
    yield Feature.POLICY_CILIUM, policy.origin
    for spec in policy.specs:
        denials = (*(spec.ingress_deny or ()), *(spec.egress_deny or ()))
        yield from ((Feature.POLICY_DENY, rule.origin) for rule in denials)
        for each in (*(spec.ingress or ()), *(spec.egress or ()), *denials):
            if each.cidrs is not None or each.cidr_sets is not None:
                yield Feature.POLICY_CIDR, each.origin
            for rules in (port.rules for port in each.ports or () if port.rules is not None):
                if rules.http is not None:
                    yield Feature.POLICY_HTTP, rules.origin
                if rules.kafka is not None:
                    yield Feature.POLICY_KAFKA, rules.origin


def obstacle(case: Case, plane: DataPlane) -> tuple[CaseOutcome, str] | None:
    """Why a case is not run on a plane: unsupported, with the plane's reason; an error where that cannot be found out."""
    for step in case.steps:
        for expectation in step.expectations:
            for end in (expectation.flow.source, expectation.flow.destination):
                if not is_pod(end):
                    return CaseOutcome.UNSUPPORTED, f"{expectation.origin}: flows are asked by pods of pods, and {end} is none"
    for feature, origin in needs(case).items():
        match plane.supports(feature):
            case No(reason):
                return CaseOutcome.UNSUPPORTED, f"{feature}: {reason} (asked for at {origin})"
            case Unknown(error):
                return CaseOutcome.ERROR, f"whether {plane.name} supports {feature} is not known: {error}"
    return None


def manner(denied: Expectation, plane: DataPlane) -> Verdict | None:
    """How a plane declares that it denies such a flow: its connection, or, where that is expected, its request."""
    flow = denied.flow
    by_request = flow.request is not None and denied.verdict is Verdict.REJECTED
    of_request = Feature.POLICY_KAFKA if isinstance(flow.request, KafkaRequest) else Feature.POLICY_HTTP
    support = plane.supports(of_request if by_request else BY_PROTOCOL[flow.protocol])
    return support.denies if isinstance(support, Yes) else None
