"""What an Envoy is started with: who it is, its admin socket, where its listeners come from, its clusters."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.envoy.tuning import Tuning

LISTENERS_FILE = "listeners.json"
ADMIN_SOCKET = "admin.sock"
KEPT_STATISTICS = ("listener_manager.", "server.", "cluster_manager.")

RUNTIME = {"envoy.reloadable_features.http_inspector_use_balsa_parser": False}
"""Balsa takes any word for the start of a request and waits for more of it, so that a protocol which begins with
letters (iperf3) hangs undetected; the older parser knows at once that it is not HTTP."""


def bootstrap(node: str, folder: Path, clusters: Sequence[dict[str, Any]], tuning: Tuning) -> dict[str, Any]:
    """The bootstrap of the Envoy called ``node``, which reads its listeners from ``folder``/listeners.json as they change.

    The admin interface is a socket in ``folder``: nothing of the pod can reach it over the network.
    """
    statistics: dict[str, Any] = {}
    if not tuning.all_statistics:
        patterns: list[dict[str, Any]] = [{"prefix": prefix} for prefix in KEPT_STATISTICS]
        statistics = {"stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [*patterns, {"contains": ".rbac."}]}}}}
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
            }
        },
        "static_resources": {"clusters": list(clusters)},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": RUNTIME}]},
        **statistics,
    }
