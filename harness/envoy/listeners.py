"""The two listeners of a sidecar: what leaves its pod (15001) and what arrives (15006), on IPv4 and IPv6."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from harness.envoy import clusters, filters, tls
from harness.envoy.chain_choice import Predicate, choice
from harness.envoy.protocol import ALPN, ALPN_UPGRADED, SNIFFED, Protocol
from harness.envoy.redirect import INBOUND_PORT, OUTBOUND_PORT
from harness.envoy.tuning import Tuning

LISTENER_FILTERS = "type.googleapis.com/envoy.extensions.filters.listener"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What the listeners of one pod's sidecar depend on, besides its policy.

    ``inbound_ports`` and ``outbound_ports`` are declared protocols by port; ``mesh_addresses`` are those of pods
    with a sidecar of their own. ``credentials`` are the certificates for mTLS, None for plaintext.
    """

    tuning: Tuning
    inbound_ports: Mapping[int, Protocol] = field(default_factory=dict)
    outbound_ports: Mapping[int, Protocol] = field(default_factory=dict)
    mesh_addresses: tuple[str, ...] = ()
    credentials: tls.Credentials | None = None


Filter = dict[str, Any]


def _listener(direction: str, port: int, chains: list[dict[str, Any]], tuning: Tuning, **more: object) -> dict[str, Any]:
    listener: dict[str, Any] = {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": direction,
        "traffic_direction": direction.upper(),
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},  # noqa: S104 - inside a pod
        "additional_addresses": [{"address": {"socket_address": {"address": "::", "port_value": port}}}],
        "listener_filters_timeout": "0s",
        "filter_chains": chains,
        **more,
    }
    if tuning.exact_balance:
        listener["connection_balance_config"] = {"exact_balance": {}}
    if tuning.buffer_bytes is not None:
        listener["per_connection_buffer_limit_bytes"] = tuning.buffer_bytes
    return listener


def _listener_filter(name: str, kind: str, skipped_ports: Iterable[int] = ()) -> dict[str, Any]:
    """A listener filter that is not run for connections to ``skipped_ports``."""
    described: dict[str, Any] = {
        "name": f"envoy.filters.listener.{name}",
        "typed_config": {"@type": f"{LISTENER_FILTERS}.{name}.v3.{kind}"},
    }
    rules = [{"destination_port_range": {"start": port, "end": port + 1}} for port in skipped_ports]
    if rules:
        described["filter_disabled"] = {"or_match": {"rules": rules}} if len(rules) > 1 else rules[0]
    return described


def _black_hole(port: int, tuning: Tuning) -> dict[str, Any]:
    proxy = filters.tcp_proxy("black-hole", clusters.BLACK_HOLE, tuning, client_first=False)
    return {"name": "black-hole", "filter_chain_match": {"destination_port": port}, "filters": [proxy]}


def _proxy(direction: str, protocol: Protocol, cluster: str, tuning: Tuning, *, declared: bool, codec: str = "AUTO") -> Filter:
    if protocol is Protocol.TCP:
        return filters.tcp_proxy(direction, cluster, tuning, client_first=not declared)
    return filters.http_connection_manager(direction, cluster, tuning, codec)


def _plain_chains(
    direction: str,
    ports: Mapping[int, Protocol],
    names: Mapping[Protocol, str],
    policy: Sequence[Filter],
    tuning: Tuning,
    match: dict[str, Any] | None = None,
    title: str = "",
) -> list[dict[str, Any]]:
    """Chains for connections that arrive without TLS of ours: declared ports first, then what is sniffed, then TCP."""
    base = match or {}
    chains = []
    for port, protocol in ports.items():
        proxy = _proxy(direction, protocol, names[protocol], tuning, declared=True)
        found = {**base, "destination_port": port}
        chains.append({"name": f"{title}{protocol}-{port}", "filter_chain_match": found, "filters": [*policy, proxy]})
    for protocol, sniffed in SNIFFED.items():
        proxy = _proxy(direction, protocol, names[protocol], tuning, declared=False)
        found = {**base, "application_protocols": list(sniffed)}
        chains.append({"name": f"{title}{protocol}", "filter_chain_match": found, "filters": [*policy, proxy]})
    tcp = _proxy(direction, Protocol.TCP, names[Protocol.TCP], tuning, declared=False)
    chains.append({"name": f"{title}tcp", "filter_chain_match": base, "filters": [*policy, tcp]})
    return chains


