"""Network filters of a sidecar's filter chains: the HTTP connection manager, the TCP proxy, and the access log."""

from typing import Any

from harness.envoy.tuning import EnvoyTuning, Tuning

FILTERS = "type.googleapis.com/envoy.extensions.filters"
RETRY_ON = "connect-failure,refused-stream,reset-before-request,unavailable,cancelled"
"""Istio's default conditions: only requests that no server has begun on."""


def access_log() -> list[dict[str, Any]]:
    """One line a request or connection, to Envoy's standard output, as Istio's ``accessLogFile: /dev/stdout``."""
    kind = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
    return [{"name": "envoy.access_loggers.stdout", "typed_config": {"@type": kind}}]


def http_connection_manager(direction: str, cluster: str, tuning: Tuning, codec: str = "AUTO") -> dict[str, Any]:
    """Parses requests and sends each to ``cluster``; ``codec`` is AUTO, HTTP1 or HTTP2."""
    route: dict[str, Any] = {"cluster": cluster, "timeout": "0s"}
    if direction == "outbound" and tuning.retries:
        route["retry_policy"] = {"retry_on": RETRY_ON, "num_retries": tuning.retries}
    manager: dict[str, Any] = {
        "@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": direction,
        "codec_type": codec,
        "route_config": {
            "name": direction,
            "virtual_hosts": [{"name": "any", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}],
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{FILTERS}.http.router.v3.Router"},
            }
        ],
        "http_protocol_options": {"accept_http_10": True},
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": tuning.request_ids,
        "normalize_path": True,
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    }
    if tuning.access_log:
        manager["access_log"] = access_log()
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def tcp_proxy(direction: str, cluster: str, tuning: EnvoyTuning, *, client_first: bool) -> dict[str, Any]:
    """Passes bytes on to ``cluster``.

    With ``client_first`` the server is connected to only when the client has sent something, so that a
    connection which the policy refuses (it is judged at the first byte) is never seen by the server.
    """
    proxy: dict[str, Any] = {
        "@type": f"{FILTERS}.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": f"{direction}-tcp",
        "cluster": cluster,
        "idle_timeout": "0s",
    }
    if client_first:
        proxy["upstream_connect_mode"] = "ON_DOWNSTREAM_DATA"
        proxy["max_early_data_bytes"] = 65536
    if tuning.access_log:
        proxy["access_log"] = access_log()
    return {"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}
