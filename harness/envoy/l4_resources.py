"""What a node's Envoy for TCP is told over xDS: two listeners, and a cluster for each identity of its pods.

*Outbound* takes what the node's pods open. To pods of other nodes it opens TLS in the client's name and with the client's
certificate, to the address that was meant; to pods of its own node and to everybody else it passes bytes on as they are.
*Inbound* takes what comes for the node's pods from other nodes, which must be such TLS. Every connection that either opens
has the client's own address, so no header has to carry who asks whom.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from pathlib import Path
from typing import Any

from harness.envoy import clusters, filters, tls
from harness.envoy.evidence import denial_log
from harness.envoy.l4_policy import Filters, PodFilters, arriving_locally
from harness.envoy.l4_tuning import L4Tuning
from harness.envoy.protocol import Protocol, declared_protocols
from harness.envoy.redirect import INBOUND_PORT, OUTBOUND_PORT
from harness.envoy.transparent import LOOPBACK
from harness.model.topology import Pod

Resource = dict[str, Any]

OUTBOUND, INBOUND, PLAIN = "outbound", "inbound", "plain"
ALPN = "node-l4"
"""What one Envoy tells the next is inside TLS: the bytes of the client's connection. Not Istio's HBONE, which is HTTP/2."""

ACCEPTED_MARK = 0x14A
"""Of the sockets of connections that Envoy accepted, by which they are told from those that it opened."""

NETWORK_FILTERS = "type.googleapis.com/envoy.extensions.filters.network"
LISTENER_FILTERS = "type.googleapis.com/envoy.extensions.filters.listener"
_SOL_SOCKET, _SO_MARK = 1, 36


@dataclass(frozen=True, slots=True)
class LocalPod:
    """A pod of the node: its certificate, and what policies say of it."""

    pod: Pod
    credentials: tls.Credentials
    filters: PodFilters


@dataclass(frozen=True, slots=True)
class NodeView:
    """What the Envoy of a node has to know.

    ``remote``: the addresses of the pods of all other nodes. ``declared``: ports that are TCP by their name, where a server
    may speak first whatever policies say, and therefore is connected to before its client is judged.
    """

    pods: tuple[LocalPod, ...]
    remote: tuple[str, ...]
    declared: tuple[int, ...] = ()


def described(view: NodeView, tuning: L4Tuning, folder: Path) -> tuple[list[Resource], list[Resource]]:
    """Clusters and listeners. Denials are written to a file in ``folder``."""
    led = [_cluster(clusters.original_destination(PLAIN, Protocol.TCP, tuning))]
    for each in view.pods:
        cluster = clusters.original_destination(_mesh(each.pod), Protocol.TCP, tuning)
        led.append(_cluster({**cluster, "transport_socket": tls.upstream(each.credentials, ALPN)}))
    return led, [
        _listener(OUTBOUND, OUTBOUND_PORT, _outbound(view, tuning), tuning, folder),
        _listener(INBOUND, INBOUND_PORT, _inbound(view, tuning), tuning, folder),
    ]


def declared_ports(pods: Iterable[Pod], tuning: L4Tuning) -> tuple[int, ...]:
    """For ``NodeView.declared``: the ports of a cluster of ``pods``."""
    declared = declared_protocols(pods) if tuning.trust_port_names else {}
    return tuple(port for port, protocol in declared.items() if protocol is Protocol.TCP)


def _mesh(pod: Pod) -> str:
    return f"mesh {pod.ref}"


def _cluster(described: Resource) -> Resource:
    return {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", **described}


def _listener(name: str, port: int, chains: list[Resource], tuning: L4Tuning, folder: Path) -> Resource:
    addresses = [{"socket_address": {"address": LOOPBACK[family], "port_value": port}} for family in (4, 6)]
    listener: Resource = {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": name,
        "traffic_direction": name.upper(),
        "transparent": True,
        "address": addresses[0],
        "additional_addresses": [{"address": addresses[1]}],
        "socket_options": [
            {"level": _SOL_SOCKET, "name": _SO_MARK, "int_value": ACCEPTED_MARK, "state": "STATE_PREBIND"},
        ],
        "listener_filters": [_listener_filter("original_dst", "OriginalDst"), _listener_filter("original_src", "OriginalSrc")],
        "filter_chains": chains or [_nobody()],
        "access_log": [denial_log(name, folder)],
    }
    if tuning.exact_balance:
        listener["connection_balance_config"] = {"exact_balance": {}}
    if tuning.buffer_bytes is not None:
        listener["per_connection_buffer_limit_bytes"] = tuning.buffer_bytes
    return listener


def _nobody() -> Resource:
    """Ends every connection: for a node without pods, as a listener must have a chain."""
    closing = {"name": "close", "typed_config": {"@type": f"{NETWORK_FILTERS}.direct_response.v3.Config"}}
    return {"name": "nobody", "filters": [closing]}


def _listener_filter(name: str, kind: str) -> Resource:
    return {"name": f"envoy.filters.listener.{name}", "typed_config": {"@type": f"{LISTENER_FILTERS}.{name}.v3.{kind}"}}


def _outbound(view: NodeView, tuning: L4Tuning) -> list[Resource]:
    """For each of the node's pods a chain to each kind of destination; one for several that fare alike.

    Envoy chooses by port, then by destination, then by source, and never goes back: so each kind has a chain for every pod,
    and a source that is no pod's has none anywhere, which ends its connection.
    RBAC judges at the first byte. So where there is something to judge, the next connection waits for that; elsewhere it is
    opened at once, and a server may speak first.
    """
    arriving = arriving_locally([(each.pod, each.filters) for each in view.pods])
    local = _prefixes(address for each in view.pods for address in each.pod.ips)
    alike, alone = _alike(view.pods), [[each] for each in view.pods]
    kinds: list[tuple[str, list[Resource], Filters, list[list[LocalPod]]]] = [
        ("local", local, arriving, alike),
        ("mesh", _prefixes(view.remote), (), alone),
        ("world", [], (), alike),
    ]
    chains = []
    for port in (None, *view.declared):
        for kind, destinations, judged, groups in kinds:
            if kind != "world" and not destinations:
                continue
            for group in groups:
                policy = [*group[0].filters.egress, *judged]
                waits = bool(policy) and port is None
                cluster = _mesh(group[0].pod) if kind == "mesh" else PLAIN
                match: Resource = {"source_prefix_ranges": _prefixes(ip for each in group for ip in each.pod.ips)}
                match |= {"prefix_ranges": destinations} if destinations else {}
                proxy = filters.tcp_proxy(OUTBOUND, cluster, tuning, client_first=waits)
                chain = {"filter_chain_match": match, "filters": [*policy, proxy]}
                chains.append(_named(f"{group[0].pod.ref} to {kind}", port, chain))
    return chains


def _alike(pods: Iterable[LocalPod]) -> list[list[LocalPod]]:
    """Pods by what judges their egress."""
    groups: list[list[LocalPod]] = []
    for each in pods:
        for group in groups:
            if group[0].filters.egress == each.filters.egress:
                group.append(each)
                break
        else:
            groups.append([each])
    return groups


def _inbound(view: NodeView, tuning: L4Tuning) -> list[Resource]:
    chains = []
    for port in (None, *view.declared):
        for each in view.pods:
            waits = bool(each.filters.ingress) and port is None
            proxy = filters.tcp_proxy(INBOUND, PLAIN, tuning, client_first=waits)
            if not waits:
                proxy["typed_config"] |= {"upstream_connect_mode": "ON_DOWNSTREAM_TLS_HANDSHAKE", "max_early_data_bytes": 0}
            chain = {
                "filter_chain_match": {"prefix_ranges": _prefixes(each.pod.ips)},
                "transport_socket": tls.downstream(each.credentials, ALPN),
                "filters": [*each.filters.ingress, proxy],
            }
            chains.append(_named(f"to {each.pod.ref}", port, chain))
    return chains


def _named(name: str, port: int | None, chain: Resource) -> Resource:
    if port is None:
        return {"name": name, **chain}
    return {"name": f"{name}:{port}", **chain, "filter_chain_match": {**chain["filter_chain_match"], "destination_port": port}}


def _prefixes(addresses: Iterable[str]) -> list[Resource]:
    """The least list of CIDRs that holds exactly ``addresses``."""
    hosts = [ip_network(address) for address in addresses]
    fours = collapse_addresses(each for each in hosts if isinstance(each, IPv4Network))
    sixes = collapse_addresses(each for each in hosts if isinstance(each, IPv6Network))
    networks: list[IPv4Network | IPv6Network] = [*fours, *sixes]
    return [{"address_prefix": str(each.network_address), "prefix_len": each.prefixlen} for each in networks]
