"""What policies say of the TCP connections of a node's pods, as filters of Envoy's L4 RBAC, compiled as for sidecars.

A pod's egress, and what arrives from pods of its own node, is judged by addresses: the node's rules let a pod send from its
own only. What arrives from other nodes is judged by the identity in the client's certificate.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.envoy.rbac import ANY, Matcher, egress_filters, ingress_filters, rbac_filter
from harness.envoy.selection import Selection
from harness.envoy.tls import host_prefix
from harness.model.policy import NetworkPolicy
from harness.model.topology import Pod

Filters = Sequence[Matcher]
LOCAL = "local"
"""Begins the names of statistics about what arrives from pods of the same node."""


@dataclass(frozen=True, slots=True)
class PodFilters:
    """Of one pod: what judges ``egress``, and ``ingress`` by certificate and by address. Nothing where all is allowed."""

    egress: Filters = ()
    ingress: Filters = ()
    ingress_by_address: Filters = ()


def pod_filters(pod: Pod, policies: Sequence[NetworkPolicy], selection: Selection) -> PodFilters:
    """What ``policies`` say of ``pod``."""
    return PodFilters(
        egress_filters(pod, policies, selection),
        ingress_filters(pod, policies, selection, by_certificate=True),
        ingress_by_address=ingress_filters(pod, policies, selection, by_certificate=False),
    )


def arriving_locally(judged: Sequence[tuple[Pod, PodFilters]]) -> list[Matcher]:
    """One filter for what arrives at any of a node's pods from any other of them: none where no pod is isolated.

    The client's address chooses the chain of filters, so that the destinations' rules stand in one filter: with a chain for
    each pair of pods a node of a hundred would have ten thousand.
    """
    if not any(filters.ingress_by_address for _, filters in judged):
        return []
    rules: Matcher = {}
    for pod, filters in judged:
        here = [{"destination_ip": host_prefix(address)} for address in pod.ips]
        if not filters.ingress_by_address:
            rules[f"{pod.ref} is not isolated"] = {"permissions": here, "principals": [ANY]}
        for name, policy in policies_of(filters.ingress_by_address):
            both = {"and_rules": {"rules": [{"or_rules": {"rules": each}} for each in (here, policy["permissions"])]}}
            rules[f"{pod.ref}: {name}"] = {"permissions": [both], "principals": policy["principals"]}
    return [rbac_filter(LOCAL, rules)]


def policies_of(filters: Filters) -> Iterable[tuple[str, Matcher]]:
    """The RBAC policies in ``filters``, by name."""
    for each in filters:
        yield from each["typed_config"]["rules"]["policies"].items()
