"""The listeners of the Envoy of a node: what TPROXY hands over, and one by which is seen what workers have taken up."""

from pathlib import Path

from harness.envoy import filters
from harness.envoy.node_tuning import NodeTuning
from harness.envoy.request_http import FILTERS, Resource, connection_manager
from harness.envoy.request_resources import BACKEND
from harness.envoy.transparent import LOOPBACK, PORT
from harness.envoy.tuning import Tuning

REQUESTS = "requests"
"""The listener of connections to pods."""


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
