"""Plain data, as PyYAML reads it, into values of harness.model: only what the casebook's own policies and topology use.

Users' files are read by harness.manifests, which checks them and knows their lines; a test holds the two readings of the
committed cases against each other. All origins here are line 1.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from harness.model.cilium import (
    CIDRSet,
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    EnableDefaultDeny,
    HeaderMatch,
    HTTPRule,
    ICMPField,
    L7Rules,
    Policy,
    PortRule,
)
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Requirement, Rule
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

Data = Mapping[str, Any]
Value = TypeVar("Value")

_HERE = Origin("casebook", 1)


def topology(name: str, data: Data) -> Topology:
    """A topology of scenarios/topologies, whose pods carry addresses."""
    return Topology(
        name,
        nodes=tuple(data["nodes"]),
        namespaces=tuple(Namespace(each, entry["labels"]) for each, entry in data["namespaces"].items()),
        pods=tuple(_pod(each) for each in data["pods"]),
    )


def policy(data: Data) -> Policy:
    """A policy object of any of the three kinds."""
    name, namespace, spec = data["metadata"]["name"], data["metadata"].get("namespace"), data["spec"]
    if data["kind"] != "NetworkPolicy":
        return CiliumPolicy(_HERE, name, namespace, (_spec(spec),))
    return NetworkPolicy(
        _HERE,
        name,
        namespace,
        pod_selector=_selector(spec["podSelector"]),
        policy_types=_each(spec.get("policyTypes"), str),
        ingress=_each(spec.get("ingress"), lambda rule: _rule(rule, "from")),
        egress=_each(spec.get("egress"), lambda rule: _rule(rule, "to")),
    )


def _each(items: list[Any] | None, read: Callable[[Any], Value]) -> tuple[Value, ...] | None:
    return None if items is None else tuple(read(item) for item in items)


def _pod(data: Data) -> Pod:
    return Pod(
        data["name"],
        data["namespace"],
        data["node"],
        labels=data["labels"],
        annotations=data.get("annotations", {}),
        ports=tuple(ContainerPort(port["name"], port["port"], port.get("protocol", "TCP")) for port in data["ports"]),
        ips=tuple(data["ips"]),
    )


def _selector(data: Data) -> LabelSelector:
    expressions = data.get("matchExpressions", ())
    return LabelSelector(
        data.get("matchLabels", {}),
        tuple(Requirement(each["key"], each["operator"], tuple(each.get("values", ()))) for each in expressions),
    )


def _rule(data: Data, peers: str) -> Rule:
    return Rule(_HERE, _each(data.get(peers), _peer), _each(data.get("ports"), _policy_port))


def _peer(data: Data) -> Peer:
    pods, namespaces, block = (data.get(field) for field in ("podSelector", "namespaceSelector", "ipBlock"))
    return Peer(
        _HERE,
        pod_selector=None if pods is None else _selector(pods),
        namespace_selector=None if namespaces is None else _selector(namespaces),
        ip_block=None if block is None else IPBlock(block["cidr"], tuple(block.get("except", ()))),
    )


def _policy_port(data: Data) -> PolicyPort:
    return PolicyPort(_HERE, data.get("protocol"), data.get("port"), data.get("endPort"))


def _spec(data: Data) -> CiliumSpec:
    switch = data.get("enableDefaultDeny")
    return CiliumSpec(
        _HERE,
        _selector(data["endpointSelector"]),
        ingress=_each(data.get("ingress"), lambda rule: _cilium_rule(rule, "from")),
        egress=_each(data.get("egress"), lambda rule: _cilium_rule(rule, "to")),
        ingress_deny=_each(data.get("ingressDeny"), lambda rule: _cilium_rule(rule, "from")),
        egress_deny=_each(data.get("egressDeny"), lambda rule: _cilium_rule(rule, "to")),
        enable_default_deny=None if switch is None else EnableDefaultDeny(switch.get("ingress"), switch.get("egress")),
    )


def _cilium_rule(data: Data, prefix: str) -> CiliumRule:
    return CiliumRule(
        _HERE,
        endpoints=_each(data.get(f"{prefix}Endpoints"), _selector),
        cidrs=_each(data.get(f"{prefix}CIDR"), str),
        cidr_sets=_each(data.get(f"{prefix}CIDRSet"), _cidr_set),
        entities=_each(data.get(f"{prefix}Entities"), str),
        ports=_each(data.get("toPorts"), _port_rule),
        icmps=_each(data.get("icmps"), lambda entry: tuple(_icmp_field(field) for field in entry["fields"])),
    )


def _port_rule(data: Data) -> PortRule:
    rules = data.get("rules")
    return PortRule(
        _HERE,
        _each(data.get("ports"), _cilium_port),
        None if rules is None else L7Rules(_HERE, http=_each(rules.get("http"), _http_rule)),
    )


def _http_rule(data: Data) -> HTTPRule:
    return HTTPRule(
        _HERE,
        data.get("method"),
        data.get("path"),
        data.get("host"),
        _each(data.get("headers"), str),
        _each(data.get("headerMatches"), lambda each: HeaderMatch(each["name"], each.get("value"), each.get("mismatch"))),
    )


def _cidr_set(data: Data) -> CIDRSet:
    return CIDRSet(_HERE, data["cidr"], tuple(data.get("except", ())))


def _cilium_port(data: Data) -> CiliumPort:
    return CiliumPort(_HERE, data["port"], data.get("endPort"), data.get("protocol"))


def _icmp_field(data: Data) -> ICMPField:
    return ICMPField(_HERE, data["type"], data.get("family"))
