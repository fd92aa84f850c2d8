"""Who may connect, by policies of every kind, as Envoy's L4 RBAC: what is refused is denied.

The connections whose requests are judged are refused here: they are taken by another chain of filters, where they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.envoy.admission import Admission, Direction, Scope
from harness.envoy.aimed_rules import of_others
from harness.envoy.rbac import rbac_filter
from harness.envoy.request_rbac import Matcher, denials
from harness.envoy.request_rules import RequestRules

ADDRESS = "direct_remote_ip"


def connection_filters(
    listener: str, scopes: Sequence[Scope], direction: Direction, own: Sequence[str], identities: Mapping[str, str]
) -> list[Matcher]:
    """The filters of one direction's listener: none, or one. A pod, whose addresses are
    ``own``, always reaches itself.

    ``identities`` as for ``by_certificate``; none where clients have no certificates.
    """
    policies = denials([_of_connections(each) for each in scopes], direction)
    if direction is Direction.INGRESS:
        policies = of_others(policies, own)
    return [rbac_filter(listener, by_certificate(policies, identities), "DENY")] if policies else []


def rules_by_certificate(rules: RequestRules, identities: Mapping[str, str]) -> RequestRules:
    """``rules`` that know the backend's clients by their certificates."""
    refused = {**rules.refused, Direction.INGRESS: by_certificate(rules.refused[Direction.INGRESS], identities)}
    return RequestRules(
        refused, {**rules.headers, Direction.INGRESS: by_certificate(rules.headers[Direction.INGRESS], identities)}
    )


def by_certificate(matcher: Any, identities: Mapping[str, str]) -> Any:
    """The same, but who has an address in ``identities`` is known by the identity (a URI) in its certificate."""
    if isinstance(matcher, (list, tuple)):
        return [by_certificate(each, identities) for each in matcher]
    if not isinstance(matcher, Mapping):
        return matcher
    address = matcher.get(ADDRESS, {})
    if address.get("prefix_len") in (32, 128) and address["address_prefix"] in identities:
        return {"authenticated": {"principal_name": {"exact": identities[address["address_prefix"]]}}}
    return {name: by_certificate(value, identities) for name, value in matcher.items()}


def _of_connections(scope: Scope) -> Scope:
    """What is said of connections, whatever rules ask of requests: a change of those is not to cut any."""
    said = [
        Admission(scope.origin, each.peers, None if each.requests is None else (), each.denies) for each in scope.admissions
    ]
    return replace(scope, admissions=tuple(dict.fromkeys(said)))
