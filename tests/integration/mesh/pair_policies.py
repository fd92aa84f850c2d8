"""Policies over the pods of the pair."""

from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy, Peer, PolicyPort, Rule

_RULE = Origin("shop.yaml", 12)


def closed(app: str, way: str = "Ingress") -> NetworkPolicy:
    """Nothing of this direction for ``app``."""
    return NetworkPolicy(Origin("shop.yaml", 3), "closed", "shop", LabelSelector({"app": app}), (way,))


def server_for(app: str, *ports: PolicyPort) -> NetworkPolicy:
    """Only ``app`` reaches the server; without ports, by all of them."""
    rule = Rule(_RULE, (Peer(_RULE, LabelSelector({"app": app})),), ports or None)
    return NetworkPolicy(Origin("shop.yaml", 3), "server", "shop", LabelSelector({"app": "server"}), ("Ingress",), (rule,))


HTTP = PolicyPort(_RULE, port="http")
EVERYTHING_CLOSED = NetworkPolicy(Origin("shop.yaml", 3), "all", "shop", LabelSelector(), ("Ingress",))
