"""What the Envoy of a node is told of Services: a listener, a route configuration, and a cluster for each backend.

All that routes and policies say stands in the route configuration, which reaches open connections (docs/decisions/0028). Envoy
chooses one of the backends of all Services of a rule in one step, with the route: so what is said of a backend's requests is
found before they are judged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.envoy import filters
from harness.envoy.node_listeners import transparent
from harness.envoy.node_tuning import NodeTuning
from harness.envoy.request_http import KEPT_HEADER, Resource, connection_manager
from harness.envoy.request_resources import AS_IT_CAME, BACKEND, judging, upstream
from harness.envoy.request_rules import RequestRules
from harness.envoy.route_durations import seconds
from harness.envoy.route_filters import context_of, response_changes
from harness.envoy.route_script import answering, script_filter, script_for
from harness.envoy.service_backends import Backend
from harness.envoy.service_hosts import Host, HostRoute, Mirror, Share
from harness.envoy.traffic_pools import Pool, pool_cluster, pool_members, pools, together
from harness.envoy.traffic_requests import faults_of, limited_by, limits_of_all, retries_of, traffic_filters
from harness.envoy.transparent import SERVICE_PORT
from harness.envoy.tuning import RequestTuning

SERVICES = "services"
"""The listener, and its route configuration."""

ASKED_HEADER = "x-node-proxy-asked"
"""Holds what a request's virtual host is found by: the address that the client connected to, and its own."""

_ASKED = "%DOWNSTREAM_LOCAL_ADDRESS%/%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"
_OVERWRITE = "OVERWRITE_IF_EXISTS_OR_ADD"


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """Where requests to Services go, and what is said of those to each backend."""

    hosts: tuple[Host, ...] = ()
    rules: Mapping[Backend, RequestRules] | None = None

    def of(self, backend: Backend) -> RequestRules:
        """What is said of requests to a backend of ``hosts``."""
        return (self.rules or {})[backend]

    def of_shares(self, route: HostRoute) -> list[RequestRules | None]:
        """What is said of requests to each of a route's shares; None of those that no backend gets."""
        return [None if share.backend is None else self.of(share.backend) for share in route.shares]

    def pools(self) -> list[Pool]:
        """All pools of backends, by name."""
        found = {
            each.name: each for host in self.hosts for route in host.routes for each in pools(route, self.of_shares(route))
        }
        return list(found.values())

    def refusing_also(self, former: "ServiceRules") -> "ServiceRules":
        """These, and what ``former`` refuse of requests to the same backends."""
        before = former.rules or {}
        both = {
            each: rules.refusing_also(before[each]) if each in before else rules for each, rules in (self.rules or {}).items()
        }
        return ServiceRules(self.hosts, both)


def backends(hosts: Iterable[Host]) -> set[Backend]:
    """All that requests or copies may go to."""
    routes = [route for host in hosts for route in host.routes]
    asked = {share.backend for route in routes for share in route.shares if share.backend is not None}
    return asked | {each for route in routes for mirror in route.mirrors for each in mirror.backends}


def service_listener(tuning: NodeTuning, folder: Path) -> Resource:
    """Takes what TPROXY hands over of connections to Services."""
    return transparent(SERVICES, SERVICE_PORT, service_manager(tuning, folder), tuning)


def service_manager(tuning: RequestTuning, folder: Path) -> Resource:
    """What reads requests to Services."""
    asked: Resource = {"append": {"header": {"key": ASKED_HEADER, "value": _ASKED}, "append_action": _OVERWRITE}}
    told = [{"remove": ASKED_HEADER}, asked]
    return connection_manager(tuning, folder, SERVICES, first=[script_filter()], told=told, last=traffic_filters())


def service_clusters(services: ServiceRules, tuning: RequestTuning, number: int = 0) -> list[Resource]:
    """A cluster for each backend that stands for itself, for each pool of them, and for each set of those that get copies."""
    shares = [share for host in services.hosts for route in host.routes for share in route.shares]
    alone = {share.backend for share in shares if share.backend is not None and not share.pool}
    named: dict[tuple[str, bool], tuple[Backend, ...]] = {(str(each), False): (each,) for each in sorted(alone)}
    for host in services.hosts:
        for route in host.routes:
            for mirror in route.mirrors:
                named[_mirror_name(mirror, services), mirror.calls] = _unrestricted(mirror, services)
    alike = [_cluster(name, members, tuning, number, calls=calls) for (name, calls), members in named.items() if members]
    return [*alike, *(pool_cluster(each, tuning, number) for each in services.pools())]


def service_endpoints(services: ServiceRules) -> list[Resource]:
    """Who is in each pool."""
    return [pool_members(each) for each in services.pools()]


