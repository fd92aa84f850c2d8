"""How packets of a node's pods reach the node's Envoy: TPROXY, for IPv4 and IPv6.

Whose packets those are is decided before, in the programs on the pods' veths and the wires, which mark them; these rules
only find the socket. A marked packet is routed to the node itself whatever the rules say, so nothing marked is forwarded.
Source: https://docs.kernel.org/networking/tproxy.html
"""

from collections.abc import Iterable, Sequence

PORT, SERVICE_PORT = 15001, 15002
"""Where Envoy takes connections to pods, and to Services and Gateways."""

KAFKA_PORT = 15003
"""Where the node's proxy for Kafka takes connections."""

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
"""Where Envoy listens: no packet of a pod's own making comes there, only what TPROXY hands over."""

HAIRPIN = {4: "169.254.42.1", 6: "fd00:169:254:42::1"}
"""What a pod sees as its client where it is its own: a packet from its own address would be refused by its kernel, and the
answer would never leave it. As in Cilium (``ipv4-service-loopback-address``)."""

TABLE = "inet node_proxy"
ROUTES = 100
"""The routing table that holds one route: everything is here."""


def ruleset(mark: int, outside: Sequence[str] = ()) -> str:
    """For ``nft -f -`` in the node's namespace; ``outside``: its interfaces to hosts that are not part of the cluster.

    What has a socket of Envoy's goes to it, marked or not: errors about its connections, and answers by other ways than the
    programs watch. A new connection goes to the listener; while nobody listens it is dropped, and the client asks again.
    What belongs to no connection of Envoy's was opened before its requests were to be judged: it is reset.
    Connections to Services and Gateways are Envoy's too (``service_sets``); what else comes to their addresses is refused.
    Hosts outside reach those of Gateways alone, and from their own addresses: answers to others would go elsewhere. Connections
    whose requests are Kafka's go to the proxy for these (``kafka_sets``).
    """
    opens = "tcp flags & (fin | syn | rst | ack) == syn"
    new = f"meta mark {mark} {opens}"
    names = ", ".join(f'"{name}"' for name in sorted(outside))
    edge = f"iifname {{ {names} }} jump edge" if names else ""
    return f"""
table {TABLE} {{
  set services4 {{ type ipv4_addr . inet_service; }}
  set services6 {{ type ipv6_addr . inet_service; }}
  set addresses4 {{ type ipv4_addr; }}
  set addresses6 {{ type ipv6_addr; }}
  set public4 {{ type ipv4_addr; }}
  set public6 {{ type ipv6_addr; }}
  set own4 {{ type ipv4_addr . ipv4_addr; }}
  set own6 {{ type ipv6_addr . ipv6_addr; }}
  set kafka_from4 {{ type ipv4_addr . inet_service; flags interval; }}
  set kafka_from6 {{ type ipv6_addr . inet_service; flags interval; }}
  set kafka_to4 {{ type ipv4_addr . inet_service; flags interval; }}
  set kafka_to6 {{ type ipv6_addr . inet_service; flags interval; }}
  chain postrouting {{
    type filter hook postrouting priority mangle; policy accept;
    ip saddr . ip daddr @own4 ip saddr set {HAIRPIN[4]}
    ip6 saddr . ip6 daddr @own6 ip6 saddr set {HAIRPIN[6]}
  }}
  chain prerouting {{
    type filter hook prerouting priority mangle; policy accept;
    ip daddr {HAIRPIN[4]} ip saddr . ip saddr @own4 ip daddr set ip saddr
    ip6 daddr {HAIRPIN[6]} ip6 saddr . ip6 saddr @own6 ip6 daddr set ip6 saddr
    {edge}
    socket transparent 1 meta mark set {mark} accept
    {opens} ip daddr . tcp dport @services4 meta mark set {mark} tproxy ip to {LOOPBACK[4]}:{SERVICE_PORT} accept
    {opens} ip6 daddr . tcp dport @services6 meta mark set {mark} tproxy ip6 to [{LOOPBACK[6]}]:{SERVICE_PORT} accept
    {opens} ip daddr . tcp dport @services4 drop
    {opens} ip6 daddr . tcp dport @services6 drop
    ip daddr @addresses4 meta l4proto tcp reject with tcp reset
    ip6 daddr @addresses6 meta l4proto tcp reject with tcp reset
    ip daddr @addresses4 reject
    ip6 daddr @addresses6 reject
    {new} ip saddr . tcp dport @kafka_from4 goto kafka
    {new} ip daddr . tcp dport @kafka_to4 goto kafka
    {new} ip6 saddr . tcp dport @kafka_from6 goto kafka
    {new} ip6 daddr . tcp dport @kafka_to6 goto kafka
    {new} meta nfproto ipv4 tproxy ip to {LOOPBACK[4]}:{PORT} accept
    {new} meta nfproto ipv6 tproxy ip6 to [{LOOPBACK[6]}]:{PORT} accept
    {new} drop
    meta mark {mark} meta l4proto tcp reject with tcp reset
    meta mark {mark} drop
  }}
  chain edge {{
    fib saddr . iif oif missing drop
    ip daddr @addresses4 ip daddr != @public4 drop
    ip6 daddr @addresses6 ip6 daddr != @public6 drop
  }}
  chain kafka {{
    meta nfproto ipv4 meta l4proto tcp tproxy ip to {LOOPBACK[4]}:{KAFKA_PORT} accept
    meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [{LOOPBACK[6]}]:{KAFKA_PORT} accept
    drop
  }}
}}
"""


