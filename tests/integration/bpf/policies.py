"""The few policies that these tests need, over the pods of the rig."""

from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Rule

_RULE = Origin("policy.yaml", 9)


def _selector(app: str) -> LabelSelector:
    return LabelSelector({"app": app})


def _policy(app: str, way: str, rules: tuple[Rule, ...]) -> NetworkPolicy:
    ingress, egress = (rules, None) if way == "Ingress" else (None, rules)
    return NetworkPolicy(
        Origin("policy.yaml", 1), "p", "shop", _selector(app), policy_types=(way,), ingress=ingress, egress=egress
    )


def closed(app: str, way: str = "Ingress") -> NetworkPolicy:
    """Nothing reaches ``app`` (or nothing leaves it)."""
    return _policy(app, way, ())


def allow(
    app: str,
    peer: str | None = None,
    port: int | str | None = None,
    *,
    way: str = "Ingress",
    protocol: str | None = None,
    last: int | None = None,
    block: IPBlock | None = None,
) -> NetworkPolicy:
    """Only ``peer`` (an app, a block, or anybody) may exchange ``port`` with ``app``."""
    peers: tuple[Peer, ...] | None = None
    if block is not None:
        peers = (Peer(_RULE, ip_block=block),)
    elif peer is not None:
        peers = (Peer(_RULE, pod_selector=_selector(peer)),)
    ports = None if port is None and protocol is None else (PolicyPort(_RULE, protocol, port, last),)
    return _policy(app, way, (Rule(_RULE, peers, ports),))
