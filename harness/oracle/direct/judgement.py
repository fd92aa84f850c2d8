"""The answer to a flow: every policy is asked at both ends, in the order that they come."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.model.cilium import CiliumPolicy, Policy
from harness.model.flow import Flow, Verdict, is_pod
from harness.model.request import HTTPRequest
from harness.model.topology import Topology
from harness.model.verdict import Answer, Decision
from harness.oracle.direct import cilium, kubernetes, requests
from harness.oracle.direct.finding import Finding
from harness.oracle.direct.traffic import Traffic, ends, icmp_type


def answer(flow: Flow, policies: Sequence[Policy], topology: Topology) -> Answer:
    """What should become of ``flow``, and which rule says so at each end.

    The policies are taken to be valid, as harness.manifests checks them. Raises KeyError if the flow names an unknown pod.
    """
    source, destination, family = ends(flow, topology)
    if source.pod is not None and source.pod == destination.pod:
        itself = Decision(Verdict.FORWARDED, None, "a pod always reaches itself")
        return Answer(Verdict.FORWARDED, itself, itself)
    message = icmp_type(flow, family)
    leaving = Traffic(source, destination, False, family, flow.protocol, flow.port, message)
    arriving = Traffic(destination, source, True, family, flow.protocol, flow.port, message)
    egress, ingress = _decide(leaving, policies, flow), _decide(arriving, policies, _passed_on(leaving, policies, flow))
    ends_say = (egress.verdict, ingress.verdict)
    verdict = next((worst for worst in (Verdict.DROPPED, Verdict.REJECTED) if worst in ends_say), Verdict.FORWARDED)
    return Answer(verdict, egress, ingress)


def _decide(traffic: Traffic, policies: Sequence[Policy], flow: Flow) -> Decision:
    """Deny rules win over every allow; what is allowed by nobody is dropped only where some policy isolates.

    Rules about requests narrow what they are about wherever they match, also where nothing isolates.
    Source: https://docs.cilium.io/en/stable/security/policy/language/#policy-enforcement-modes
    """
    if traffic.subject.pod is None:
        return Decision(Verdict.FORWARDED, None, "not a pod: no policy applies")
    findings = list(_findings(traffic, policies))
    for finding in findings:
        if finding.denied is not None:
            return Decision(Verdict.DROPPED, finding.denied, "denied by rule")
    isolating = [finding.isolates for finding in findings if finding.isolates is not None]
    grants = [grant for finding in findings for grant in finding.grants]
    if flow.request is not None and grants and (isolating or any(grant.narrowed for grant in grants)):
        return requests.decide(flow.request, grants, _host(flow))
    if not isolating:
        return Decision(Verdict.FORWARDED, None, "no policy isolates")
    if grants:
        return Decision(Verdict.FORWARDED, grants[0].rule, "allowed by rule")
    return Decision(Verdict.DROPPED, isolating[0], "isolated, and no rule allows")


def _passed_on(traffic: Traffic, policies: Sequence[Policy], flow: Flow) -> Flow:
    """The flow as its client's rules leave it: those of the server see what they made of the request's headers."""
    if not isinstance(flow.request, HTTPRequest) or traffic.subject.pod is None:
        return flow
    grants = [grant for finding in _findings(traffic, policies) for grant in finding.grants]
    return replace(flow, request=requests.passed_on(flow.request, grants, _host(flow)))


def _findings(traffic: Traffic, policies: Sequence[Policy]) -> Iterator[Finding]:
    for policy in policies:
        if isinstance(policy, CiliumPolicy):
            for spec in policy.specs:
                yield cilium.judge(spec, policy, traffic)
        else:
            yield kubernetes.judge(policy, traffic)


def _host(flow: Flow) -> str:
    """What a client that is told no name calls a server: a pod by its name and namespace, others by their address."""
    if is_pod(flow.destination):
        namespace, _, name = flow.destination.partition("/")
        return f"{name}.{namespace}"
    return f"[{flow.destination}]" if ":" in flow.destination else flow.destination
