"""The protocols that a sidecar tells apart, and how it knows them.

The rules are Istio's "explicit protocol selection" and its sniffing of everything else:
https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from harness.model.topology import Pod


class Protocol(StrEnum):
    """What travels on a connection, as the application speaks it."""

    HTTP1 = "http1"
    HTTP2 = "http2"
    TCP = "tcp"


PREFIXES = {"http": Protocol.HTTP1, "http2": Protocol.HTTP2, "grpc": Protocol.HTTP2, "tcp": Protocol.TCP}

SNIFFED = {Protocol.HTTP1: ("http/1.0", "http/1.1"), Protocol.HTTP2: ("h2c",)}
"""What Envoy's http_inspector calls what it found; nothing is found for Protocol.TCP."""

ALPN = {Protocol.HTTP1: "istio-http/1.1", Protocol.HTTP2: "istio-h2", Protocol.TCP: "istio"}
"""How one sidecar tells the next inside TLS what travels there; Istio's names."""

ALPN_UPGRADED = "istio-h2-upgraded"
"""HTTP/1.1 of the applications, carried as HTTP/2 between the sidecars."""


def declared_protocols(pods: Iterable[Pod]) -> Mapping[int, Protocol]:
    """Protocol by TCP port, for ports whose name says one (``http``, ``http-admin``, ``grpc-web``, ``tcp``…).

    A port that two pods declare differently is left out, hence sniffed.
    """
    found: dict[int, set[Protocol | None]] = {}
    for pod in pods:
        for port in pod.ports:
            if port.protocol == "TCP":
                found.setdefault(port.port, set()).add(PREFIXES.get(port.name.partition("-")[0]))
    return {port: protocol for port, (protocol, *others) in sorted(found.items()) if protocol and not others}
