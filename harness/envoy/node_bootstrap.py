"""What the Envoy of a node is started with: who it is, its admin socket, and where it is told everything else (ADS)."""

from pathlib import Path
from typing import Any

from harness.envoy.bootstrap import ADMIN_SOCKET, JOINED_HEADERS, KEPT_STATISTICS
from harness.envoy.clusters import HTTP_OPTIONS
from harness.envoy.tuning import EnvoyTuning

CONTROL_PLANE = "control-plane"


def node_bootstrap(node: str, folder: Path, server: Path, tuning: EnvoyTuning) -> dict[str, Any]:
    """The bootstrap of the Envoy of ``node``, which asks the xDS server on the Unix socket ``server``."""
    statistics: dict[str, Any] = {}
    if not tuning.all_statistics:
        patterns: list[dict[str, Any]] = [{"prefix": prefix} for prefix in KEPT_STATISTICS]
        statistics = {"stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [*patterns, {"contains": ".rbac."}]}}}}
    return {
        "node": {"id": node, "cluster": "node-proxy"},
        "admin": {"address": {"pipe": {"path": str(folder / ADMIN_SOCKET), "mode": 0o600}}},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": CONTROL_PLANE}}],
            },
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
        },
        "static_resources": {"clusters": [_control_plane(server)]},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": JOINED_HEADERS}]},
        **statistics,
    }


def _control_plane(server: Path) -> dict[str, Any]:
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
