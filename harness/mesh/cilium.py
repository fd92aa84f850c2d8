"""What a CiliumNetworkPolicy, or a clusterwide one, means: whom it isolates, what it grants and what it denies.

Source: https://docs.cilium.io/en/stable/security/policy/language/, and Cilium's sanitizer of rules (pkg/policy/api) for what
it refuses. What this mesh cannot enforce is refused by its name, never passed over.
"""

from collections.abc import Iterator, Sequence
from ipaddress import ip_network

from harness.mesh.cidrclasses import Block
from harness.mesh.ciliumports import NamedPort, wanted
from harness.mesh.ciliumselectors import peers, selected
from harness.mesh.grants import EGRESS, INGRESS, Cluster, Grant, Granted, Peers, PolicyError, Ports, numbers, resolved
from harness.mesh.identity import Identity
from harness.mesh.layout import Network
from harness.model.cilium import CIDRSet, CiliumPolicy, CiliumRule, CiliumSpec
from harness.model.origin import Origin

_WORLD = {
    "world-ipv4": Block(ip_network("0.0.0.0/0"), pods=False),
    "world-ipv6": Block(ip_network("::/0"), pods=False),
}
_NOBODY = ("host", "remote-node", "none")
"""Entities that are neither pods nor the world: a node always reaches its own pods, and no others are judged."""

_Group = Sequence[Identity] | Block | None
"""Peers before they are numbered, since named ports ask for them."""


def grant(policy: CiliumPolicy, cluster: Cluster, result: Granted) -> None:
    """Add what ``policy`` means over ``cluster`` to ``result``. Raises PolicyError."""
    for spec in policy.specs:
        subjects = selected(spec.endpoint_selector, policy.namespace, cluster, spec.origin)
        ways = ((EGRESS, spec.egress, spec.egress_deny), (INGRESS, spec.ingress, spec.ingress_deny))
        for direction, allowing, denying in ways:
            if _isolates(spec, direction):
                result.isolate(direction, subjects, spec.origin)
            for rules, denies in ((allowing, False), (denying, True)):
                for rule in rules or ():
                    result.grants.extend(_rule_grants(rule, direction, subjects, policy.namespace, cluster, denies))


def _isolates(spec: CiliumSpec, direction: int) -> bool:
    """Rules of either sort isolate, unless the policy says what else it does."""
    default = spec.enable_default_deny
    said = None if default is None else default.egress if direction == EGRESS else default.ingress
    if said is not None:
        return said
    return bool(spec.egress or spec.egress_deny) if direction == EGRESS else bool(spec.ingress or spec.ingress_deny)


def _rule_grants(
    rule: CiliumRule, direction: int, subjects: Sequence[Identity], namespace: str | None, cluster: Cluster, denies: bool
) -> Iterator[Grant]:
    for port, requests in wanted(rule, denies):
        for group in _groups(rule, namespace, cluster):
            for subject_group, peer_group, number in _at_ends(port, direction, subjects, group, cluster):
                if peer_group != frozenset():
                    yield Grant(numbers(subject_group), direction, peer_group, number, rule.origin, denies, requests)


def _at_ends(
    port: Ports | NamedPort, direction: int, subjects: Sequence[Identity], group: _Group, cluster: Cluster
) -> Iterator[tuple[Sequence[Identity], Peers, Ports]]:
    """Subjects, peers and number; a named port is whatever the destination pod calls so, and outside nobody calls anything."""
    if not isinstance(port, NamedPort):
        yield subjects, _plain(group), port
    elif direction == INGRESS:
        for number, holders in resolved(port.name, port.protocols, subjects).items():
            yield holders, _plain(group), number
    elif not isinstance(group, Block):
        for number, holders in resolved(port.name, port.protocols, cluster.identities if group is None else group).items():
            yield subjects, numbers(holders), number


def _plain(group: _Group) -> Peers:
    return group if group is None or isinstance(group, Block) else numbers(group)


def _groups(rule: CiliumRule, namespace: str | None, cluster: Cluster) -> Iterator[_Group]:
    """The peers of a rule. Without any it means anybody if it is about ports or ICMP, else nobody."""
    fields = {
        "endpoints": rule.endpoints,
        "CIDR": rule.cidrs,
        "CIDRSet": rule.cidr_sets,
        "entities": rule.entities,
    }
    several = [name for name, given in fields.items() if given]
    if len(several) > 1:
        raise PolicyError(rule.origin, f"combining {several[0]} and {several[1]} is not supported by Cilium; write two rules")
    if all(given is None for given in fields.values()) and (rule.ports or rule.icmps):
        yield None
    for selector in rule.endpoints or ():
        yield peers(selector, namespace, cluster, rule.origin)
    for text in rule.cidrs or ():
        yield Block(_network(text, rule.origin), pods=False)
    for cidr_set in rule.cidr_sets or ():
        yield _block(cidr_set)
    for entity in rule.entities or ():
        yield from _entity(entity, rule.origin, cluster)


def _entity(name: str, origin: Origin, cluster: Cluster) -> Iterator[_Group]:
    if name == "all":
        yield None
    elif name == "cluster":
        yield cluster.identities
    elif name == "world":
        yield from _WORLD.values()
    elif name in _WORLD:
        yield _WORLD[name]
    elif name not in _NOBODY:
        known = ", ".join(("all", "cluster", "world", *_WORLD, *_NOBODY))
        raise PolicyError(origin, f"entity {name!r} is not supported; of entities there are {known}")


def _block(cidr_set: CIDRSet) -> Block:
    cidr = _prefix(cidr_set.cidr, cidr_set.origin)
    holes = tuple(_prefix(text, cidr_set.origin) for text in cidr_set.except_)
    for hole in holes:
        if hole.version != cidr.version or hole.prefixlen < cidr.prefixlen or hole.network_address not in cidr:
            raise PolicyError(cidr_set.origin, f"except {hole} does not lie inside {cidr}")
    return Block(cidr, holes, pods=False)


def _prefix(text: str, origin: Origin) -> Network:
    """As ``_network``, but an address alone is none: Cilium takes such only outside of sets."""
    if "/" not in text:
        raise PolicyError(origin, f"{text!r} is not a CIDR: write the length of its prefix, as in 192.0.2.7/32")
    return _network(text, origin)


def _network(text: str, origin: Origin) -> Network:
    length = text.partition("/")[2]
    if length and not length.isdecimal():  # a netmask, which Python would take
        raise PolicyError(origin, f"{text!r} is not a CIDR: {length!r} is not the length of a prefix")
    try:
        return ip_network(text)
    except ValueError as error:
        raise PolicyError(origin, f"{text!r} is not a CIDR: {error}") from None
