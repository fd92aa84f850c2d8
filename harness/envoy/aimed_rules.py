"""What policies say of requests that Envoy sends to a backend of its own choice: the destination is known, not asked.

RBAC asks where a connection was meant to go. Of a request to a Service that is the Service; so what is said of a backend's
address and port is resolved here, and stands at the backend.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.envoy.admission import Direction, Scope
from harness.envoy.request_rbac import Matcher
from harness.envoy.request_rules import RequestRules, rules_of
from harness.envoy.service_backends import Backend
from harness.envoy.tls import host_prefix

ANYWHERE = ("0.0.0.0/0", "::/0")
_FIRST, _LAST = 0, 65535


def aimed(scopes: Iterable[Scope], backend: Backend) -> list[Scope]:
    """What ``scopes`` say of requests that go to ``backend``, of whatever destination."""
    found = (_outgoing(each, backend) if each.direction is Direction.EGRESS else _incoming(each, backend) for each in scopes)
    return [each for each in found if each is not None]


def aimed_rules(scopes: Iterable[Scope], backend: Backend, prefix: str, *, local: bool, itself: bool) -> RequestRules:
    """The rules for requests to ``backend``. The Envoy of its own node changes headers by its rules: here only if ``local``.

    ``itself``: the backend may be the client, too, which is only so where its requests begin.
    """
    rules = rules_of(aimed(scopes, backend), prefix)
    incoming = rules.refused[Direction.INGRESS]
    refused = {**rules.refused, Direction.INGRESS: of_others(incoming, [backend.address]) if itself else incoming}
    headers = {**rules.headers, **({} if local else {Direction.INGRESS: ()})}
    return RequestRules(refused, headers)


def aimed_prefix(number: int, backend: Backend) -> str:
    """How names of the rules for a backend begin (request_denials reads them)."""
    return f"{number}-{backend.address}@{backend.port}-"


def _outgoing(scope: Scope, backend: Backend) -> Scope | None:
    subjects = tuple(each for each in scope.subjects if each != backend.address)  # a pod always reaches itself
    if not subjects or not scope.first <= backend.port <= scope.last:
        return None
    said = [each for each in scope.admissions if each.peers is None or each.peers.hold(backend.address)]
    admissions = tuple(replace(each, peers=None) for each in said)
    return replace(scope, subjects=subjects, first=_FIRST, last=_LAST, admissions=admissions)


def _incoming(scope: Scope, backend: Backend) -> Scope | None:
    if backend.address not in scope.subjects or not scope.first <= backend.port <= scope.last:
        return None
    return replace(scope, subjects=ANYWHERE, first=_FIRST, last=_LAST)


def of_others(policies: Mapping[str, Matcher], addresses: Iterable[str]) -> dict[str, Matcher]:
    """The same, but for requests of the owner of ``addresses`` itself."""
    own = [{"not_id": {"direct_remote_ip": host_prefix(each)}} for each in addresses]

    def others(principals: Sequence[Matcher]) -> list[Matcher]:
        return [{"and_ids": {"ids": [each, *own]}} for each in principals]

    return {name: {**policy, "principals": others(policy["principals"])} for name, policy in policies.items()}
