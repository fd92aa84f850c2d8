"""What an Envoy is started with: who it is, its admin socket, where its listeners come from, its clusters."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.envoy.tuning import Tuning

LISTENERS_FILE = "listeners.json"
CLUSTERS_FILE = "clusters.json"
"""The clusters that come and go: those of requests."""

ADMIN_SOCKET = "admin.sock"
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


def bootstrap(node: str, folder: Path, clusters: Sequence[dict[str, Any]], tuning: Tuning) -> dict[str, Any]:
    """The bootstrap of the Envoy called ``node``, which reads its listeners and more clusters from ``folder`` as they change.

    The admin interface is a socket in ``folder``: nothing of the pod can reach it over the network.
    """
    statistics: dict[str, Any] = {}
    if not tuning.all_statistics:
        patterns: list[dict[str, Any]] = [{"prefix": prefix} for prefix in KEPT_STATISTICS]
        patterns += [{"contains": ".rbac."}, {"contains": ".rds."}]
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
            "cds_config": {"path_config_source": {"path": str(folder / CLUSTERS_FILE)}, "resource_api_version": "V3"},
        },
        "static_resources": {"clusters": list(clusters)},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": RUNTIME}]},
        **statistics,
    }
