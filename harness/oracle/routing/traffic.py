"""What a BackendTrafficPolicy makes of a request: which one it is under, and what of that can be said beforehand.

What a limit, a breaker or an ejection does depends on what else is asked, and when; of those it is said only what the answer
may then be. Source: https://gateway.envoyproxy.io/docs/api/extension_types/ and
https://gateway.envoyproxy.io/docs/concepts/gateway_api_extensions/backend-traffic-policy
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

import re2

from harness.model.route import Gateway, Route
from harness.model.routed import Asked
from harness.model.service import Service
from harness.model.traffic import BackendTrafficPolicy, RateLimitRule, SelectedHeader

_GROUP = "gateway.networking.k8s.io"
_HUNDRED = 100
_LIMITED, _BROKEN = 429, 503
_PART = re.compile(r"([0-9]+)(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def policy_of(
    policies: Iterable[BackendTrafficPolicy], route: Route | None, front: Service | Gateway
) -> BackendTrafficPolicy | None:
    """The policy of requests to ``front`` that ``route`` takes (None: none does): the route's, else that of the front itself.

    Of several for one target the oldest, then the first by name; those that no server has made yet last.
    """
    ordered = sorted(policies, key=_age)
    wanted = [] if route is None else [(_GROUP, type(route).__name__, route.namespace, route.name)]
    group = _GROUP if isinstance(front, Gateway) else ""
    wanted.append((group, type(front).__name__, front.namespace, front.name))
    for group, kind, namespace, name in wanted:
        for policy in ordered:
            if policy.namespace == namespace and any(
                (each.group, each.kind, each.name) == (group, kind, name) for each in policy.targets
            ):
                return policy
    return None


def _age(policy: BackendTrafficPolicy) -> tuple[bool, float, str]:
    created = 0.0 if policy.created is None else datetime.fromisoformat(policy.created).timestamp()
    return policy.created is None, created, policy.ref


@dataclass(frozen=True, slots=True)
class Effect:
    """What is injected into ``share`` of the requests: a ``delay`` in seconds, and an end by a status of HTTP or of gRPC."""

    share: Fraction
    delay: float = 0.0
    http_status: int | None = None
    grpc_status: int | None = None

    @property
    def aborts(self) -> bool:
        """Whether no backend gets them."""
        return (self.http_status, self.grpc_status) != (None, None)


def effects(policy: BackendTrafficPolicy | None) -> Iterator[Effect]:
    """All faults that requests under a policy may have; none for those that have none. Delay and abortion are drawn apart."""
    injection = None if policy is None else policy.fault_injection
    delay, abort = (None, None) if injection is None else (injection.delay, injection.abort)
    delayed = Fraction(0) if delay is None else _part(delay.percentage)
    aborted = Fraction(0) if abort is None else _part(abort.percentage)
    seconds = 0.0 if delay is None else _seconds(delay.fixed_delay)
    for share, late in ((delayed, seconds), (1 - delayed, 0.0)):
        if share * aborted and abort is not None:
            yield Effect(share * aborted, late, abort.http_status, abort.grpc_status)
        if share * (1 - aborted):
            yield Effect(share * (1 - aborted), late)


def own_answers(policy: BackendTrafficPolicy | None, asked: Asked, headers: Mapping[str, str]) -> frozenset[int]:
    """The statuses that a request may be answered with before a backend has it, if enough others are asked.

    ``headers`` are those that it has after the filters of its route.
    """
    found = set()
    if policy is not None and any(_counts(rule, headers) for rule in policy.rate_limits or ()):
        found.add(_LIMITED)
    if policy is not None and policy.circuit_breaker is not None and asked.together:
        found.add(_BROKEN)
    return frozenset(found)


def open_to_others(policy: BackendTrafficPolicy | None, asked: Asked, headers: Mapping[str, str]) -> bool:
    """Whether what becomes of a request depends on which other requests there are, or which backend gets it."""
    if policy is None:
        return False
    ejects = policy.health_check is not None and policy.health_check.passive is not None
    return ejects or asked.told.only is not None or bool(own_answers(policy, asked, headers))


def _counts(rule: RateLimitRule, headers: Mapping[str, str]) -> bool:
    there = {name.lower(): value for name, value in headers.items()}
    return all(_selects(header, there.get(header.name.lower())) for some in rule.selectors or () for header in some)


def _selects(header: SelectedHeader, value: str | None) -> bool:
    """A header that is not there is selected by nothing, inverted or not, as in Envoy."""
    if value is None:
        return False
    meant = value == header.value if header.type != "RegularExpression" else re2.fullmatch(header.value, value) is not None
    return meant is not bool(header.invert)


def _part(percentage: float | None) -> Fraction:
    return Fraction(1) if percentage is None else Fraction(str(percentage)) / _HUNDRED


def _seconds(written: str) -> float:
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(written))
