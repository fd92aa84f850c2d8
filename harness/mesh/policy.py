"""Compiles policies into what the kernel looks up: flat entries, port classes, CIDR classes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from harness.mesh import cidrclasses, cilium, networkpolicy, portclasses
from harness.mesh.cidrclasses import Block, CidrClasses
from harness.mesh.grants import EGRESS, INGRESS, Cluster, Grant, Granted, ICMPType, PolicyError
from harness.mesh.layout import ENTRY_DENIES, ICMP_PROTOCOLS, PEER_IS_CIDR, PROTOCOLS, RULE_REQUESTS
from harness.mesh.portclasses import PortClasses, PortRange
from harness.model.cilium import Policy
from harness.model.origin import Origin
from harness.model.policy import NetworkPolicy

SUBJECT_KNOWN = 1
SUBJECT_OPEN = 2
_SHAPE_FIRST = 1 << 2
_DENY_FIRST = 1 << 11
_PEER_IDENTITY, _PEER_ANY, _PEER_CIDR = 0, 1, 2
_PORT_CLASS, _PORT_PROTOCOL, _PORT_ANY = 0, 1, 2


class Entry(NamedTuple):
    """One key of the policy table, in the order of its fields there; 0 is the wildcard of all but subject and direction.

    ``subject`` and ``peer`` are classes of identities, not identities. Of ICMP the port class is the type plus 1.
    ``direction`` has ENTRY_DENIES added where the entry denies.
    """

    subject: int
    peer: int
    port_class: int
    protocol: int
    direction: int


class Subject(NamedTuple):
    """What is known of one identity in one direction: the rule that isolates it (0: none), its entries' shapes, its class."""

    rule: int
    shapes: int
    number: int


@dataclass(frozen=True, slots=True)
class Compiled:
    """A set of policies as maps; ``rules[n - 1]`` is where rule number n was written."""

    subjects: dict[tuple[int, int], Subject]
    """By (direction, identity)."""
    peers: dict[int, int]
    """The class of each identity as a peer; 0 (or none) for those whom no rule names."""
    entries: dict[Entry, int]
    """The number of the rule that allows or denies; with RULE_REQUESTS where it allows only some requests."""
    ports: PortClasses
    cidrs: CidrClasses
    rules: tuple[Origin, ...]

    def rule(self, number: int) -> Origin | None:
        """Where rule ``number`` was written; None for 0."""
        number &= ~RULE_REQUESTS
        return self.rules[number - 1] if 0 < number <= len(self.rules) else None


def compile_policies(policies: Sequence[Policy], cluster: Cluster) -> Compiled:
    """Compile ``policies`` for ``cluster``, where nobody looks into requests. Raises PolicyError."""
    result = granted(policies, cluster)
    for grant in result.grants:
        if grant.requests is not None:
            name = "kafka" if grant.requests.kafka is not None else "http"
            what = f"toPorts.rules.{name}: this data plane does not parse requests; leave the rules out"
            raise PolicyError(grant.requests.origin, what)
    return tables_of(result, cluster)


def tables_of(result: Granted, cluster: Cluster) -> Compiled:
    """What was ``granted`` as tables. Flows that are allowed only by rules about requests are the node's proxy's.

    Identities that no rule tells apart are one class, as subjects and as peers: a policy over a thousand pods is an entry,
    not a million. Every identity is a subject in both directions, so that the kernel can tell "no policy isolates it" (open)
    from "never heard of" (closed).
    """
    numbers: dict[Origin, int] = {}
    ports = portclasses.classify(grant.port for grant in result.grants if isinstance(grant.port, PortRange))
    blocks = {grant.peers for grant in result.grants if isinstance(grant.peers, Block)}
    cidrs = cidrclasses.classify(blocks, [ip_address(address) for address, _ in cluster.addresses])
    peers = _peer_classes(result.grants)
    reached = [_reached(grant, peers, cidrs) for grant in result.grants]
    held = _held(result.grants)
    classes: dict[tuple[int, Origin | None, tuple[int, ...]], Subject] = {}
    entries: dict[Entry, int] = {}
    subjects = {}
    for identity in cluster.identities:
        for direction in (EGRESS, INGRESS):
            key = (direction, identity.number)
            origin = result.isolated.get(key)
            indices = _counting(held.get(key, ()), result.grants, origin is not None)
            if origin is None and not indices:
                subjects[key] = Subject(0, SUBJECT_KNOWN | SUBJECT_OPEN, 0)
                continue
            signature = (direction, origin, indices)
            if signature not in classes:
                number = len(classes) + 1
                shapes = SUBJECT_KNOWN if origin else SUBJECT_KNOWN | SUBJECT_OPEN
                for index in indices:
                    grant = result.grants[index]
                    shapes |= _shape(grant)
                    way = direction | ENTRY_DENIES if grant.denies else direction
                    protocol, port_classes = _ports(grant, ports)
                    rule = numbers.setdefault(grant.origin, len(numbers) + 1)
                    for peer in reached[index]:
                        for port_class in port_classes:
                            _enter(entries, Entry(number, peer, port_class, protocol, way), rule, grant)
                isolating = numbers.setdefault(origin, len(numbers) + 1) if origin else 0
                classes[signature] = Subject(isolating, shapes, number)
            subjects[key] = classes[signature]
    return Compiled(subjects, peers, entries, ports, cidrs, tuple(numbers))


