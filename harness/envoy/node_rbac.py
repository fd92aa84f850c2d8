"""What a node's Envoy refuses, as policies of its HTTP RBAC filter.

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


def denials(scopes: Sequence[Scope], prefix: str = "") -> dict[str, Matcher]:
    """RBAC policies by name: ``prefix``, direction and position among ``scopes``. A scope that refuses nothing has none."""
    found = {name(scope, index, prefix): _denial(scope) for index, scope in enumerate(scopes)}
    return {policy: matcher for policy, matcher in found.items() if matcher is not None}


def name(scope: Scope, index: int, prefix: str = "") -> str:
    """What Envoy calls the policy of ``scope`` when it refuses by it."""
    return f"{prefix}{scope.direction}-{index}"


def rules(policies: Mapping[str, Matcher]) -> Matcher:
    """``envoy.config.rbac.v3.RBAC`` that refuses what any of ``policies`` matches."""
    return {"action": "DENY", "policies": dict(policies)}


def _denial(scope: Scope) -> Matcher | None:
    side = _PRINCIPALS if scope.direction is Direction.INGRESS else _PERMISSIONS
    refused = _refused(scope, side)
    if refused is None:
        return None
    ports: Matcher = {"destination_port_range": {"start": scope.first, "end": scope.last + 1}}
    if scope.first == scope.last:
        ports = {"destination_port": scope.first}
    if scope.direction is Direction.INGRESS:
        subjects = [_PERMISSIONS.all([ports, _within(_PERMISSIONS, scope.subjects)])]
        return {"permissions": subjects, "principals": [refused]}
    return {"permissions": [_PERMISSIONS.all([ports, refused])], "principals": [_within(_PRINCIPALS, scope.subjects)]}


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
    if allowing:
        conditions.append(side.none([_allowed(side, each) for each in allowing]))
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
