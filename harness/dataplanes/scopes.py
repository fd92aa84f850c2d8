"""From what the mesh granted to what a node's Envoy has to know: who its pods are, and which of their requests are allowed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import pairwise

from harness.envoy.admission import Admission, Direction, Peers, Scope
from harness.mesh.cidrclasses import Block
from harness.mesh.grants import EGRESS, INGRESS, Cluster, Grant, Granted
from harness.mesh.identity import Identity
from harness.mesh.portclasses import PortRange

DIRECTIONS = {EGRESS: Direction.EGRESS, INGRESS: Direction.INGRESS}
EVERY_PORT = (0, 65535)
Span = tuple[int, int]
"""Ports of TCP, both included."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Ports of an address in one direction, over which an Envoy has judged requests: connections to them may be open."""

    direction: int
    address: str
    span: Span


def scopes(result: Granted, cluster: Cluster, local: Iterable[str], known: Iterable[Ground] = ()) -> list[Scope]:
    """The scopes of the node that has the addresses ``local``: all that rules narrow, and what is ``known`` from before.

    The last is there because connections stay an Envoy's until they end: once a rule no longer looks into their requests
    they are still judged, by what else is said of them.
    """
    compiler = _Compiler(result, cluster, known)
    found: dict[Scope, list[str]] = {}
    for address in local:
        for scope in compiler.of(address):
            found.setdefault(scope, []).append(address)
    return [replace(scope, subjects=tuple(sorted(addresses))) for scope, addresses in found.items()]


def grounds(found: Iterable[Scope]) -> set[Ground]:
    """What an Envoy has judged that was told ``found``."""
    numbers = {name: number for number, name in DIRECTIONS.items()}
    return {
        Ground(numbers[scope.direction], address, (scope.first, scope.last)) for scope in found for address in scope.subjects
    }


class _Compiler:
    def __init__(self, result: Granted, cluster: Cluster, known: Iterable[Ground]) -> None:
        self._isolated = result.isolated
        self._owners: Mapping[str, Identity] = dict(cluster.addresses)
        self._peers = _PeerAddresses(cluster)
        self._held: dict[tuple[int, int], list[Grant]] = defaultdict(list)
        for grant in result.grants:
            if _span(grant) is not None:
                for subject in grant.subjects:
                    self._held[grant.direction, subject].append(grant)
        self._known: dict[tuple[int, str], list[Span]] = defaultdict(list)
        for ground in known:
            self._known[ground.direction, ground.address].append(ground.span)

    def of(self, address: str) -> Iterable[Scope]:
        """The scopes of one address, without subjects."""
        owner = self._owners[address].number
        for direction, name in DIRECTIONS.items():
            grants = self._held.get((direction, owner), [])
            narrowed = [span for grant in grants if grant.requests is not None and (span := _span(grant))]
            isolating = self._isolated.get((direction, owner))
            for first, last in _segments([*narrowed, *self._known[direction, address]], grants):
                held = [grant for grant in grants if _covers(grant, first, last)]
                origin = isolating or next((grant.requests.origin for grant in held if grant.requests), None)
                if origin is not None or held:
                    admissions = tuple(self._admission(grant) for grant in held)
                    yield Scope(name, (), first, last, isolating is not None, admissions, origin or held[0].origin)

    def _admission(self, grant: Grant) -> Admission:
        rules = grant.requests
        requests = None if rules is None else rules.http or ()
        return Admission(grant.origin, self._peers.of(grant), requests, grant.denies, None if rules is None else rules.kafka)


class _PeerAddresses:
    """The addresses that stand for a grant's peers."""

    def __init__(self, cluster: Cluster) -> None:
        self._addresses = [(ip_address(text), identity.number) for text, identity in cluster.addresses]

    def of(self, grant: Grant) -> Peers | None:
        if grant.peers is None:
            return None
        if not isinstance(grant.peers, Block):
            return Peers(tuple(sorted(str(address) for address, owner in self._addresses if owner in grant.peers)))
        inside = [address for address, _ in self._addresses if address in grant.peers.cidr]
        excepted = [*map(str, grant.peers.excepted), *([] if grant.peers.pods else sorted(map(str, inside)))]
        return Peers((str(grant.peers.cidr),), tuple(excepted))


def _span(grant: Grant) -> Span | None:
    """The ports of TCP that a grant is about; None where it is about none."""
    if grant.port is None or grant.port == "TCP":
        return EVERY_PORT
    if isinstance(grant.port, PortRange) and grant.port.protocol == "TCP":
        return grant.port.first, grant.port.last
    return None


def _covers(grant: Grant, first: int, last: int) -> bool:
    span = _span(grant)
    return span is not None and span[0] <= first and last <= span[1]


def _segments(asked: Sequence[Span], grants: Sequence[Grant]) -> list[Span]:
    """The ports of ``asked`` in pieces: of each piece the same grants are about all ports."""
    spans = [*asked, *(span for grant in grants if (span := _span(grant)))]
    edges = sorted({edge for first, last in spans for edge in (first, last + 1)})
    pieces = [(start, following - 1) for start, following in pairwise(edges)]
    return [(first, last) for first, last in pieces if any(low <= first and last <= high for low, high in asked)]
