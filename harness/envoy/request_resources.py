"""Where requests go that an Envoy of a node or of a pod judges, and what it refuses of them: clusters and routes.

What is refused stands in the route configuration, since Envoy asks that for each request, also on connections that are open
(docs/decisions/0028).
"""

from harness.envoy import filters, request_rbac
from harness.envoy.admission import Direction
from harness.envoy.clusters import HTTP_OPTIONS, UNBOUNDED
from harness.envoy.request_http import (
    FILTERS,
    KEEP_CASE,
    KEPT_HEADER,
    OWN_HEADER,
    ROUTES,
    Resource,
    copied,
    headers_filter,
    rules_filter,
)
from harness.envoy.request_rules import RequestRules
from harness.envoy.tuning import EnvoyTuning, RequestTuning

BACKEND = "backend"
"""The cluster that leads to where the client meant to go."""


AS_IT_CAME: Resource = {
    "request_headers_to_remove": [OWN_HEADER],
    "request_headers_to_add": [copied(KEPT_HEADER, OWN_HEADER)],
}
"""Fields of a route, by which a request has the headers of its client's that Envoy makes something else of."""


def cluster(tuning: EnvoyTuning, number: int = 0) -> Resource:
    """To the address that the client meant, in the protocol that it speaks."""
    return upstream({"name": BACKEND, "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}, tuning, number)


def upstream(kind: Resource, tuning: EnvoyTuning, number: int = 0, *, calls: bool = False) -> Resource:
    """A cluster of some ``kind``, to which requests go as they came. No circuit breaker unless one is asked for.

    ``calls``: by HTTP/2, for Envoy's copies go by HTTP/1.1 otherwise, however their originals came.
    One of another ``number`` is another cluster to Envoy: it closes the former one's connections when they fall idle.
    """
    spoken: Resource = (
        {"explicit_http_config": {"http2_protocol_options": {}}}
        if calls
        else {
            "use_downstream_protocol_config": {
                "http_protocol_options": {"header_key_format": KEEP_CASE, "enable_trailers": True},
                "http2_protocol_options": {},
            }
        }
    )
    described: Resource = {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        **kind,
        "connect_timeout": "10s",
        "metadata": {"filter_metadata": {"node-proxy": {"number": number}}},
        "circuit_breakers": {
            "thresholds": [dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNBOUNDED)]
        },
        "typed_extension_protocol_options": {HTTP_OPTIONS: {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", **spoken}},
    }
    if tuning.buffer_bytes is not None:
        described["per_connection_buffer_limit_bytes"] = tuning.buffer_bytes
    return described


def routes(
    rules: RequestRules, tuning: RequestTuning, name: str = ROUTES, cluster: str = BACKEND, *, again: bool = True
) -> Resource:
    """Every request to its backend, by ``cluster``, unless ``rules`` refuse it. ``again``: requests are retried."""
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": name,
        "typed_per_filter_config": judging(rules),
        "virtual_hosts": [{"name": "any", "domains": ["*"], "routes": [_route(cluster, tuning.retries if again else 0)]}],
        "request_headers_to_remove": [KEPT_HEADER],
    }


def judging(rules: RequestRules) -> Resource:
    """``typed_per_filter_config`` by which requests are judged by ``rules``."""
    judged: Resource = {}
    for direction in Direction:
        refused = {"rules": request_rbac.rules(rules.refused[direction])}
        judged[rules_filter(direction)] = {"@type": f"{FILTERS}.http.rbac.v3.RBACPerRoute", "rbac": refused}
        if rules.headers[direction]:
            chain = {"filters": list(rules.headers[direction])}
            kind = f"{FILTERS}.http.filter_chain.v3.FilterChainConfigPerRoute"
            judged[headers_filter(direction)] = {"@type": kind, "filter_chain": chain}
    return judged


def _route(cluster: str, retries: int) -> Resource:
    action: Resource = {"cluster": cluster, "timeout": "0s"}
    if retries:
        action["retry_policy"] = {"retry_on": filters.RETRY_ON, "num_retries": retries}
    return {"match": {"prefix": "/"}, "route": action, **AS_IT_CAME}
