"""What policies say of requests that Envoy sends to a backend of its own choice: the destination is known, not asked.

RBAC asks where a connection was meant to go. Of a request to a Service that is the Service; so what is said of a backend's
address and port is resolved here, and stands at the backend.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network

from harness.envoy.admission import Direction, Peers, Scope
from harness.envoy.node_rbac import Matcher
from harness.envoy.node_rules import NodeRules, rules_of
from harness.envoy.service_backends import Backend

ANYWHERE = ("0.0.0.0/0", "::/0")
_FIRST, _LAST = 0, 65535


def aimed(scopes: Iterable[Scope], backend: Backend) -> list[Scope]:
    """What ``scopes`` say of requests that go to ``backend``, of whatever destination."""
    found = (_outgoing(each, backend) if each.direction is Direction.EGRESS else _incoming(each, backend) for each in scopes)
    return [each for each in found if each is not None]


def aimed_rules(scopes: Iterable[Scope], backend: Backend, prefix: str, *, local: bool) -> NodeRules:
    """The rules for requests to ``backend``. The Envoy of its own node changes headers by its rules: here only if ``local``.

    Only there can the backend itself be the client, too.
    """
    rules = rules_of(aimed(scopes, backend), prefix)
    incoming = rules.refused[Direction.INGRESS]
    refused = {**rules.refused, Direction.INGRESS: _of_others(incoming, backend) if local else incoming}
    headers = {**rules.headers, **({} if local else {Direction.INGRESS: ()})}
    return NodeRules(refused, headers)


def aimed_prefix(number: int, backend: Backend) -> str:
    """How names of the rules for a backend begin (node_denials reads them)."""
    return f"{number}-{backend.address}@{backend.port}-"


def _outgoing(scope: Scope, backend: Backend) -> Scope | None:
    subjects = tuple(each for each in scope.subjects if each != backend.address)  # a pod always reaches itself
    if not subjects or not scope.first <= backend.port <= scope.last:
        return None
    said = [each for each in scope.admissions if each.peers is None or _among(backend.address, each.peers)]
    admissions = tuple(replace(each, peers=None) for each in said)
    return replace(scope, subjects=subjects, first=_FIRST, last=_LAST, admissions=admissions)


def _incoming(scope: Scope, backend: Backend) -> Scope | None:
    if backend.address not in scope.subjects or not scope.first <= backend.port <= scope.last:
        return None
    return replace(scope, subjects=ANYWHERE, first=_FIRST, last=_LAST)


def _of_others(policies: Mapping[str, Matcher], backend: Backend) -> dict[str, Matcher]:
    """The same, but for requests of the backend itself."""
    length = 128 if ":" in backend.address else 32
    itself = {"direct_remote_ip": {"address_prefix": backend.address, "prefix_len": length}}

    def others(principals: Sequence[Matcher]) -> list[Matcher]:
        return [{"and_ids": {"ids": [each, {"not_id": itself}]}} for each in principals]

    return {name: {**policy, "principals": others(policy["principals"])} for name, policy in policies.items()}


def _among(address: str, peers: Peers) -> bool:
    own = ip_address(address)

    def within(networks: Sequence[str]) -> bool:
        return any(own in ip_network(each) for each in networks)

    return within(peers.inside) and not within(peers.outside)