@dataclass(frozen=True, slots=True)
class Judging:
    """What judges requests in a listener: ``chains`` of its own, and when they are chosen (``choices``, asked in order)."""

    chains: tuple[dict[str, Any], ...] = ()
    choices: tuple[tuple[Predicate, str], ...] = ()


NOTHING_JUDGED = Judging()


def _chosen(judging: Judging, chains: list[dict[str, Any]]) -> dict[str, Any]:
    """The fields of a listener by which a connection finds its chain, where that is not left to the chains' own matches."""
    return {"filter_chain_matcher": choice(judging.choices, chains)} if judging.chains else {}


def outbound(sidecar: Sidecar, policy: Sequence[Filter] = (), judging: Judging = NOTHING_JUDGED) -> dict[str, Any]:
    """Takes what the pod sends, applies ``policy`` (filters of the pod's egress), passes it on.

    With mTLS what goes to ``mesh_addresses`` is encrypted, all else is passed through as it is. What was meant for an address
    that has a listener of its own (a Service's) is handed over to that, as Istio does it.
    """
    tuning, ports = sidecar.tuning, sidecar.outbound_ports
    passthrough = {protocol: clusters.outbound_name(protocol, encrypted=False) for protocol in Protocol}
    chains = [_black_hole(OUTBOUND_PORT, tuning), *_plain_chains("outbound", ports, passthrough, policy, tuning)]
    if sidecar.credentials is not None and sidecar.mesh_addresses:
        mesh = {protocol: clusters.outbound_name(protocol, encrypted=True) for protocol in Protocol}
        prefixes = [tls.host_prefix(address) for address in sidecar.mesh_addresses]
        match = {"prefix_ranges": prefixes}
        chains += _plain_chains("outbound", ports, mesh, policy, tuning, match, "mesh-")
    sniffers = [_listener_filter("original_dst", "OriginalDst"), _listener_filter("http_inspector", "HttpInspector", ports)]
    own, more = [*chains, *judging.chains], _chosen(judging, chains)
    return _listener("outbound", OUTBOUND_PORT, own, tuning, listener_filters=sniffers, use_original_dst=True, **more)


def inbound(sidecar: Sidecar, policy: Sequence[Filter] = (), judging: Judging = NOTHING_JUDGED) -> dict[str, Any]:
    """Takes what arrives at the pod, applies ``policy`` (filters of the pod's ingress), hands it to the pod's server.

    With mTLS only TLS with a certificate of the mesh is taken (STRICT): no chain matches anything else.
    """
    tuning, ports = sidecar.tuning, sidecar.inbound_ports
    names = {protocol: clusters.inbound_name(protocol) for protocol in Protocol}
    chains = [_black_hole(INBOUND_PORT, tuning)]
    if sidecar.credentials is None:
        chains += _plain_chains("inbound", ports, names, policy, tuning)
        second = _listener_filter("http_inspector", "HttpInspector", ports)
    else:
        chains += _tls_chains(sidecar, sidecar.credentials, policy)
        second = _listener_filter("tls_inspector", "TlsInspector")
    own, more = [*chains, *judging.chains], _chosen(judging, chains)
    sniffers = [_listener_filter("original_dst", "OriginalDst"), second]
    return _listener("inbound", INBOUND_PORT, own, tuning, listener_filters=sniffers, **more)


def _tls_chains(sidecar: Sidecar, credentials: tls.Credentials, policy: Sequence[Filter]) -> list[dict[str, Any]]:
    kinds = [
        (ALPN[Protocol.HTTP1], Protocol.HTTP1, "HTTP1"),
        (ALPN[Protocol.HTTP2], Protocol.HTTP2, "HTTP2"),
        (ALPN_UPGRADED, Protocol.HTTP1, "HTTP2"),
        (ALPN[Protocol.TCP], Protocol.TCP, ""),
    ]
    # Ports that are declared TCP have chains of their own, as only there a server may speak first.
    ports = [None, *(port for port, protocol in sidecar.inbound_ports.items() if protocol is Protocol.TCP)]
    chains = []
    for port, (alpn, protocol, codec) in product(ports, kinds):
        cluster = clusters.inbound_name(protocol)
        proxy = _proxy("inbound", protocol, cluster, sidecar.tuning, declared=port is not None, codec=codec)
        match: dict[str, Any] = {"transport_protocol": "tls", "application_protocols": [alpn]}
        if port is not None:
            match["destination_port"] = port
        chains.append(
            {
                "name": alpn if port is None else f"{alpn}-{port}",
                "filter_chain_match": match,
                "transport_socket": tls.downstream(credentials, alpn),
                "filters": [*policy, proxy],
            }
        )
    return chains
