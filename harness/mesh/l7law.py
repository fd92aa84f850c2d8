"""What one node's fast path judges requests by, as data that its agent can be sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from harness.mesh.l7fronts import End, Front, front_of
from harness.mesh.l7fronts import read as front_read
from harness.mesh.l7fronts import written as front_written
from harness.mesh.l7layout import Pair, RequestRule

_NETWORKS, _UNIONS = 4096, 1024


class Says(StrEnum):
    """What a clause says of its peers' requests."""

    DENIED = "denied"
    ALLOWED = "allowed"  # every one
    RULED = "ruled"  # those that meet one of its rules, as far as the kernel can ask them
    CHANGED = "changed"  # on their way: the proxy does that


@dataclass(frozen=True, slots=True)
class Clause:
    """What one rule of a policy says to peers with an address in ``inside`` (None: any) and not in ``outside``."""

    says: Says
    inside: tuple[str, ...] | None = None
    outside: tuple[str, ...] = ()
    rules: frozenset[RequestRule] = frozenset()

    def about(self, peer: str) -> bool:
        """Whether it says anything to ``peer``."""
        return self.inside is None or (_within(self.inside, peer) and not _within(self.outside, peer))


@dataclass(frozen=True, slots=True)
class Section:
    """All that is said of flows of ``subjects`` (addresses) in one direction to ports from ``first`` to ``last``.

    Of who is ``isolated`` only what a clause allows is allowed.
    """

    egress: bool
    subjects: frozenset[str]
    first: int
    last: int
    isolated: bool
    clauses: tuple[Clause, ...]

    def holds(self, *, egress: bool, subject: str, port: int) -> bool:
        """Whether it is about such a flow."""
        return self.egress is egress and subject in self.subjects and self.first <= port <= self.last

    def rules(self, peer: str) -> frozenset[RequestRule] | None:
        """Of which a request of ``peer`` must meet one: none where the kernel may let none pass, None for every request."""
        about = [clause for clause in self.clauses if clause.about(peer)]
        said = {clause.says for clause in about}
        if Says.DENIED in said:
            return frozenset()
        if Says.ALLOWED in said or not (about or self.isolated):
            return None
        if Says.CHANGED in said:
            return frozenset()
        return _all(tuple(clause.rules for clause in about))


@dataclass(frozen=True, slots=True)
class Target:
    """What the kernel asks of a pair's requests: that they meet a rule of each side's; None is every request."""

    egress: frozenset[RequestRule] | None
    ingress: frozenset[RequestRule] | None


@dataclass(frozen=True, slots=True)
class Law:
    """What is in force on a node, and the addresses of its own pods and of all.

    ``fronts`` are Services; ``routed``, what is said of requests to them, of both ends, wherever their pods are.
    """

    sections: tuple[Section, ...] = ()
    local: frozenset[str] = frozenset()
    pods: frozenset[str] = frozenset()
    fronts: tuple[Front, ...] = ()
    routed: tuple[Section, ...] = ()

    def target(self, pair: Pair) -> Target | None:
        """What a request of the pair must meet here; None where no rule of one end is one that the kernel can ask."""
        if not {pair.client, pair.backend} <= self.pods:
            return None  # to a Service, say, whose requests are routed
        # where nothing looks into requests the mesh's own tables say who may connect
        egress = _rules(self.sections, pair.client, pair.backend, pair.port, egress=True) if pair.client in self.local else None
        ingress = (
            _rules(self.sections, pair.backend, pair.client, pair.port, egress=False) if pair.backend in self.local else None
        )
        return _target(egress, ingress)

    def front(self, pair: Pair) -> Front | None:
        """The Service that a client's requests are for, with its routes for this client."""
        return front_of(self.fronts, pair.client, (pair.backend, pair.port)) if pair.client in self.local else None

    def routed_target(self, client: str, end: End) -> Target | None:
        """What a request of a client's must meet that goes to a pod by a Service; None where that is the proxy's to say."""
        backend, port = end
        if backend not in self.pods:
            return None
        egress = _rules(self.routed, client, backend, port, egress=True)
        return _target(egress, _rules(self.routed, backend, client, port, egress=False))

    def written(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "local": sorted(self.local),
            "pods": sorted(self.pods),
            "sections": [_written(each) for each in self.sections],
            "fronts": [front_written(each) for each in self.fronts],
            "routed": [_written(each) for each in self.routed],
        }

    @classmethod
    def read(cls, data: dict[str, Any]) -> "Law":
        """What ``written`` gave. Raises KeyError, TypeError or ValueError for what it cannot have given."""
        sections, routed = (tuple(_section(each) for each in data[name]) for name in ("sections", "routed"))
        fronts = tuple(front_read(each) for each in data["fronts"])
        return cls(sections, frozenset(data["local"]), frozenset(data["pods"]), fronts, routed)


def _rules(sections: Sequence[Section], subject: str, peer: str, port: int, *, egress: bool) -> frozenset[RequestRule] | None:
    for section in sections:
        if section.holds(egress=egress, subject=subject, port=port):
            return section.rules(peer)
    return None


def _target(egress: frozenset[RequestRule] | None, ingress: frozenset[RequestRule] | None) -> Target | None:
    return None if frozenset() in (egress, ingress) else Target(egress, ingress)


def _written(section: Section) -> dict[str, Any]:
    return {
        "egress": section.egress,
        "subjects": sorted(section.subjects),
        "ports": [section.first, section.last],
        "isolated": section.isolated,
        "clauses": [
            {
                "says": clause.says,
                "inside": clause.inside,
                "outside": clause.outside,
                "rules": [[rule.method.decode("ascii"), rule.path.decode("ascii"), rule.prefix] for rule in clause.rules],
            }
            for clause in section.clauses
        ],
    }


def _section(data: dict[str, Any]) -> Section:
    clauses = tuple(
        Clause(
            Says(each["says"]),
            None if each["inside"] is None else tuple(each["inside"]),
            tuple(each["outside"]),
            frozenset(RequestRule(method.encode(), path.encode(), prefix) for method, path, prefix in each["rules"]),
        )
        for each in data["clauses"]
    )
    first, last = data["ports"]
    return Section(data["egress"], frozenset(data["subjects"]), first, last, data["isolated"], clauses)


@lru_cache(_UNIONS)
def _all(parts: tuple[frozenset[RequestRule], ...]) -> frozenset[RequestRule]:
    """One object for each combination: a set knows its hash once it was asked, so a pair costs no more for many rules."""
    return parts[0] if len(parts) == 1 else frozenset().union(*parts)


@lru_cache(_NETWORKS)
def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text)


def _within(networks: Sequence[str], address: str) -> bool:
    wanted = ip_address(address)
    return any(wanted in _network(text) for text in networks)
