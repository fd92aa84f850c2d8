"""What policies grant and deny, identity by identity: selection, defaults and names resolved, nothing numbered yet.

``networkpolicy`` and ``cilium`` say what policies of their kind mean in these terms; ``policy`` turns all of it into tables.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.mesh.cidrclasses import Block
from harness.mesh.errors import MeshError
from harness.mesh.identity import Identity
from harness.mesh.portclasses import PortRange
from harness.model.cilium import L7Rules
from harness.model.origin import Origin
from harness.model.topology import Topology

EGRESS, INGRESS = 0, 1


class PolicyError(MeshError):
    """A policy that cannot be enforced as written: ``file:line``, what was found, what to do."""

    def __init__(self, origin: Origin, what: str) -> None:
        super().__init__(f"{origin}: {what}")


Peers = frozenset[int] | Block | None
"""Identities, addresses, or anybody."""


@dataclass(frozen=True, slots=True)
class ICMPType:
    """A type of ICMP (``family`` 4) or ICMPv6 (6), of any code."""

    family: int
    type: int


Ports = PortRange | ICMPType | str | None
"""Some ports of a protocol, messages of a type, all ports of the protocol that is named, or all protocols."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One thing that one rule allows to each of its subjects; or ``denies`` them, whatever else allows it.

    ``requests`` are rules of which a request over the flow must meet one; None where the flow is allowed with all of them.
    """

    subjects: frozenset[int]
    direction: int
    peers: Peers
    port: Ports
    origin: Origin
    denies: bool = False
    requests: L7Rules | None = None


@dataclass(slots=True)
class Granted:
    """All grants, and who is isolated in which direction by which policy (the first one)."""

    isolated: dict[tuple[int, int], Origin] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)

    def isolate(self, direction: int, subjects: Iterable[Identity], origin: Origin) -> None:
        """``origin`` selects ``subjects``: what no grant allows them in this direction is dropped."""
        for subject in subjects:
            self.isolated.setdefault((direction, subject.number), origin)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The identities that policies choose from, and the pods' addresses with their identity."""

    identities: tuple[Identity, ...]
    addresses: tuple[tuple[str, Identity], ...]

    @classmethod
    def of(cls, topology: Topology, by_pod: dict[str, Identity]) -> "Cluster":
        """The cluster of a topology whose pods have these identities."""
        unique = {identity.number: identity for identity in by_pod.values()}
        addresses = tuple((ip, by_pod[pod.ref]) for pod in topology.pods for ip in pod.ips)
        return cls(tuple(unique[number] for number in sorted(unique)), addresses)


def numbers(identities: Iterable[Identity]) -> frozenset[int]:
    """The numbers that stand for ``identities`` in the kernel."""
    return frozenset(identity.number for identity in identities)


def resolve(name: str, protocols: Iterable[str], holder: Identity) -> list[PortRange]:
    """What ``holder`` declares as its port ``name``, of any of ``protocols``."""
    return [
        PortRange(named.protocol, named.port, named.port)
        for named in holder.ports
        if named.name == name and named.protocol in protocols
    ]


def resolved(name: str, protocols: Iterable[str], holders: Iterable[Identity]) -> dict[PortRange, list[Identity]]:
    """The numbers that a name stands for, each with those who call it so."""
    found: dict[PortRange, list[Identity]] = {}
    for holder in holders:
        for number in resolve(name, protocols, holder):
            found.setdefault(number, []).append(holder)
    return found
