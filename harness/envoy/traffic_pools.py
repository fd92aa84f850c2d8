"""Pods of one backend behind one cluster, where a BackendTrafficPolicy limits or ejects them, or has another one tried.

Envoy then chooses the pod after the request has been judged. So only those pods are together of which policies say the same:
a cluster's name holds a digest of that, by which it never leads to a pod of which they say something else, whichever of two
changes is taken up first. Who is in it is told apart from it (EDS): a pod that comes or goes leaves counters as they are.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from harness.envoy.clusters import HTTP_OPTIONS, UNBOUNDED
from harness.envoy.request_http import Resource
from harness.envoy.request_resources import upstream
from harness.envoy.request_rules import RequestRules
from harness.envoy.resources import ENDPOINTS
from harness.envoy.route_durations import seconds
from harness.envoy.service_backends import Backend
from harness.envoy.service_hosts import HostRoute, Share
from harness.envoy.tuning import RequestTuning
from harness.model.traffic import BackendTrafficPolicy, CircuitBreaker, HealthCheck, PassiveHealthCheck

_BREAKER = 1024
"""What Envoy Gateway's CRD has where a circuit breaker leaves a limit out."""

_ADS = {"ads": {}, "resource_api_version": "V3"}


@dataclass(frozen=True, slots=True)
class Pool:
    """A cluster of ``members``, to which requests under ``policy`` go."""

    name: str
    members: tuple[Backend, ...]
    policy: BackendTrafficPolicy


def together(shares: Sequence[Share], rules: Sequence[RequestRules | None]) -> Iterator[tuple[Share, str, tuple[Backend, ...]]]:
    """``shares``, those of pods that are in one pool as one, each with its cluster's name and who is in that.

    ``rules`` are what is said of requests to each. A share that is no pool's has no name.
    """
    groups: dict[str, list[Share]] = {}
    for share, said in zip(shares, rules, strict=True):
        if share.pool and said is not None:
            groups.setdefault(f"{share.pool} {_digest(said)}", []).append(share)
        else:
            yield share, "", ()
    for name, some in groups.items():
        members = tuple(sorted({each.backend for each in some if each.backend is not None}))
        yield replace(some[0], backend=members[0], weight=sum(each.weight for each in some)), name, members


def pools(route: HostRoute, rules: Sequence[RequestRules | None]) -> list[Pool]:
    """Those of a route."""
    if route.traffic is None:
        return []
    policy = route.traffic.policy
    return [Pool(name, members, policy) for _, name, members in together(route.shares, rules) if name]


def pool_cluster(pool: Pool, tuning: RequestTuning, number: int) -> Resource:
    """The cluster, without its members."""
    kind = {
        "name": pool.name,
        "type": "EDS",
        "lb_policy": "ROUND_ROBIN",
        "eds_cluster_config": {"eds_config": _ADS, "service_name": pool.name},
    }
    described = upstream(kind, tuning, number)
    breaker, check = pool.policy.circuit_breaker, pool.policy.health_check
    if breaker is not None:
        described["circuit_breakers"] = {"thresholds": [_thresholds(breaker)]}
        if breaker.max_requests_per_connection:
            options = described["typed_extension_protocol_options"][HTTP_OPTIONS]
            options["common_http_protocol_options"] = {"max_requests_per_connection": breaker.max_requests_per_connection}
    return {**described, **_health(check)} if check is not None else described


def pool_members(pool: Pool) -> Resource:
    """Its members, as EDS has them."""
    endpoints: list[dict[str, Any]] = [
        {"endpoint": {"address": {"socket_address": {"address": each.address, "port_value": each.port}}}}
        for each in pool.members
    ]
    return {"@type": ENDPOINTS, "cluster_name": pool.name, "endpoints": [{"lb_endpoints": endpoints}]}


def _thresholds(breaker: CircuitBreaker) -> Resource:
    limits = {
        "max_connections": breaker.max_connections,
        "max_pending_requests": breaker.max_pending_requests,
        "max_requests": breaker.max_parallel_requests,
        "max_retries": breaker.max_parallel_retries,
    }
    return {name: _BREAKER if limit is None else min(limit, UNBOUNDED) for name, limit in limits.items()}


def _health(check: HealthCheck) -> Resource:
    found: Resource = {} if check.passive is None else {"outlier_detection": _outliers(check.passive)}
    if check.panic_threshold is not None:
        found["common_lb_config"] = {"healthy_panic_threshold": {"value": check.panic_threshold}}
    return found


def _outliers(passive: PassiveHealthCheck) -> Resource:
    """With the defaults of Envoy Gateway's CRD. Backends are ejected for nothing that the policy does not say."""
    gateway, local = passive.consecutive_gateway_errors or 0, passive.consecutive_local_origin_failures
    split = bool(passive.split_external_local_origin_errors)
    return {
        "consecutive_5xx": 5 if passive.consecutive_5xx_errors is None else passive.consecutive_5xx_errors,
        "interval": seconds(passive.interval) or "3s",
        "base_ejection_time": seconds(passive.base_ejection_time) or "30s",
        "max_ejection_percent": 10 if passive.max_ejection_percent is None else passive.max_ejection_percent,
        **({"consecutive_gateway_failure": gateway} if gateway else {}),
        "enforcing_consecutive_gateway_failure": 100 if gateway else 0,
        "enforcing_success_rate": 0,
        "split_external_local_origin_errors": split,
        **(
            {"consecutive_local_origin_failure": 5 if local is None else local, "enforcing_local_origin_success_rate": 0}
            if split
            else {}
        ),
    }


def _digest(rules: RequestRules) -> str:
    """Of what rules say, once: while policies change, those before and after say most of it twice. Names hold the backend."""
    refused = [sorted({json.dumps(each, sort_keys=True) for each in some.values()}) for some in rules.refused.values()]
    headers = [json.dumps(list(some), sort_keys=True) for some in rules.headers.values()]
    return sha256(json.dumps([refused, headers]).encode()).hexdigest()[:12]
