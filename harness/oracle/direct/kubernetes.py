"""NetworkPolicy of networking.k8s.io/v1.

Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from ipaddress import ip_network

from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Rule
from harness.oracle.direct.finding import Finding, Grant
from harness.oracle.direct.selector import satisfies
from harness.oracle.direct.traffic import Traffic


def judge(policy: NetworkPolicy, traffic: Traffic) -> Finding:
    """What ``policy`` says of ``traffic``; an empty finding if it does not select the pod."""
    pod = traffic.subject.pod
    if pod is None or pod.namespace != policy.namespace or not satisfies(pod.labels, policy.pod_selector):
        return Finding()
    if ("Ingress" if traffic.ingress else "Egress") not in _types(policy):
        return Finding()
    rules = (policy.ingress if traffic.ingress else policy.egress) or ()
    allowed = next((Grant(rule.origin) for rule in rules if _matches(rule, policy.namespace, traffic)), None)
    return Finding(isolates=policy.origin, grants=() if allowed is None else (allowed,))


def _types(policy: NetworkPolicy) -> tuple[str, ...]:
    """If none are written, "Ingress will always be set and Egress will be set if the policy has any egress rules"."""
    if policy.policy_types:
        return policy.policy_types
    return ("Ingress", "Egress") if policy.egress else ("Ingress",)


def _matches(rule: Rule, namespace: str, traffic: Traffic) -> bool:
    """Peers or ports that are empty or missing are all of them; without ports, also the protocols that have none."""
    return (not rule.peers or any(_peer(peer, namespace, traffic) for peer in rule.peers)) and (
        not rule.ports or any(_port(port, traffic) for port in rule.ports)
    )


def _peer(peer: Peer, namespace: str, traffic: Traffic) -> bool:
    if peer.ip_block is not None:
        return _inside(peer.ip_block, traffic)
    pod = traffic.peer.pod
    if pod is None or not satisfies(pod.labels, peer.pod_selector or LabelSelector()):
        return False
    if peer.namespace_selector is None:
        return pod.namespace == namespace
    return satisfies(traffic.peer.namespace_labels, peer.namespace_selector)


def _inside(block: IPBlock, traffic: Traffic) -> bool:
    """A pod's address counts as any other's."""
    address = traffic.peer.address
    if address is None:
        return False
    return address in ip_network(block.cidr) and not any(address in ip_network(hole) for hole in block.except_)


def _port(port: PolicyPort, traffic: Traffic) -> bool:
    if traffic.protocol != (port.protocol or "TCP"):
        return False
    match port.port:
        case None:
            return True
        case str() as name:
            declared = traffic.destination.ports if traffic.destination else ()
            return any((own.name, own.protocol, own.port) == (name, traffic.protocol, traffic.port) for own in declared)
        case int() as first:
            return first <= traffic.port <= (first if port.end_port is None else port.end_port)
