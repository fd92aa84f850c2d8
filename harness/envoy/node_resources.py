"""What the Envoy of a node is told over xDS: one listener, one route configuration, one cluster.

The listener takes connections as they were meant for their backends (TPROXY) and the cluster opens new ones to those, from
the client's own address. Requests go on as they came but for what docs/decisions/0091 lists. What is allowed stands in the
route configuration, since Envoy asks that for each request, also on connections that are open.
"""

from pathlib import Path
from typing import Any

from harness.envoy import filters, node_rbac
from harness.envoy.admission import Direction
from harness.envoy.node_denials import access_logs, denial_body
from harness.envoy.node_rules import NodeRules
from harness.envoy.node_tuning import NodeTuning
from harness.envoy.transparent import LOOPBACK, PORT
from harness.envoy.tuning import Tuning

Resource = dict[str, Any]
FILTERS = "type.googleapis.com/envoy.extensions.filters"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
REQUESTS = "requests"
"""The listener and the route configuration."""

BACKEND = "backend"
"""The cluster that leads to where the client meant to go."""

UNBOUNDED = 2**32 - 1
OWN_HEADER = "x-forwarded-proto"
"""Envoy adds it to a request that lacks it, by which it chooses the scheme; nothing turns that off."""

KEPT_HEADER = "x-node-proxy-forwarded-proto"
"""Holds the client's own until the other has been removed."""

_ADS = {"ads": {}, "resource_api_version": "V3"}
_KEEP_CASE = {
    "stateful_formatter": {
        "name": "preserve_case",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig"
        },
    }
}


def cluster(tuning: NodeTuning, number: int = 0) -> Resource:
    """To the address that the client meant, in the protocol that it speaks. No circuit breaker unless one is asked for.

    One of another ``number`` is another cluster to Envoy: it closes the former one's connections when they fall idle.
    """
    described: Resource = {
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": BACKEND,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "10s",
        "metadata": {"filter_metadata": {"node-proxy": {"number": number}}},
        "circuit_breakers": {
            "thresholds": [dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNBOUNDED)]
        },
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "use_downstream_protocol_config": {
                    "http_protocol_options": {"header_key_format": _KEEP_CASE, "enable_trailers": True},
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
    addresses = [{"socket_address": {"address": LOOPBACK[family], "port_value": PORT}} for family in (4, 6)]
    described: Resource = {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": REQUESTS,
        "transparent": True,
        "address": addresses[0],
        "additional_addresses": [{"address": addresses[1]}],
        "listener_filters": [_listener_filter("original_dst", "OriginalDst"), _listener_filter("original_src", "OriginalSrc")],
        "filter_chains": [_to_itself(), {"name": REQUESTS, "filters": [_connection_manager(tuning, folder)]}],
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


def routes(rules: NodeRules, tuning: NodeTuning) -> Resource:
    """Every request to its backend, unless ``rules`` refuse it."""
    judged: Resource = {}
    for direction in Direction:
        refused = {"rules": node_rbac.rules(rules.refused[direction])}
        judged[_rules_filter(direction)] = {"@type": f"{FILTERS}.http.rbac.v3.RBACPerRoute", "rbac": refused}
        if rules.headers[direction]:
            chain = {"filters": list(rules.headers[direction])}
            kind = f"{FILTERS}.http.filter_chain.v3.FilterChainConfigPerRoute"
            judged[_headers_filter(direction)] = {"@type": kind, "filter_chain": chain}
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": REQUESTS,
        "typed_per_filter_config": judged,
        "virtual_hosts": [{"name": "any", "domains": ["*"], "routes": [_route(tuning)]}],
        "request_headers_to_remove": [KEPT_HEADER],
    }


def _route(tuning: NodeTuning) -> Resource:
    action: Resource = {"cluster": BACKEND, "timeout": "0s"}
    if tuning.retries:
        action["retry_policy"] = {"retry_on": filters.RETRY_ON, "num_retries": tuning.retries}
    return {
        "match": {"prefix": "/"},
        "route": action,
        "request_headers_to_remove": [OWN_HEADER],
        "request_headers_to_add": [_copied(KEPT_HEADER, OWN_HEADER)],
    }


def _copied(source: str, target: str) -> Resource:
    return {"header": {"key": target, "value": f"%REQ({source})%"}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}


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


def _connection_manager(tuning: NodeTuning, folder: Path) -> Resource:
    manager: Resource = {
        "@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": REQUESTS,
        "rds": {"config_source": _ADS, "route_config_name": REQUESTS},
        "http_filters": [
            *(each for direction in Direction for each in _judging(direction)),
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{FILTERS}.http.router.v3.Router", "suppress_envoy_headers": True},
            },
        ],
        "http_protocol_options": {"accept_http_10": True, "enable_trailers": True, "header_key_format": _KEEP_CASE},
        "early_header_mutation_extensions": [_keep_own_header()],
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "skip_xff_append": True,
        "stream_idle_timeout": "0s",
        "proxy_100_continue": True,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "local_reply_config": denial_body(),
        "access_log": access_logs(folder, everything=tuning.access_log),
        **_path_options(tuning),
    }
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _judging(direction: Direction) -> list[Resource]:
    """The filters of one end's rules. Those of the client's are asked first: the backend's see what they made of the request.

    The first refuses everything where the route configuration does not say what it refuses.
    """
    return [
        {
            "name": _rules_filter(direction),
            "typed_config": {"@type": f"{FILTERS}.http.rbac.v3.RBAC", "rules": {"action": "ALLOW"}},
        },
        {
            "name": _headers_filter(direction),
            "typed_config": {"@type": f"{FILTERS}.http.filter_chain.v3.FilterChainConfig"},
        },
    ]


def _rules_filter(direction: Direction) -> str:
    return f"{direction}-rules"


def _headers_filter(direction: Direction) -> str:
    return f"{direction}-headers"


def _path_options(tuning: NodeTuning) -> Resource:
    if not tuning.normalize_path:
        return {"normalize_path": False}
    return {"normalize_path": True, "merge_slashes": True, "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"}


def _keep_own_header() -> Resource:
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [{"remove": KEPT_HEADER}, {"append": _copied(OWN_HEADER, KEPT_HEADER)}],
        },
    }
