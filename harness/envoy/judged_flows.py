"""Which flows have their requests judged, and which may be opened at all, by what policies say with everything resolved."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.envoy.admission import Admission, Direction, Peers, Scope


@dataclass(frozen=True, slots=True)
class JudgedFlows:
    """Flows to the ports ``first`` to ``last`` whose peer is in one of ``among`` and in none of ``but``; None is anybody."""

    first: int
    last: int
    among: tuple[Peers | None, ...]
    but: tuple[Peers, ...] = ()


def judged_flows(scopes: Iterable[Scope], direction: Direction) -> Iterator[JudgedFlows]:
    """The flows of one direction that some rule narrows, that none allows with all their requests, and that none denies."""
    for scope in scopes:
        if scope.direction is direction:
            narrowed = [each.peers for each in scope.admissions if _narrows(each)]
            others = [each.peers for each in scope.admissions if not _narrows(each)]
            if narrowed and None not in others:
                but = tuple(each for each in others if each is not None)
                yield JudgedFlows(scope.first, scope.last, _distinct(narrowed), tuple(dict.fromkeys(but)))


def toward(
    scopes: Iterable[Scope], direction: Direction, addresses: Iterable[str], owner: tuple[str, ...]
) -> Iterator[JudgedFlows]:
    """Those of ``judged_flows`` whose peer has one of ``addresses``, as that peer sees them: ``owner`` is theirs."""
    wanted = list(addresses)
    for flows in judged_flows(scopes, direction):
        if any(_meant(flows, address) for address in wanted):
            yield JudgedFlows(flows.first, flows.last, (Peers(owner),))


def admits(scopes: Iterable[Scope], direction: Direction, peer: str, port: int) -> bool:
    """Whether a connection with ``peer`` to ``port`` may be opened, whatever may be asked over it."""
    for scope in scopes:
        if scope.direction is direction and scope.first <= port <= scope.last:
            said = [each for each in scope.admissions if _holds(each.peers, peer)]
            if any(each.denies for each in said) or (scope.isolated and not said):
                return False
    return True


def _narrows(admission: Admission) -> bool:
    return admission.requests is not None and not admission.denies


def _meant(flows: JudgedFlows, address: str) -> bool:
    return any(_holds(each, address) for each in flows.among) and not any(each.hold(address) for each in flows.but)


def _holds(peers: Peers | None, address: str) -> bool:
    return peers is None or peers.hold(address)


def _distinct(peers: Iterable[Peers | None]) -> tuple[Peers | None, ...]:
    found = tuple(dict.fromkeys(peers))
    return (None,) if None in found else found
