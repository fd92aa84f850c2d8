"""What an Envoy is started with: who it is, its admin socket, where its listeners come from, its clusters."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.envoy.clusters import HTTP_OPTIONS
from harness.envoy.tuning import Tuning

LISTENERS_FILE = "listeners.json"
ADMIN_SOCKET = "admin.sock"
CONTROL_PLANE = "control-plane"
ADS_CONFIG = {
    "api_type": "GRPC",
    "transport_api_version": "V3",
    "set_node_on_first_message_only": True,
    "grpc_services": [{"envoy_grpc": {"cluster_name": CONTROL_PLANE}}],
}

JOINED_HEADERS = {
    "envoy.reloadable_features.rbac_match_headers_individually": False,
    "envoy.reloadable_features.match_headers_individually": False,
}
"""A header that comes several times is one value, with commas, as Cilium reads it, and docs/routing.md. Else one right
value among wrong ones would do, which is what a rule that denies wants: these allow, and a backend may go by another."""

KEPT_STATISTICS = ("listener_manager.", "server.", "cluster_manager.")

RUNTIME = {"envoy.reloadable_features.http_inspector_use_balsa_parser": False, **JOINED_HEADERS}
"""Balsa takes any word for the start of a request and waits for more of it, so that a protocol which begins with
letters (iperf3) hangs undetected; the older parser knows at once that it is not HTTP."""


def bootstrap(node: str, folder: Path, clusters: Sequence[dict[str, Any]], tuning: Tuning, server: Path) -> dict[str, Any]:
    """The bootstrap of the Envoy called ``node``, which reads its listeners from ``folder`` as they change.

    What is about requests it asks of the xDS server on the Unix socket ``server``: a file for each would be an inotify instance
    for each, of which the kernel gives a user 128.

    The admin interface is a socket in ``folder``: nothing of the pod can reach it over the network.
    """
    statistics: dict[str, Any] = {}
    if not tuning.all_statistics:
        patterns: list[dict[str, Any]] = [{"prefix": prefix} for prefix in KEPT_STATISTICS]
        patterns.append({"contains": ".rbac."})
        statistics = {"stats_config": {"stats_matcher": {"inclusion_list": {"patterns": patterns}}}}
    return {
        "node": {"id": node, "cluster": "sidecar"},
        "admin": {"address": {"pipe": {"path": str(folder / ADMIN_SOCKET), "mode": 0o600}}},
        "dynamic_resources": {
            "lds_config": {
                "path_config_source": {
                    "path": str(folder / LISTENERS_FILE),
                    "watched_directory": {"path": str(folder)},
                },
                "resource_api_version": "V3",
            },
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
            "ads_config": ADS_CONFIG,
        },
        "static_resources": {"clusters": [*clusters, control_plane(server)]},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": RUNTIME}]},
        **statistics,
    }


def control_plane(server: Path) -> dict[str, Any]:
    """The cluster that leads to the xDS server on the Unix socket ``server``."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(server)}}}}
    return {
        "name": CONTROL_PLANE,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": CONTROL_PLANE, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }
