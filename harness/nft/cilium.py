"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy: isolation, peers, denials.

Source: https://docs.cilium.io/en/stable/security/policy/language/
"""

from collections.abc import Iterator

from harness.model.cilium import CiliumPolicy, CiliumRule, CiliumSpec
from harness.model.topology import Pod
from harness.nft.addresses import EVERYBODY, Addresses
from harness.nft.ciliumpeers import peers, selected
from harness.nft.ciliumports import matches, refuse_unsupported
from harness.nft.cluster import Cluster
from harness.nft.gates import Gate, Gates, Match, Way


def admit(policy: CiliumPolicy, cluster: Cluster, gates: Gates) -> None:
    """Add what ``policy`` isolates, allows and denies. Raises PolicyError."""
    for spec in policy.specs:
        for way in Way:
            _direction(spec, way, policy.namespace, cluster, gates)


def _direction(spec: CiliumSpec, way: Way, namespace: str | None, cluster: Cluster, gates: Gates) -> None:
    chosen = spec.enable_default_deny
    if way is Way.EGRESS:
        allow, deny, asked = spec.egress or (), spec.egress_deny or (), chosen.egress if chosen else None
    else:
        allow, deny, asked = spec.ingress or (), spec.ingress_deny or (), chosen.ingress if chosen else None
    for rule in (*allow, *deny):
        refuse_unsupported(rule)
    isolates = bool(allow or deny) if asked is None else asked
    allowed = [(rule, _peers(rule, namespace, cluster)) for rule in allow]
    denied = [(rule, _peers(rule, namespace, cluster)) for rule in deny]
    for pod in selected(spec.endpoint_selector, namespace, cluster, spec.origin):
        gate = gates.setdefault((pod.ref, way), Gate())
        if isolates:
            gate.isolate(spec.origin)
        for rule, who in allowed:
            gate.allows += _matches(rule, who, pod, way, cluster)
        for rule, who in denied:
            gate.denies += _matches(rule, who, pod, way, cluster)


def _peers(rule: CiliumRule, namespace: str | None, cluster: Cluster) -> Addresses | None:
    """None for a rule that speaks of nobody and nothing."""
    found = peers(rule, namespace, cluster)
    if found is None and (rule.ports or rule.icmps):
        return EVERYBODY
    return found


def _matches(rule: CiliumRule, who: Addresses | None, pod: Pod, way: Way, cluster: Cluster) -> Iterator[Match]:
    if who is not None:
        yield from matches(rule, who, pod, way, cluster)
