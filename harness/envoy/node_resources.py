"""What the Envoy of a node is told over xDS: one listener, one route configuration, one cluster.

The listener takes connections as they were meant for their backends (TPROXY) and the cluster opens new ones to those, from
the client's own address. What is refused stands in the route configuration, since Envoy asks that for each request, also on
connections that are open (docs/decisions/0028).
"""

from pathlib import Path

from harness.envoy import filters, node_rbac
from harness.envoy.admission import Direction
from harness.envoy.clusters import HTTP_OPTIONS, UNBOUNDED
from harness.envoy.node_http import (
    FILTERS,
    KEEP_CASE,
    KEPT_HEADER,
    OWN_HEADER,
    ROUTES,
    Resource,
    connection_manager,
    copied,
    headers_filter,
    rules_filter,
)
from harness.envoy.node_rules import NodeRules
from harness.envoy.node_tuning import NodeTuning
from harness.envoy.transparent import LOOPBACK, PORT
from harness.envoy.tuning import EnvoyTuning, RequestTuning, Tuning

REQUESTS = "requests"
"""The listener."""

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


def upstream(kind: Resource, tuning: EnvoyTuning, number: int = 0) -> Resource:
    """A cluster of some ``kind``, to which requests go as they came. No circuit breaker unless one is asked for.

    One of another ``number`` is another cluster to Envoy: it closes the former one's connections when they fall idle.
    """
    described: Resource = {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        **kind,
        "connect_timeout": "10s",
        "metadata": {"filter_metadata": {"node-proxy": {"number": number}}},
        "circuit_breakers": {
            "thresholds": [dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNBOUNDED)]
        },
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "use_downstream_protocol_config": {
                    "http_protocol_options": {"header_key_format": KEEP_CASE, "enable_trailers": True},
                    "http2_protocol_options": {},
                },
            }
        },
    }
    if tuning.buffer_bytes is not None:
        described["per_connection_buffer_limit_bytes"] = tuning.buffer_bytes
    return described


def listener(tuning: NodeTuning, folder: Path) -> Resource:
    """Takes what TPROXY hands over. What is refused is written to files in ``folder``, and what else rules have logged."""
    return transparent(REQUESTS, PORT, connection_manager(tuning, folder), tuning)


def transparent(name: str, port: int, manager: Resource, tuning: NodeTuning) -> Resource:
    """A listener for connections that were meant for other addresses, whose backends are asked from the clients' own."""
    addresses = [{"socket_address": {"address": LOOPBACK[family], "port_value": port}} for family in (4, 6)]
    described: Resource = {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "transparent": True,
        "address": addresses[0],
        "additional_addresses": [{"address": addresses[1]}],
        "listener_filters": [_listener_filter("original_dst", "OriginalDst"), _listener_filter("original_src", "OriginalSrc")],
        "filter_chains": [_to_itself(), {"name": name, "filters": [manager]}],
    }
    if tuning.exact_balance:
        described["connection_balance_config"] = {"exact_balance": {}}
    if tuning.buffer_bytes is not None:
        described["per_connection_buffer_limit_bytes"] = tuning.buffer_bytes
    return described


def mark(number: int) -> Resource:
    """A listener that listens nowhere, by which is seen what workers have taken up."""
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": f"mark-{number}",
        "bind_to_port": False,
        "address": {"socket_address": {"address": LOOPBACK[4], "port_value": 1 + number % 65535}},
        "filter_chains": [{"filters": [filters.tcp_proxy("mark", BACKEND, Tuning(), client_first=False)]}],
    }


def routes(
    rules: NodeRules, tuning: RequestTuning, name: str = ROUTES, cluster: str = BACKEND, *, again: bool = True
) -> Resource:
    """Every request to its backend, by ``cluster``, unless ``rules`` refuse it. ``again``: requests are retried."""
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": name,
        "typed_per_filter_config": judging(rules),
        "virtual_hosts": [{"name": "any", "domains": ["*"], "routes": [_route(cluster, tuning.retries if again else 0)]}],
        "request_headers_to_remove": [KEPT_HEADER],
    }


def judging(rules: NodeRules) -> Resource:
    """``typed_per_filter_config`` by which requests are judged by ``rules``."""
    judged: Resource = {}
    for direction in Direction:
        refused = {"rules": node_rbac.rules(rules.refused[direction])}
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


def _listener_filter(name: str, kind: str) -> Resource:
    return {
        "name": f"envoy.filters.listener.{name}",
        "typed_config": {"@type": f"{FILTERS}.listener.{name}.v3.{kind}"},
    }


def _to_itself() -> Resource:
    """Ends connections to the listener's own address, which programs of the node may open: it would call itself for ever."""
    ranges = [{"address_prefix": address, "prefix_len": 32 if family == 4 else 128} for family, address in LOOPBACK.items()]
    closing = {"name": "close", "typed_config": {"@type": f"{FILTERS}.network.direct_response.v3.Config"}}
    return {"name": "itself", "filter_chain_match": {"prefix_ranges": ranges}, "filters": [closing]}
