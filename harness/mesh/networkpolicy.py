"""What a NetworkPolicy means: whom it isolates, and what it grants.

Source of the semantics: networking.k8s.io/v1 (https://kubernetes.io/docs/concepts/services-networking/network-policies/)
and the API server's defaulting and validation of it. Where that is silent: an ipBlock also matches pods' addresses.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address, ip_network

from harness.mesh.cidrclasses import Block
from harness.mesh.grants import EGRESS, INGRESS, Cluster, Grant, Granted, Peers, PolicyError, numbers, resolve, resolved
from harness.mesh.identity import Identity
from harness.mesh.layout import PROTOCOLS, Network
from harness.mesh.portclasses import PortRange
from harness.mesh.selectors import matches
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Rule

_TYPES = {"Egress": EGRESS, "Ingress": INGRESS}


def grant(policy: NetworkPolicy, cluster: Cluster, result: Granted) -> None:
    """Add what ``policy`` means over ``cluster`` to ``result``. Raises PolicyError."""
    here = [identity for identity in cluster.identities if identity.namespace == policy.namespace]
    subjects = [identity for identity in here if matches(policy.pod_selector, identity.labels)]
    for direction in _directions(policy):
        result.isolate(direction, subjects, policy.origin)
        for rule in (policy.egress if direction == EGRESS else policy.ingress) or ():
            result.grants.extend(_rule_grants(rule, direction, subjects, policy.namespace, cluster))


def _directions(policy: NetworkPolicy) -> list[int]:
    """``policyTypes``, by default Ingress, and Egress if the policy has egress rules."""
    if not policy.policy_types:
        return [INGRESS, EGRESS] if policy.egress else [INGRESS]
    unknown = [name for name in policy.policy_types if name not in _TYPES]
    if unknown:
        raise PolicyError(policy.origin, f"policyTypes: {unknown[0]!r} is neither Ingress nor Egress")
    return sorted({_TYPES[name] for name in policy.policy_types})


def _rule_grants(rule: Rule, direction: int, subjects: Sequence[Identity], namespace: str, cluster: Cluster) -> Iterator[Grant]:
    """Absent and empty lists of peers or ports both mean all of them."""
    everybody = numbers(subjects)
    peers: list[Sequence[Identity] | Block | None] = [None]
    if rule.peers:
        peers = [_peers(peer, namespace, cluster) for peer in rule.peers]
    for port in rule.ports or (None,):
        if port is not None and isinstance(port.port, str):
            yield from _named_grants(port, rule.origin, direction, subjects, peers, cluster)
            continue
        wanted = None if port is None else _numeric(port)
        for group in peers:
            yield Grant(everybody, direction, _plain(group), wanted, rule.origin)


def _plain(peers: Sequence[Identity] | Block | None) -> Peers:
    return peers if peers is None or isinstance(peers, Block) else numbers(peers)


def _named_grants(
    port: PolicyPort,
    origin: Origin,
    direction: int,
    subjects: Sequence[Identity],
    peers: Iterable[Sequence[Identity] | Block | None],
    cluster: Cluster,
) -> Iterator[Grant]:
    """A named port is whatever the destination pod calls so: the subject for ingress, each peer for egress."""
    if port.end_port is not None:
        raise PolicyError(port.origin, f"endPort needs a numeric port, not the name {port.port!r}")
    name, protocols = str(port.port), (_protocol(port),)
    for group in peers:
        if direction == INGRESS:
            for number, holders in resolved(name, protocols, subjects).items():
                yield Grant(numbers(holders), direction, _plain(group), number, origin)
        elif isinstance(group, Block):
            yield from _named_in_block(port, origin, subjects, group, cluster)
        else:
            for number, holders in resolved(name, protocols, cluster.identities if group is None else group).items():
                yield Grant(numbers(subjects), direction, numbers(holders), number, origin)


def _named_in_block(
    port: PolicyPort, origin: Origin, subjects: Sequence[Identity], block: Block, cluster: Cluster
) -> Iterator[Grant]:
    """Pods inside the block one by one, by their address, since others of their identity may lie outside it."""
    for address, identity in cluster.addresses:
        if block.holds(ip_address(address)):
            for number in resolve(str(port.port), (_protocol(port),), identity):
                yield Grant(numbers(subjects), EGRESS, Block(ip_network(address)), number, origin)


def _protocol(port: PolicyPort) -> str:
    protocol = port.protocol or "TCP"
    if protocol not in PROTOCOLS:
        raise PolicyError(port.origin, f"protocol {protocol!r} is none of {', '.join(PROTOCOLS)}")
    return protocol


def _numeric(port: PolicyPort) -> PortRange | str:
    protocol = _protocol(port)
    if port.port is None:
        if port.end_port is not None:
            raise PolicyError(port.origin, "endPort without port: write the port where the range begins")
        return protocol
    first = int(port.port)
    last = first if port.end_port is None else port.end_port
    if not 1 <= first <= last <= 65535:
        raise PolicyError(port.origin, f"ports {first} to {last} are not a range within 1 to 65535")
    return PortRange(protocol, first, last)


def _peers(peer: Peer, namespace: str, cluster: Cluster) -> list[Identity] | Block:
    if peer.ip_block is not None:
        if peer.pod_selector is not None or peer.namespace_selector is not None:
            raise PolicyError(peer.origin, "a peer is either an ipBlock or selectors, not both")
        return _block(peer.ip_block, peer.origin)
    if peer.pod_selector is None and peer.namespace_selector is None:
        raise PolicyError(peer.origin, "a peer without podSelector, namespaceSelector or ipBlock means nothing")
    pods = peer.pod_selector or LabelSelector()
    return [
        identity
        for identity in cluster.identities
        if matches(pods, identity.labels)
        and (
            identity.namespace == namespace
            if peer.namespace_selector is None
            else matches(peer.namespace_selector, identity.namespace_labels)
        )
    ]


def _block(block: IPBlock, origin: Origin) -> Block:
    cidr = _network(block.cidr, origin)
    holes = tuple(_network(text, origin) for text in block.except_)
    for hole in holes:
        if hole.version != cidr.version or hole.prefixlen <= cidr.prefixlen or hole.network_address not in cidr:
            raise PolicyError(origin, f"except {hole} does not lie inside {cidr}")
    return Block(cidr, holes)


def _network(text: str, origin: Origin) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise PolicyError(origin, f"{text!r} is not a CIDR: {error}") from None
