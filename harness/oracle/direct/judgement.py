"""The answer to a flow: every policy is asked at both ends, in the order that they come."""

from collections.abc import Iterator, Sequence

from harness.model.cilium import CiliumPolicy, Policy
from harness.model.flow import Flow, Verdict
from harness.model.topology import Topology
from harness.model.verdict import Answer, Decision
from harness.oracle.direct import cilium, kubernetes
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
    egress, ingress = _decide(leaving, policies), _decide(arriving, policies)
    dropped = Verdict.DROPPED in (egress.verdict, ingress.verdict)
    return Answer(Verdict.DROPPED if dropped else Verdict.FORWARDED, egress, ingress)


def _decide(traffic: Traffic, policies: Sequence[Policy]) -> Decision:
    """Deny rules win over every allow; what is allowed by nobody is dropped only where some policy isolates."""
    if traffic.subject.pod is None:
        return Decision(Verdict.FORWARDED, None, "not a pod: no policy applies")
    findings = list(_findings(traffic, policies))
    for finding in findings:
        if finding.denied is not None:
            return Decision(Verdict.DROPPED, finding.denied, "denied by rule")
    isolating = [finding.isolates for finding in findings if finding.isolates is not None]
    if not isolating:
        return Decision(Verdict.FORWARDED, None, "no policy isolates")
    for finding in findings:
        if finding.allowed is not None:
            return Decision(Verdict.FORWARDED, finding.allowed, "allowed by rule")
    return Decision(Verdict.DROPPED, isolating[0], "isolated, and no rule allows")


def _findings(traffic: Traffic, policies: Sequence[Policy]) -> Iterator[Finding]:
    for policy in policies:
        if isinstance(policy, CiliumPolicy):
            for spec in policy.specs:
                yield cilium.judge(spec, policy, traffic)
        else:
            yield kubernetes.judge(policy, traffic)
