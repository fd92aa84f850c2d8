"""Which BackendTrafficPolicy the requests to a Service or a Gateway are under.

The policy of a route stands before that of the Gateway, or of the Service, which Envoy Gateway has no policies for; the two
are not merged. Of several for one target the oldest counts, then the first by name.
Source: https://gateway.envoyproxy.io/docs/concepts/gateway_api_extensions/backend-traffic-policy
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from harness.model.route import Gateway, Route
from harness.model.service import Service
from harness.model.traffic import BackendTrafficPolicy

_ROUTES = "gateway.networking.k8s.io"
_Target = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Governed:
    """Requests that are under a ``policy``: those of one rule of a route, or of a Service without routes.

    ``name`` is what limits are counted by.
    """

    name: str
    policy: BackendTrafficPolicy

    @property
    def pools(self) -> bool:
        """Whether all pods of a backend must be known together: to limit, to eject, or to try another one."""
        policy = self.policy
        return (policy.circuit_breaker, policy.health_check, policy.retry) != (None, None, None)


class TrafficPolicies:
    """The policies of a cluster, by what they are about."""

    def __init__(self, policies: Iterable[BackendTrafficPolicy]) -> None:
        self._by_target: dict[_Target, BackendTrafficPolicy] = {}
        for policy in sorted(policies, key=_age):
            for target in policy.targets:
                key = (target.group, target.kind, policy.namespace, target.name)
                self._by_target.setdefault(key, policy)

    def of_rule(self, route: Route, position: int, front: Service | Gateway) -> Governed | None:
        """What requests are under that a rule of ``route`` takes, the one at ``position``, of those to ``front``."""
        kind = type(route).__name__
        policy = self._by_target.get((_ROUTES, kind, route.namespace, route.name)) or self._of(front)
        if policy is None:
            return None
        return Governed(f"{policy.ref} {kind} {route.namespace}/{route.name} rule {position}", policy)

    def of_service(self, service: Service, port: int) -> Governed | None:
        """What requests are under that go to the Service itself."""
        policy = self._of(service)
        return None if policy is None else Governed(f"{policy.ref} Service {service.ref}:{port}", policy)

    def _of(self, front: Service | Gateway) -> BackendTrafficPolicy | None:
        group = _ROUTES if isinstance(front, Gateway) else ""
        return self._by_target.get((group, type(front).__name__, front.namespace, front.name))


def _age(policy: BackendTrafficPolicy) -> tuple[float, str]:
    created = datetime.fromisoformat(policy.created).timestamp() if policy.created else float("inf")
    return created, policy.ref