def _counting(held: Sequence[int], grants: Sequence[Grant], isolated: bool) -> tuple[int, ...]:
    """The grants that make a difference to who is not isolated are denials, unless some narrow requests.

    Those do so also where a policy isolates nobody (enableDefaultDeny), as Cilium documents it.
    """
    if isolated or any(grants[index].requests is not None for index in held):
        return tuple(held)
    return tuple(index for index in held if grants[index].denies)


def _enter(entries: dict[Entry, int], entry: Entry, rule: int, grant: Grant) -> None:
    """The first rule is named; but one that allows every request wins over those that look into them."""
    if grant.requests is not None:
        entries.setdefault(entry, rule | RULE_REQUESTS)
    elif entries.get(entry, RULE_REQUESTS) & RULE_REQUESTS:
        entries[entry] = rule


def granted(policies: Sequence[Policy], cluster: Cluster) -> Granted:
    """Resolve ``policies`` over ``cluster``, each as its kind has it."""
    result = Granted()
    for policy in policies:
        if isinstance(policy, NetworkPolicy):
            networkpolicy.grant(policy, cluster, result)
        else:
            cilium.grant(policy, cluster, result)
    return result


def _held(grants: Sequence[Grant]) -> dict[tuple[int, int], list[int]]:
    """The indices of the grants to each (direction, identity)."""
    found: dict[tuple[int, int], list[int]] = {}
    for index, grant in enumerate(grants):
        for subject in grant.subjects:
            found.setdefault((grant.direction, subject), []).append(index)
    return found


def _peer_classes(grants: Sequence[Grant]) -> dict[int, int]:
    """A class, from 1, for all identities that are in the same grants."""
    member_of: dict[int, list[int]] = {}
    for index, grant in enumerate(grants):
        if isinstance(grant.peers, frozenset):
            for peer in grant.peers:
                member_of.setdefault(peer, []).append(index)
    classes: dict[tuple[int, ...], int] = {}
    return {peer: classes.setdefault(tuple(found), len(classes) + 1) for peer, found in sorted(member_of.items())}


def _reached(grant: Grant, peers: dict[int, int], cidrs: CidrClasses) -> list[int]:
    """What entries have as their peer, for one grant."""
    if grant.peers is None:
        return [0]
    if isinstance(grant.peers, Block):
        return [PEER_IS_CIDR | number for number in cidrs.inside(grant.peers)]
    return sorted({peers[peer] for peer in grant.peers})


def _ports(grant: Grant, ports: PortClasses) -> tuple[int, tuple[int, ...]]:
    """Protocol number and port classes of a grant."""
    if grant.port is None:
        return 0, (0,)
    if isinstance(grant.port, str):
        return PROTOCOLS[grant.port], (0,)
    if isinstance(grant.port, ICMPType):
        return ICMP_PROTOCOLS[grant.port.family], (grant.port.type + 1,)
    return PROTOCOLS[grant.port.protocol], ports.of[grant.port]


def _shape(grant: Grant) -> int:
    """The bit that has the kernel look for such an entry; of denials, one bit for all kinds of ports."""
    peer = _PEER_ANY if grant.peers is None else _PEER_CIDR if isinstance(grant.peers, Block) else _PEER_IDENTITY
    if grant.denies:
        return _DENY_FIRST << peer
    port = _PORT_ANY if grant.port is None else _PORT_PROTOCOL if isinstance(grant.port, str) else _PORT_CLASS
    return _SHAPE_FIRST << (peer * 3 + port)
