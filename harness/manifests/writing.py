"""Policies as Kubernetes manifests: what ``objects`` reads, written. What was not written in a policy is left out again."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from harness.manifests import cilium, networkpolicy
from harness.model.cilium import CIDRSet, CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, ICMPField, Policy, PortRule
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Rule

Data = dict[str, Any]


def manifests(policies: Sequence[Policy]) -> str:
    """Documents of YAML, one for each policy. Raises ValueError for rules about requests, which are not written."""
    return "---\n".join(yaml.safe_dump(manifest(each), sort_keys=False, width=1000) for each in policies)


def manifest(policy: Policy) -> Data:
    """The object, as plain data. Raises ValueError as ``manifests`` does."""
    if isinstance(policy, NetworkPolicy):
        kind, version, fields = networkpolicy.KIND, networkpolicy.API_VERSION, {"spec": _network_policy(policy)}
    else:
        kind = cilium.KIND if policy.namespace is not None else cilium.CLUSTERWIDE_KIND
        version, fields = cilium.API_VERSION, _cilium_policy(policy)
    metadata = _written({"name": policy.name, "namespace": policy.namespace})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def _written(fields: Mapping[str, Any]) -> Data:
    return {name: value for name, value in fields.items() if value is not None}


def _network_policy(policy: NetworkPolicy) -> Data:
    return _written(
        {
            "podSelector": _selector(policy.pod_selector),
            "policyTypes": None if policy.policy_types is None else list(policy.policy_types),
            "ingress": None if policy.ingress is None else [_rule(rule, "from") for rule in policy.ingress],
            "egress": None if policy.egress is None else [_rule(rule, "to") for rule in policy.egress],
        }
    )


def _selector(selector: LabelSelector) -> Data:
    expressions = [
        {"key": each.key, "operator": each.operator} | ({"values": list(each.values)} if each.values else {})
        for each in selector.match_expressions
    ]
    return _written({"matchLabels": dict(selector.match_labels) or None, "matchExpressions": expressions or None})


def _rule(rule: Rule, side: str) -> Data:
    return _written(
        {
            side: None if rule.peers is None else [_peer(each) for each in rule.peers],
            "ports": None if rule.ports is None else [_policy_port(each) for each in rule.ports],
        }
    )


def _peer(peer: Peer) -> Data:
    return _written(
        {
            "podSelector": None if peer.pod_selector is None else _selector(peer.pod_selector),
            "namespaceSelector": None if peer.namespace_selector is None else _selector(peer.namespace_selector),
            "ipBlock": None if peer.ip_block is None else _block(peer.ip_block),
        }
    )


def _block(block: IPBlock | CIDRSet) -> Data:
    return {"cidr": block.cidr} | ({"except": list(block.except_)} if block.except_ else {})


def _policy_port(port: PolicyPort) -> Data:
    return _written({"protocol": port.protocol, "port": port.port, "endPort": port.end_port})


def _cilium_policy(policy: CiliumPolicy) -> Data:
    specs = [_spec(each) for each in policy.specs]
    return {"spec": specs[0]} if len(specs) == 1 else {"specs": specs}


def _spec(spec: CiliumSpec) -> Data:
    switch = spec.enable_default_deny
    ways = (
        ("ingress", "from", spec.ingress),
        ("egress", "to", spec.egress),
        ("ingressDeny", "from", spec.ingress_deny),
        ("egressDeny", "to", spec.egress_deny),
    )
    return {"endpointSelector": _selector(spec.endpoint_selector)} | _written(
        {
            **{name: None if rules is None else [_cilium_rule(each, side) for each in rules] for name, side, rules in ways},
            "enableDefaultDeny": None if switch is None else _written({"ingress": switch.ingress, "egress": switch.egress}),
        }
    )


def _cilium_rule(rule: CiliumRule, side: str) -> Data:
    return _written(
        {
            f"{side}Endpoints": None if rule.endpoints is None else [_selector(each) for each in rule.endpoints],
            f"{side}CIDR": None if rule.cidrs is None else list(rule.cidrs),
            f"{side}CIDRSet": None if rule.cidr_sets is None else [_block(each) for each in rule.cidr_sets],
            f"{side}Entities": None if rule.entities is None else list(rule.entities),
            "toPorts": None if rule.ports is None else [_port_rule(each) for each in rule.ports],
            "icmps": None if rule.icmps is None else [{"fields": [_icmp(each) for each in fields]} for fields in rule.icmps],
        }
    )


def _port_rule(rule: PortRule) -> Data:
    if rule.rules is not None:
        raise ValueError(f"{rule.rules.origin}: rules about requests are not written; leave them out")
    return _written({"ports": None if rule.ports is None else [_cilium_port(each) for each in rule.ports]})


def _cilium_port(port: CiliumPort) -> Data:
    return _written({"port": port.port, "endPort": port.end_port, "protocol": port.protocol})


def _icmp(field: ICMPField) -> Data:
    return _written({"type": field.type, "family": field.family})
