"""NetworkPolicy of networking.k8s.io/v1: its defaults, selection and ports.

Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from collections.abc import Iterator

from harness.model.origin import Origin
from harness.model.policy import NetworkPolicy, Peer, PolicyPort, Rule
from harness.model.topology import Pod
from harness.nft.addresses import EVERYBODY, NOBODY, Addresses, block
from harness.nft.cluster import Cluster, addresses, selects
from harness.nft.errors import PolicyError
from harness.nft.gates import Gate, Gates, Match, Way
from harness.nft.ports import last_port, named, protocol_name


def admit(policy: NetworkPolicy, cluster: Cluster, gates: Gates) -> None:
    """Add what ``policy`` isolates and allows. Raises PolicyError."""
    subjects = [pod for pod in cluster.pods if pod.namespace == policy.namespace and selects(policy.pod_selector, pod.labels)]
    for way in _ways(policy):
        rules = (policy.egress if way is Way.EGRESS else policy.ingress) or ()
        peers = [_peers(rule, policy.namespace, cluster) for rule in rules]
        for pod in subjects:
            gate = gates.setdefault((pod.ref, way), Gate())
            gate.isolate(policy.origin)
            for rule, who in zip(rules, peers, strict=True):
                gate.allows += _matches(rule, who, pod, way, cluster)


def _ways(policy: NetworkPolicy) -> list[Way]:
    if policy.policy_types:
        return [way for way in Way if way.value.capitalize() in policy.policy_types]
    return [Way.EGRESS, Way.INGRESS] if policy.egress else [Way.INGRESS]


def _peers(rule: Rule, namespace: str, cluster: Cluster) -> Addresses:
    if not rule.peers:
        return EVERYBODY
    found = NOBODY
    for peer in rule.peers:
        found |= _peer(peer, namespace, cluster)
    return found


def _peer(peer: Peer, namespace: str, cluster: Cluster) -> Addresses:
    selectors = peer.pod_selector is not None or peer.namespace_selector is not None
    if peer.ip_block is not None:
        if selectors:
            raise PolicyError(peer.origin, "ipBlock stands beside a selector; make them two peers")
        found = _block(peer.origin, peer.ip_block.cidr)
        for hole in peer.ip_block.except_:
            found -= _block(peer.origin, hole)
        return found
    if not selectors:
        raise PolicyError(peer.origin, "a peer that says nothing; write podSelector, namespaceSelector or ipBlock")
    return addresses(
        pod
        for pod in cluster.pods
        if (peer.pod_selector is None or selects(peer.pod_selector, pod.labels))
        and (
            pod.namespace == namespace
            if peer.namespace_selector is None
            else selects(peer.namespace_selector, cluster.namespaces[pod.namespace])
        )
    )


def _block(origin: Origin, cidr: str) -> Addresses:
    try:
        return block(cidr)
    except ValueError as error:
        raise PolicyError(origin, f"{error}; write a CIDR such as 192.0.2.0/24") from None


def _matches(rule: Rule, peers: Addresses, pod: Pod, way: Way, cluster: Cluster) -> Iterator[Match]:
    """What ``rule`` allows to ``pod``. Rules with ports speak of TCP and UDP only."""
    if not rule.ports:
        yield Match(rule.origin, peers)
    for port in rule.ports or ():
        yield from _port(rule.origin, port, peers, pod, way, cluster)


def _port(origin: Origin, port: PolicyPort, peers: Addresses, pod: Pod, way: Way, cluster: Cluster) -> Iterator[Match]:
    protocol = protocol_name(port.origin, port.protocol or "TCP")
    if port.port is None:
        yield Match(origin, peers, protocol)
    elif isinstance(port.port, int):
        yield Match(origin, peers, protocol, ((port.port, last_port(port.origin, port.port, port.end_port)),))
    else:
        if port.end_port is not None:
            raise PolicyError(port.origin, f"endPort after the name {port.port!r}; give a number as port")
        yield from named(origin, port.port, (protocol,), peers, pod, way, cluster)
