"""What an Envoy that judges requests refuses, as policies of its HTTP RBAC filter.

The filter *denies* what a policy matches, so that Envoy names the policy that did, and so that requests of flows which no
rule narrows pass. Each scope becomes one policy. RBAC asks permissions (of the destination and the request) and principals
(of the source and the request) apart; so a scope's condition lies wholly on the side where its peers are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from harness.envoy.admission import Admission, Direction, Peers, Scope
from harness.envoy.http_rules import header_matchers
from harness.model.cilium import HTTPRule

Matcher = dict[str, Any]
NOBODY = "0.0.0.0/32"
"""An address that no packet comes from, for a list that may not be empty."""


@dataclass(frozen=True, slots=True)
class _Side:
    """How RBAC writes conditions on one side: its names for and, or, not, for their lists, and for a peer's address."""

    both: str
    either: str
    members: str
    negation: str
    address: str

    def all(self, matchers: Sequence[Matcher]) -> Matcher:
        return matchers[0] if len(matchers) == 1 else {self.both: {self.members: list(matchers)}}

    def any(self, matchers: Sequence[Matcher]) -> Matcher:
        return matchers[0] if len(matchers) == 1 else {self.either: {self.members: list(matchers)}}

    def none(self, matchers: Sequence[Matcher]) -> Matcher:
        return {self.negation: self.any(matchers)}


_PERMISSIONS = _Side("and_rules", "or_rules", "rules", "not_rule", "destination_ip")
_PRINCIPALS = _Side("and_ids", "or_ids", "ids", "not_id", "direct_remote_ip")
_ANY: Matcher = {"any": True}


def denials(scopes: Sequence[Scope], direction: Direction, prefix: str = "") -> dict[str, Matcher]:
    """RBAC policies of one direction by ``name``. A scope that refuses nothing has none."""
    found = {name(scope, index, prefix): _denial(scope) for index, scope in enumerate(scopes) if scope.direction is direction}
    return {policy: matcher for policy, matcher in found.items() if matcher is not None}


def name(scope: Scope, index: int, prefix: str = "") -> str:
    """What Envoy calls the policy of the scope at ``index`` when it refuses by it: ``prefix``, direction and index."""
    return f"{prefix}{scope.direction}-{index}"


def rules(policies: Mapping[str, Matcher]) -> Matcher:
    """``envoy.config.rbac.v3.RBAC`` that refuses what any of ``policies`` matches."""
    return {"action": "DENY", "policies": dict(policies)}


def taking(scope: Scope, admission: Admission, rule: HTTPRule) -> Matcher | None:
    """The policy that matches requests in ``scope`` which ``rule`` of ``admission`` takes.

    None where there are none, since another rule takes its peers' flows with all their requests.
    """
    side = _side(scope)
    everything = [each.peers for each in scope.admissions if each.requests is None and not each.denies]
    if None in everything:
        return None
    parts = [] if admission.peers is None else [_peers(side, admission.peers)]
    parts += [side.none([_peers(side, peers) for peers in everything])] if everything else []
    return _about(scope, side.all([*parts, _request(side, header_matchers(rule))]))


def _denial(scope: Scope) -> Matcher | None:
    refused = _refused(scope, _side(scope))
    return None if refused is None else _about(scope, refused)


def _side(scope: Scope) -> _Side:
    """Where the scope's peers are."""
    return _PRINCIPALS if scope.direction is Direction.INGRESS else _PERMISSIONS


def _about(scope: Scope, condition: Matcher) -> Matcher:
    """The policy that matches what in ``scope`` meets ``condition``, which is written for its side."""
    ports: Matcher = {"destination_port_range": {"start": scope.first, "end": scope.last + 1}}
    if scope.first == scope.last:
        ports = {"destination_port": scope.first}
    if scope.direction is Direction.INGRESS:
        subjects = [_PERMISSIONS.all([ports, _within(_PERMISSIONS, scope.subjects)])]
        return {"permissions": subjects, "principals": [condition]}
    return {"permissions": [_PERMISSIONS.all([ports, condition])], "principals": [_within(_PRINCIPALS, scope.subjects)]}


def _refused(scope: Scope, side: _Side) -> Matcher | None:
    """What of a scope's requests is refused, None for nothing: what is denied, and what is asked about and not allowed."""
    denied = [_peers(side, each.peers) for each in scope.admissions if each.denies]
    allowing = [each for each in scope.admissions if not each.denies]
    left = _not_allowed(scope.isolated, allowing, side)
    refused = denied if left is None else [*denied, left]
    return side.any(refused) if refused else None


def _not_allowed(isolated: bool, allowing: Sequence[Admission], side: _Side) -> Matcher | None:
    narrowing = [each for each in allowing if each.requests is not None]
    if any(each.requests is None and each.peers is None for each in allowing) or not (isolated or narrowing):
        return None
    conditions = [] if isolated else [side.any([_peers(side, each.peers) for each in narrowing])]
    taking = [each for each in allowing if each.requests != ()]  # rules about another protocol allow no request of HTTP
    if taking:
        conditions.append(side.none([_allowed(side, each) for each in taking]))
    return side.all(conditions) if conditions else _ANY


def _allowed(side: _Side, admission: Admission) -> Matcher:
    parts = [] if admission.peers is None else [_peers(side, admission.peers)]
    if admission.requests is not None:
        parts.append(side.any([_request(side, header_matchers(rule)) for rule in admission.requests]))
    return side.all(parts) if parts else _ANY


def _request(side: _Side, headers: Sequence[Matcher]) -> Matcher:
    return side.all([{"header": header} for header in headers]) if headers else _ANY


def _peers(side: _Side, peers: Peers | None) -> Matcher:
    if peers is None:
        return _ANY
    inside = _within(side, peers.inside)
    return side.all([inside, side.none([_within(side, peers.outside)])]) if peers.outside else inside


def _within(side: _Side, networks: Sequence[str]) -> Matcher:
    return side.any([{side.address: _cidr(text)} for text in networks or (NOBODY,)])


def _cidr(text: str) -> Matcher:
    network = ip_network(text)
    return {"address_prefix": str(network.network_address), "prefix_len": network.prefixlen}
