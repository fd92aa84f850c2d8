"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of cilium.io/v2.

Source: https://docs.cilium.io/en/stable/security/policy/language/ and the sanitizer of Cilium's rules.
"""

from collections.abc import Iterator, Sequence
from ipaddress import ip_network

from harness.model.cilium import CIDRSet, CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, ICMPField, L7Rules, PortRule
from harness.model.policy import LabelSelector
from harness.oracle.direct import icmp
from harness.oracle.direct.finding import Finding, Grant
from harness.oracle.direct.selector import satisfies
from harness.oracle.direct.traffic import End, Traffic

_NAMESPACE = "io.kubernetes.pod.namespace"
_NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."


def judge(spec: CiliumSpec, policy: CiliumPolicy, traffic: Traffic) -> Finding:
    """What one ``spec`` of ``policy`` says of ``traffic``; an empty finding if it does not select the pod."""
    pod = traffic.subject.pod
    if pod is None or policy.namespace not in (None, pod.namespace):
        return Finding()
    if not satisfies(_labels(traffic.subject), spec.endpoint_selector, _plain):
        return Finding()
    default = spec.enable_default_deny
    if traffic.ingress:
        allow, deny, wanted = spec.ingress or (), spec.ingress_deny or (), default.ingress if default else None
    else:
        allow, deny, wanted = spec.egress or (), spec.egress_deny or (), default.egress if default else None
    isolates = bool(allow or deny) if wanted is None else wanted
    denied = next((rule.origin for rule in deny if _matches(rule, policy.namespace, traffic)), None)
    return Finding(spec.origin if isolates else None, tuple(_grants(allow, policy, traffic)), denied)


def _grants(rules: Sequence[CiliumRule], policy: CiliumPolicy, traffic: Traffic) -> Iterator[Grant]:
    for rule in rules:
        if _matches(rule, policy.namespace, traffic):
            grant = Grant(rule.origin, _narrowed(rule, traffic))
            yield grant
            if not grant.narrowed:
                return


def _narrowed(rule: CiliumRule, traffic: Traffic) -> tuple[L7Rules, ...]:
    """The rules about requests of all entries that match; none where one of those entries has none."""
    matching = [entry for entry in rule.ports or () if _ports(entry, traffic)]
    narrowed = tuple(entry.rules for entry in matching if entry.rules is not None and (entry.rules.http or entry.rules.kafka))
    return narrowed if len(narrowed) == len(matching) else ()


def _matches(rule: CiliumRule, namespace: str | None, traffic: Traffic) -> bool:
    peers = (rule.endpoints, rule.cidrs, rule.cidr_sets, rule.entities)
    if all(each is None for each in peers):
        return bool(rule.ports or rule.icmps) and _service(rule, traffic)
    return _peer(rule, namespace, traffic.peer) and _service(rule, traffic)


def _peer(rule: CiliumRule, namespace: str | None, peer: End) -> bool:
    return (
        any(_endpoint(selector, namespace, peer) for selector in rule.endpoints or ())
        or any(_outside(CIDRSet(rule.origin, cidr), peer) for cidr in rule.cidrs or ())
        or any(_outside(each, peer) for each in rule.cidr_sets or ())
        or any(_entity(name, peer) for name in rule.entities or ())
    )


def _endpoint(selector: LabelSelector, namespace: str | None, peer: End) -> bool:
    """A namespaced policy means its own namespace unless the selector speaks of namespaces itself."""
    if peer.pod is None or not satisfies(_labels(peer), selector, _plain):
        return False
    keys = [_plain(key) for key in (*selector.match_labels, *(each.key for each in selector.match_expressions))]
    if namespace is None or any(key == _NAMESPACE or key.startswith(_NAMESPACE_LABELS) for key in keys):
        return True
    return peer.pod.namespace == namespace


def _labels(end: End) -> dict[str, str]:
    """What Cilium knows a pod by: its own labels, its namespace, and that one's labels."""
    if end.pod is None:
        return {}
    inherited = {_NAMESPACE_LABELS + key: value for key, value in end.namespace_labels.items()}
    return {**end.pod.labels, **inherited, _NAMESPACE: end.pod.namespace}


def _plain(key: str) -> str:
    """A key without the source that it may begin with; pods have labels of one source only."""
    return key.removeprefix("k8s:") if key.startswith("k8s:") else key.removeprefix("any:")


def _outside(block: CIDRSet, peer: End) -> bool:
    """CIDR rules "do not apply to traffic where both sides of the connection are managed by Cilium": no pod matches."""
    if peer.pod is not None or peer.address is None:
        return False
    return peer.address in ip_network(block.cidr) and not any(peer.address in ip_network(hole) for hole in block.except_)


def _entity(name: str, peer: End) -> bool:
    match name:
        case "all":
            return True
        case "cluster":
            return peer.pod is not None
        case "world":
            return peer.pod is None
        case "world-ipv4" | "world-ipv6":
            return peer.pod is None and peer.address is not None and f"world-ipv{peer.address.version}" == name
    return False  # none; host and remote-node are nodes, which are no end of a flow


def _service(rule: CiliumRule, traffic: Traffic) -> bool:
    if rule.icmps:
        return any(_icmp(field, traffic) for fields in rule.icmps for field in fields)
    return not rule.ports or any(_ports(each, traffic) for each in rule.ports)


def _ports(rule: PortRule, traffic: Traffic) -> bool:
    return not rule.ports or any(_port(port, traffic) for port in rule.ports)


def _port(port: CiliumPort, traffic: Traffic) -> bool:
    protocol = (port.protocol or "ANY").upper()
    if traffic.protocol not in (("TCP", "UDP") if protocol == "ANY" else (protocol,)):
        return False
    if not port.port.isdigit():
        declared = traffic.destination.ports if traffic.destination else ()
        return any((own.name, own.protocol, own.port) == (port.port, traffic.protocol, traffic.port) for own in declared)
    first = int(port.port)
    return first == 0 or first <= traffic.port <= (first if port.end_port is None else port.end_port)


def _icmp(field: ICMPField, traffic: Traffic) -> bool:
    family = 6 if field.family == "IPv6" else 4
    return traffic.icmp is not None and traffic.family == family and traffic.icmp == icmp.number(field.type, family)
