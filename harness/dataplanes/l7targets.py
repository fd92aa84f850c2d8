"""Which requests the kernel may let pass, from what a node's Envoy is told about them."""

from collections.abc import Iterable

from harness.dataplanes.l7routes import fronts
from harness.dataplanes.routed import Routed
from harness.envoy.admission import Admission, Direction, Scope
from harness.mesh.l7law import Clause, Law, Says, Section
from harness.mesh.requestrules import expressible


def law(scopes: Iterable[Scope], local: Iterable[str], pods: Iterable[str], routed: Routed | None = None) -> Law:
    """What the agent of a node with the addresses ``local`` is to judge by, and where it sends requests to Services.

    ``pods`` are all addresses of pods.
    """
    asked = routed or Routed()
    sections = tuple(map(_section, scopes)), tuple(map(_section, asked.scopes))
    return Law(sections[0], frozenset(local), frozenset(pods), fronts(asked.hosts), sections[1])


def _section(scope: Scope) -> Section:
    clauses = tuple(map(_clause, scope.admissions))
    egress = scope.direction is Direction.EGRESS
    return Section(egress, frozenset(scope.subjects), scope.first, scope.last, scope.isolated, clauses)


def _clause(admission: Admission) -> Clause:
    inside, outside = (None, ()) if admission.peers is None else (admission.peers.inside, admission.peers.outside)
    if admission.denies:
        return Clause(Says.DENIED, inside, outside)
    if admission.requests is None:
        return Clause(Says.ALLOWED, inside, outside)
    if any(match.mismatch is not None for rule in admission.requests for match in rule.header_matches or ()):
        return Clause(Says.CHANGED, inside, outside)
    return Clause(Says.RULED, inside, outside, expressible(admission.requests))
