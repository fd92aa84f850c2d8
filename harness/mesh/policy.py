"""Compiles NetworkPolicies into what the kernel looks up: flat entries, port classes, CIDR classes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.mesh import cidrclasses, portclasses
from harness.mesh.cidrclasses import Block, CidrClasses
from harness.mesh.grants import EGRESS, INGRESS, Cluster, Grant, granted
from harness.mesh.layout import PEER_IS_CIDR, PROTOCOLS
from harness.mesh.portclasses import PortClasses, PortRange
from harness.model.origin import Origin
from harness.model.policy import NetworkPolicy

SUBJECT_KNOWN = 1
SUBJECT_OPEN = 2
_SHAPE_FIRST = 4
_PEER_IDENTITY, _PEER_ANY, _PEER_CIDR = 0, 1, 2
_PORT_CLASS, _PORT_PROTOCOL, _PORT_ANY = 0, 1, 2


class Entry(NamedTuple):
    """One key of the policy table, in the order of its fields there; 0 is the wildcard of peer, port class and protocol."""

    subject: int
    peer: int
    port_class: int
    protocol: int
    direction: int


class Subject(NamedTuple):
    """What is known of one identity in one direction: the rule that isolates it (0: none), and its entries' shapes."""

    rule: int
    shapes: int


@dataclass(frozen=True, slots=True)
class Compiled:
    """A set of policies as maps; ``rules[n - 1]`` is where rule number n was written."""

    subjects: dict[tuple[int, int], Subject]
    """By (direction, identity)."""
    entries: dict[Entry, int]
    """The number of the rule that allows."""
    ports: PortClasses
    cidrs: CidrClasses
    rules: tuple[Origin, ...]

    def rule(self, number: int) -> Origin | None:
        """Where rule ``number`` was written; None for 0."""
        return self.rules[number - 1] if 0 < number <= len(self.rules) else None


def compile_policies(policies: Sequence[NetworkPolicy], cluster: Cluster) -> Compiled:
    """Compile ``policies`` for ``cluster``. Raises PolicyError.

    Every identity is a subject in both directions, so that the kernel can tell "no policy isolates it" (open) from
    "never heard of" (closed).
    """
    result = granted(policies, cluster)
    numbers: dict[Origin, int] = {}
    ports = portclasses.classify(grant.port for grant in result.grants if isinstance(grant.port, PortRange))
    cidrs = cidrclasses.classify({grant.peer for grant in result.grants if isinstance(grant.peer, Block)})
    inside: dict[Block, list[int]] = {}
    entries: dict[Entry, int] = {}
    shapes: dict[tuple[int, int], int] = {}
    for grant in result.grants:
        if isinstance(grant.peer, Block) and grant.peer not in inside:
            inside[grant.peer] = [PEER_IS_CIDR | number for number in cidrs.inside(grant.peer)]
        peers = _peers(grant, inside)
        protocol, classes = _ports(grant, ports)
        rule = numbers.setdefault(grant.origin, len(numbers) + 1)
        for peer in peers:
            for port_class in classes:
                entries.setdefault(Entry(grant.subject, peer, port_class, protocol, grant.direction), rule)
        key = (grant.direction, grant.subject)
        shapes[key] = shapes.get(key, 0) | _shape(grant)
    subjects = {}
    for identity in cluster.identities:
        for direction in (EGRESS, INGRESS):
            key = (direction, identity.number)
            origin = result.isolated.get(key)
            if origin is None:
                subjects[key] = Subject(0, SUBJECT_KNOWN | SUBJECT_OPEN)
            else:
                rule = numbers.setdefault(origin, len(numbers) + 1)
                subjects[key] = Subject(rule, SUBJECT_KNOWN | shapes.get(key, 0))
    return Compiled(subjects, entries, ports, cidrs, tuple(numbers))


def _peers(grant: Grant, inside: dict[Block, list[int]]) -> list[int]:
    if grant.peer is None:
        return [0]
    return inside[grant.peer] if isinstance(grant.peer, Block) else [grant.peer]


def _ports(grant: Grant, ports: PortClasses) -> tuple[int, tuple[int, ...]]:
    """Protocol number and port classes of a grant."""
    if grant.port is None:
        return 0, (0,)
    if isinstance(grant.port, str):
        return PROTOCOLS[grant.port], (0,)
    return PROTOCOLS[grant.port.protocol], ports.of[grant.port]


def _shape(grant: Grant) -> int:
    peer = _PEER_ANY if grant.peer is None else _PEER_CIDR if isinstance(grant.peer, Block) else _PEER_IDENTITY
    port = _PORT_ANY if grant.port is None else _PORT_PROTOCOL if isinstance(grant.port, str) else _PORT_CLASS
    return _SHAPE_FIRST << (peer * 3 + port)
