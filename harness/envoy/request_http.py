"""How an Envoy reads requests, asks what becomes of them, and passes them on: as they came, as far as it can."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.envoy.admission import Direction
from harness.envoy.flow_lines import flow_log
from harness.envoy.request_denials import access_logs, denial_body
from harness.envoy.tuning import RequestTuning

Resource = dict[str, Any]
FILTERS = "type.googleapis.com/envoy.extensions.filters"
ROUTES = "requests"
"""The route configuration, which comes by xDS."""

OWN_HEADER = "x-forwarded-proto"
"""Envoy adds it to a request that lacks it, by which it chooses the scheme; nothing turns that off."""

KEPT_HEADER = "x-node-proxy-forwarded-proto"
"""Holds the client's own until the other has been removed."""

_ADS = {"ads": {}, "resource_api_version": "V3"}
KEEP_CASE = {
    "stateful_formatter": {
        "name": "preserve_case",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig"
        },
    }
}


def connection_manager(
    tuning: RequestTuning,
    folder: Path,
    routes: str = ROUTES,
    first: Sequence[Resource] = (),
    told: Sequence[Resource] = (),
    last: Sequence[Resource] = (),
) -> Resource:
    """The HTTP connection manager. What is refused is written to files in ``folder``, and what else rules have logged.

    ``routes`` names its route configuration, which comes by xDS; ``first`` are filters before those that judge, ``last``
    those after them;
    ``told``, mutations of headers as a request comes, before its route is chosen.
    """
    manager: Resource = {
        "@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": routes,
        "rds": {"config_source": _ADS, "route_config_name": routes},
        "http_filters": [
            *first,
            *(each for direction in Direction for each in _judging(direction)),
            *last,
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{FILTERS}.http.router.v3.Router", "suppress_envoy_headers": True},
            },
        ],
        "http_protocol_options": {"accept_http_10": True, "enable_trailers": True, "header_key_format": KEEP_CASE},
        "early_header_mutation_extensions": [
            _early([{"remove": KEPT_HEADER}, {"append": copied(OWN_HEADER, KEPT_HEADER)}, *told])
        ],
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": False,
        "preserve_external_request_id": True,
        "skip_xff_append": True,
        "stream_idle_timeout": "0s",
        "proxy_100_continue": True,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "local_reply_config": denial_body(),
        "access_log": [*access_logs(folder, everything=tuning.access_log), *([flow_log(folder)] if tuning.flows else [])],
        **_path_options(tuning),
    }
    if not tuning.idle_timeout:
        manager["common_http_protocol_options"] = {"idle_timeout": "0s"}
    return {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}


def _judging(direction: Direction) -> list[Resource]:
    """The filters of one end's rules. Those of the client's are asked first: the backend's see what they made of the request.

    The first refuses everything where the route configuration does not say what it refuses.
    """
    return [
        {
            "name": rules_filter(direction),
            "typed_config": {"@type": f"{FILTERS}.http.rbac.v3.RBAC", "rules": {"action": "ALLOW"}},
        },
        {
            "name": headers_filter(direction),
            "typed_config": {"@type": f"{FILTERS}.http.filter_chain.v3.FilterChainConfig"},
        },
    ]


def rules_filter(direction: Direction) -> str:
    """The name of the filter that refuses by the rules of a direction."""
    return f"{direction}-rules"


def headers_filter(direction: Direction) -> str:
    """The name of the filter that changes headers by the rules of a direction."""
    return f"{direction}-headers"


def copied(source: str, target: str) -> Resource:
    """A header made of another; none where that is not there."""
    return {"header": {"key": target, "value": f"%REQ({source})%"}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}


def _path_options(tuning: RequestTuning) -> Resource:
    if not tuning.normalize_path:
        return {"normalize_path": False}
    return {"normalize_path": True, "merge_slashes": True, "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"}


def _early(mutations: Sequence[Resource]) -> Resource:
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": list(mutations),
        },
    }
