"""Which of a pair's requests the kernel may let pass, from what the node's Envoy is told about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from harness.envoy.admission import Direction, Peers, Scope
from harness.mesh.l7 import Target
from harness.mesh.l7layout import Pair
from harness.mesh.requestrules import RequestRule, expressible


@dataclass(frozen=True, slots=True)
class NodeTargets:
    """The scopes in force on a node, and the addresses of its own pods and of all."""

    scopes: Sequence[Scope]
    local: frozenset[str]
    pods: frozenset[str]

    def __call__(self, pair: Pair) -> Target | None:
        """What a request of the pair must meet here; None where no rule of one end is one that the kernel can ask."""
        if not {pair.client, pair.backend} <= self.pods:
            return None  # to a Service, say, whose requests are routed
        sides = []
        for direction, subject, peer in (
            (Direction.EGRESS, pair.client, pair.backend),
            (Direction.INGRESS, pair.backend, pair.client),
        ):
            rules = self._rules(direction, subject, peer, pair.port) if subject in self.local else _EVERY
            if rules is not None and not rules:
                return None
            sides.append(rules)
        return Target(*sides)

    def _rules(self, direction: Direction, subject: str, peer: str, port: int) -> frozenset[RequestRule] | None:
        """The rules that take some of the requests, none where the kernel may let none pass."""
        for scope in self.scopes:
            if scope.direction is direction and subject in scope.subjects and scope.first <= port <= scope.last:
                return _of(scope, peer)
        return _EVERY  # nothing looks into requests here: the mesh's own tables say who may connect


_EVERY: frozenset[RequestRule] | None = None


def _of(scope: Scope, peer: str) -> frozenset[RequestRule] | None:
    about = [each for each in scope.admissions if each.peers is None or _holds(each.peers, peer)]
    if any(each.denies for each in about):
        return frozenset()
    if any(each.requests is None for each in about) or not (about or scope.isolated):
        return _EVERY
    rules = [rule for each in about for rule in each.requests or ()]
    if any(match.mismatch is not None for rule in rules for match in rule.header_matches or ()):
        return frozenset()  # they change requests
    return expressible(rules)


def _holds(peers: Peers, address: str) -> bool:
    return _within(peers.inside, address) and not _within(peers.outside, address)


def _within(networks: Iterable[str], address: str) -> bool:
    wanted = ip_address(address)
    return any(wanted in ip_network(text) for text in networks)