def service_sets(services: Iterable[tuple[str, int]], pods: Iterable[str], public: Iterable[str] = ()) -> str:
    """For ``nft -f -``: which addresses and ports are Services' or Gateways', and which addresses the node's pods have.

    ``public`` are the addresses that hosts outside may ask, too.
    """
    fronts = sorted(set(services))
    addresses = sorted({address for address, _ in fronts})
    lines = [f"flush set {TABLE} {kind}{family}" for kind in ("services", "addresses", "public", "own") for family in (4, 6)]
    lines += [f"add element {TABLE} services{_family(address)} {{ {address} . {port} }}" for address, port in fronts]
    lines += [f"add element {TABLE} addresses{_family(address)} {{ {address} }}" for address in addresses]
    lines += [f"add element {TABLE} public{_family(address)} {{ {address} }}" for address in sorted(set(public))]
    if fronts:
        lines += [f"add element {TABLE} own{_family(pod)} {{ {pod} . {pod} }}" for pod in sorted(set(pods))]
    return "\n".join(lines) + "\n"


def kafka_sets(clients: Iterable[tuple[str, int, int]], brokers: Iterable[tuple[str, int, int]]) -> str:
    """For ``nft -f -``: of which pods the requests to some ports (first, last) are Kafka's, as clients and as brokers."""
    lines = [f"flush set {TABLE} kafka_{way}{family}" for way in ("from", "to") for family in (4, 6)]
    for way, places in (("from", clients), ("to", brokers)):
        for address, first, last in sorted(set(places)):
            lines.append(f"add element {TABLE} kafka_{way}{_family(address)} {{ {address} . {first}-{last} }}")
    return "\n".join(lines) + "\n"


def _family(address: str) -> int:
    return 6 if ":" in address else 4


def attach_script(mark: int) -> str:
    """For a shell in the node's namespace, with the ruleset as its standard input."""
    return " && ".join([*routing("add", mark), "exec nft -f -"])


def detach_script(mark: int) -> str:
    """Takes all of it away; what is not there is passed over."""
    return "; ".join([f"nft delete table {TABLE}", *routing("del", mark)])


def routing(verb: str, mark: int) -> list[str]:
    """Commands of ip(8) that ``add`` or ``del`` what routes marked packets to the node itself."""
    return [
        command
        for family, everything in ((4, "0.0.0.0/0"), (6, "::/0"))
        for command in (
            f"ip -{family} route {verb} local {everything} dev lo table {ROUTES}",
            f"ip -{family} rule {verb} fwmark {mark} lookup {ROUTES}",
        )
    ]
