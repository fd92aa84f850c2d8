"""What the Envoy of a node is started with: who it is, its admin socket, and where it is told everything else (ADS)."""

from pathlib import Path
from typing import Any

from harness.envoy.bootstrap import ADMIN_SOCKET, ADS_CONFIG, JOINED_HEADERS, KEPT_STATISTICS, control_plane
from harness.envoy.tuning import EnvoyTuning


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
            "ads_config": ADS_CONFIG,
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
        },
        "static_resources": {"clusters": [control_plane(server)]},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": JOINED_HEADERS}]},
        **statistics,
    }
