"""Where an Envoy sends connections that it took in: always to the address that the client meant (ORIGINAL_DST)."""

from typing import Any

from harness.envoy.protocol import Protocol
from harness.envoy.redirect import INBOUND_SOURCE
from harness.envoy.tuning import EnvoyTuning, Tuning

BLACK_HOLE = "black-hole"
UNBOUNDED = 2**32 - 1
"""As Istio: a sidecar's clusters have no circuit breaker unless the user asks for one."""

FROM_INBOUND_SOURCE: dict[str, Any] = {
    "upstream_bind_config": {
        "source_address": {"address": INBOUND_SOURCE[4], "port_value": 0},
        "extra_source_addresses": [{"address": {"address": INBOUND_SOURCE[6], "port_value": 0}}],
    }
}
"""Fields of a cluster that leads to the sidecar's own pod: from the address that redirection leaves alone."""

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def original_destination(name: str, wire: Protocol, tuning: EnvoyTuning, *, follows: bool = False) -> dict[str, Any]:
    """A cluster that leads to where the client meant to go; ``wire`` is what is spoken there.

    With ``follows`` it is HTTP/1.1 or HTTP/2, as the client has it: a port called ``http`` may serve gRPC as well.
    """
    cluster: dict[str, Any] = {
        "name": name,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "10s",
        "circuit_breakers": {
            "thresholds": [dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), UNBOUNDED)]
        },
    }
    if tuning.buffer_bytes is not None:
        cluster["per_connection_buffer_limit_bytes"] = tuning.buffer_bytes
    if wire is not Protocol.TCP:
        option = "http_protocol_options" if wire is Protocol.HTTP1 else "http2_protocol_options"
        spoken: dict[str, Any] = {"explicit_http_config": {option: {}}}
        if follows and wire is Protocol.HTTP1:
            spoken = {"use_downstream_protocol_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}
        cluster["typed_extension_protocol_options"] = {HTTP_OPTIONS: {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", **spoken}}
    return cluster


def inbound_name(protocol: Protocol) -> str:
    """The cluster that leads to the sidecar's own pod."""
    return f"inbound-{protocol}"


def outbound_name(protocol: Protocol, *, encrypted: bool) -> str:
    """The cluster that leads to other pods, through their sidecars' TLS or as the application wrote it."""
    return f"{'mesh' if encrypted else 'passthrough'}-{protocol}"


def inbound_cluster(protocol: Protocol, tuning: Tuning, *, encrypted: bool = False) -> dict[str, Any]:
    """To the sidecar's own pod, from the address that redirection leaves alone. ``encrypted``: what arrives is TLS."""
    cluster = original_destination(inbound_name(protocol), protocol, tuning, follows=not encrypted)
    return {**cluster, **FROM_INBOUND_SOURCE}


def outbound_cluster(protocol: Protocol, tuning: Tuning, transport: dict[str, Any] | None = None) -> dict[str, Any]:
    """To other pods; ``transport`` is the TLS transport socket, None for plaintext."""
    upgraded = transport is not None and tuning.mtls_http2 and protocol is Protocol.HTTP1
    wire = Protocol.HTTP2 if upgraded else protocol
    encrypted = transport is not None
    cluster = original_destination(outbound_name(protocol, encrypted=encrypted), wire, tuning, follows=not encrypted)
    if transport is not None:
        cluster["transport_socket"] = transport
    return cluster


def black_hole() -> dict[str, Any]:
    """Leads nowhere: for connections to the sidecar's own ports, which would otherwise loop for ever."""
    return {"name": BLACK_HOLE, "type": "STATIC", "connect_timeout": "1s"}