def service_routes(services: ServiceRules, tuning: RequestTuning) -> Resource:
    """The route configuration."""
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": SERVICES,
        "vhost_header": ASKED_HEADER,
        "typed_per_filter_config": limits_of_all(
            route.traffic for host in services.hosts for route in host.routes if route.traffic is not None
        ),
        "virtual_hosts": [_virtual_host(host, services, tuning) for host in services.hosts],
        "request_headers_to_remove": [KEPT_HEADER, ASKED_HEADER],
    }


def _virtual_host(host: Host, services: ServiceRules, tuning: RequestTuning) -> Resource:
    asked = Backend(host.address, host.port)
    domains = [f"{asked}/*"] if host.clients is None else [f"{asked}/{client}" for client in host.clients]
    routes = [_route(route, host.port, services, tuning) for route in host.routes]
    return {"name": domains[0], "domains": domains, "routes": routes}


def _route(route: HostRoute, port: int, services: ServiceRules, tuning: RequestTuning) -> Resource:
    shares = together(route.shares, services.of_shares(route))
    action: Resource = {
        "weighted_clusters": {"clusters": [_share(share, route, port, services, pool) for share, pool, _ in shares]},
        "timeout": seconds(_whole(route)) or "0s",
    }
    retries = _retries(route, tuning)
    if retries:
        action["retry_policy"] = retries
    mirrors = [_mirror(each, services) for each in route.mirrors if _unrestricted(each, services)]
    if mirrors:
        action["request_mirror_policies"] = mirrors
    described: Resource = {"match": route.match, "route": action, **AS_IT_CAME}
    if route.traffic is not None:
        action["rate_limits"] = limited_by(route.traffic)
        if route.traffic.policy.fault_injection is not None:
            described["typed_per_filter_config"] = faults_of(route.traffic.policy.fault_injection)
    return described


def _whole(route: HostRoute) -> str | None:
    """How long a request may take: as its rule says, else the policy that it is under."""
    if route.timeouts is not None and route.timeouts.request is not None:
        return route.timeouts.request
    return None if route.traffic is None else route.traffic.policy.request_timeout


def _share(share: Share, route: HostRoute, port: int, services: ServiceRules, pool: str) -> Resource:
    described: Resource = {"name": BACKEND if share.backend is None else pool or str(share.backend), "weight": share.weight}
    if share.status is not None:
        return {**described, "typed_per_filter_config": answering(share.status)}
    applied = (*route.filters, *share.filters)
    script = script_for(context_of(applied, route.prefix, port))
    judged = {} if share.backend is None else judging(services.of(share.backend))
    return {**described, "typed_per_filter_config": {**script, **judged}, **response_changes(applied)}


def _retries(route: HostRoute, tuning: RequestTuning) -> Resource:
    """What is done again, and how long one try may take: as the rule says, else the policy that it is under.

    Without ``retry`` in either: what no backend has begun on.
    """
    policy: Resource = {"retry_on": filters.RETRY_ON, "num_retries": tuning.retries} if tuning.retries else {}
    if route.retry is None and route.traffic is not None and route.traffic.policy.retry is not None:
        policy = retries_of(route.traffic.policy.retry)
    elif route.retry is not None:
        policy = {"retry_on": filters.RETRY_ON, "num_retries": 1 if route.retry.attempts is None else route.retry.attempts}
        if route.retry.codes:
            policy["retry_on"] += ",retriable-status-codes"
            policy["retriable_status_codes"] = list(route.retry.codes)
        backoff = seconds(route.retry.backoff)
        if backoff:
            policy["retry_back_off"] = {"base_interval": backoff}
    per_try = seconds(route.timeouts.backend_request if route.timeouts else None)
    return {**policy, "per_try_timeout": per_try} if per_try else policy


def _unrestricted(mirror: Mirror, services: ServiceRules) -> tuple[Backend, ...]:
    """Who gets copies: Envoy judges none, so only those of whose requests no policy refuses any."""
    return tuple(each for each in mirror.backends if not any(services.of(each).refused.values()))


def _mirror(mirror: Mirror, services: ServiceRules) -> Resource:
    return {
        "cluster": _mirror_name(mirror, services),
        "runtime_fraction": {"default_value": {"numerator": mirror.millionths, "denominator": "MILLION"}},
        "disable_shadow_host_suffix_append": True,
    }


def _mirror_name(mirror: Mirror, services: ServiceRules) -> str:
    return " ".join(("mirror of calls" if mirror.calls else "mirror", *map(str, _unrestricted(mirror, services))))


def _cluster(name: str, members: tuple[Backend, ...], tuning: RequestTuning, number: int, *, calls: bool) -> Resource:
    endpoints: list[dict[str, Any]] = [
        {"endpoint": {"address": {"socket_address": {"address": each.address, "port_value": each.port}}}} for each in members
    ]
    kind: Resource = {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }
    return upstream(kind, tuning, number, calls=calls)
