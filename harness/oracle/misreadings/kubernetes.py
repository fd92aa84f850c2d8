"""Misreadings of a NetworkPolicy."""

from collections.abc import Iterator
from dataclasses import replace

from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Rule
from harness.model.topology import Topology
from harness.oracle.misreadings import selectors, values
from harness.oracle.misreadings.change import Misreading, amount, each_of

_NOWHERE = IPBlock("255.255.255.255/32")
_NO_PORT = "no-such-port"


def policy(written: NetworkPolicy, topology: Topology) -> Iterator[Misreading[NetworkPolicy]]:
    """Its subject, its types, and each of its rules misread."""
    for change in selectors.selector("NetworkPolicy podSelector", written.pod_selector):
        yield change.inside(lambda instead: replace(written, pod_selector=instead))
    yield from _types(written)
    for rules in each_of(written.ingress, lambda rule: _rule("NetworkPolicy ingress", "from", rule, topology)):
        yield rules.inside(lambda instead: replace(written, ingress=instead))
    for rules in each_of(written.egress, lambda rule: _rule("NetworkPolicy egress", "to", rule, topology)):
        yield rules.inside(lambda instead: replace(written, egress=instead))


def _types(written: NetworkPolicy) -> Iterator[Misreading[NetworkPolicy]]:
    """Types depend on the rules where none are written, so that a class is of the three together."""
    types = "absent" if written.policy_types is None else f"[{', '.join(written.policy_types)}]"
    kind = f"{types}, ingress {_filled(written.ingress)}, egress {_filled(written.egress)}"
    for taken in ((), ("Ingress",), ("Egress",), ("Ingress", "Egress")):
        if taken != written.policy_types:
            # A type that none isolates by is written as a policy of nobody's: an empty list would mean the default.
            instead = replace(written, policy_types=taken) if taken else replace(written, pod_selector=selectors.NOTHING)
            yield Misreading("NetworkPolicy policyTypes", kind, f"[{', '.join(taken)}]", instead)


def _filled(rules: tuple[Rule, ...] | None) -> str:
    return {"one": "filled", "several": "filled"}.get(amount(rules), amount(rules))


def _rule(field: str, side: str, written: Rule, topology: Topology) -> Iterator[Misreading[Rule]]:
    kind = f"{side} {amount(written.peers)}, ports {amount(written.ports)}"
    yield Misreading(field, kind, "a rule that allows nothing", replace(written, peers=(_peerless(written),)))
    yield Misreading(field, kind, "a rule that allows all", replace(written, peers=None, ports=None))
    if written.peers:
        yield Misreading(f"{field}.{side}", kind, "not looked at", replace(written, peers=None))
    if written.ports:
        yield Misreading(f"{field}.ports", kind, "not looked at", replace(written, ports=None))
    else:
        only = (PolicyPort(written.origin, "TCP"),)
        yield Misreading(f"{field}.ports", kind, "every TCP port", replace(written, ports=only))
    for peers in each_of(written.peers, lambda peer: _peer(f"{field}.{side}", peer, len(written.peers or ()) > 1)):
        yield peers.inside(lambda instead: replace(written, peers=instead))
    yield from _both(f"{field}.{side}", written)
    for ports in each_of(written.ports, lambda port: _port(f"{field}.ports", port, len(written.ports or ()) > 1, topology)):
        yield ports.inside(lambda instead: replace(written, ports=instead))


def _peerless(written: Rule) -> Peer:
    return Peer(written.origin, ip_block=_NOWHERE)


def _peer(field: str, written: Peer, many: bool) -> Iterator[Misreading[Peer]]:
    pods, namespaces, block = written.pod_selector, written.namespace_selector, written.ip_block
    if block is not None:
        for part, kind, taken, other in values.blocks(values.Block(block.cidr, block.except_)):
            changed = _NOWHERE if other is None else IPBlock(other.cidr, other.except_)
            yield Misreading(f"{field}.ipBlock{part}", kind, taken, replace(written, ip_block=changed))
        return
    if many:
        kind = "one of several peers"
        yield Misreading(field, kind, "not there", Peer(written.origin, ip_block=_NOWHERE))
    beside = " beside namespaceSelector" if namespaces is not None else ""
    if pods is not None:
        for change in selectors.selector(f"{field}.podSelector{beside}", pods):
            yield change.inside(lambda instead: replace(written, pod_selector=instead))
        if namespaces is None:
            every = replace(written, namespace_selector=LabelSelector())
            yield Misreading(f"{field}.podSelector", "without namespaceSelector", "pods of every namespace", every)
    if namespaces is not None:
        beside = " beside podSelector" if pods is not None else ""
        for change in selectors.selector(f"{field}.namespaceSelector{beside}", namespaces):
            yield change.inside(lambda instead: replace(written, namespace_selector=instead))


def _both(field: str, written: Rule) -> Iterator[Misreading[Rule]]:
    """Two selectors of one peer mean both; taken apart they are two peers."""
    for place, peer in enumerate(written.peers or ()):
        if peer.pod_selector is not None and peer.namespace_selector is not None:
            apart = (replace(peer, namespace_selector=None), replace(peer, pod_selector=None))
            peers = (*(written.peers or ())[:place], *apart, *(written.peers or ())[place + 1 :])
            kind = f"{_operators(peer.namespace_selector)} with {_operators(peer.pod_selector)}"
            yield Misreading(f"{field} both selectors", kind, "either of the two", replace(written, peers=peers))


def _operators(selector: LabelSelector) -> str:
    words = ["labels"] * bool(selector.match_labels) + [each.operator for each in selector.match_expressions]
    return " and ".join(words) or "the empty selector"


def _port(field: str, written: PolicyPort, many: bool, topology: Topology) -> Iterator[Misreading[PolicyPort]]:
    protocol, several = written.protocol or "no protocol", ", one of several" if many else ""
    kind = f"{protocol}, {_number_class(written)}{several}"
    yield Misreading(field, kind, "not there", replace(written, port=_NO_PORT, end_port=None))
    other = "UDP" if (written.protocol or "TCP") == "TCP" else "TCP"
    yield Misreading(f"{field}.protocol", kind, other, replace(written, protocol=other))
    if written.port is not None:
        yield Misreading(f"{field}.port", kind, "every port", replace(written, port=None, end_port=None))
    if isinstance(written.port, int):
        for taken, first, last in values.spans(written.port, written.end_port):
            part = "port" if written.end_port is None else "endPort"
            yield Misreading(f"{field}.{part}", kind, taken, replace(written, port=first, end_port=last))
    elif written.port is not None:
        for number in named(written.port, topology):
            yield Misreading(f"{field}.port", kind, "a number that some pod gives the name", replace(written, port=number))


def named(name: str, topology: Topology) -> list[int]:
    """Every number that any pod calls so."""
    return sorted({own.port for pod in topology.pods for own in pod.ports if own.name == name})


def _number_class(written: PolicyPort) -> str:
    if written.port is None:
        return "every port"
    if isinstance(written.port, str):
        return "a name"
    if written.end_port is None:
        return "a number"
    return range_class(written.port, written.end_port)


def range_class(first: int, last: int) -> str:
    """The class of a range of ports."""
    if first == last:
        return "a range of one port"
    if last == 65535:
        return "a range to the last port"
    return "a range from the first port" if first == 1 else "a range"
