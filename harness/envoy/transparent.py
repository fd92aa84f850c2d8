"""How packets of a node's pods reach the node's Envoy: TPROXY, for IPv4 and IPv6.

Whose packets those are is decided before, in the programs on the pods' veths and the wires, which mark them; these rules
only find the socket. A marked packet is routed to the node itself whatever the rules say, so nothing marked is forwarded.
Source: https://docs.kernel.org/networking/tproxy.html
"""

PORT = 15001
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
"""Where Envoy listens: no packet of a pod's own making comes there, only what TPROXY hands over."""

TABLE = "inet node_proxy"
ROUTES = 100
"""The routing table that holds one route: everything is here."""


def ruleset(mark: int) -> str:
    """For ``nft -f -`` in the node's namespace.

    What has a socket of Envoy's goes to it, marked or not: errors about its connections, and answers by other ways than the
    programs watch. A new connection goes to the listener; while nobody listens it is dropped, and the client asks again.
    What belongs to no connection of Envoy's was opened before its requests were to be judged: it is reset.
    """
    new = f"meta mark {mark} tcp flags & (fin | syn | rst | ack) == syn"
    return f"""
table {TABLE} {{
  chain prerouting {{
    type filter hook prerouting priority mangle; policy accept;
    socket transparent 1 meta mark set {mark} accept
    {new} meta nfproto ipv4 tproxy ip to {LOOPBACK[4]}:{PORT} accept
    {new} meta nfproto ipv6 tproxy ip6 to [{LOOPBACK[6]}]:{PORT} accept
    {new} drop
    meta mark {mark} meta l4proto tcp reject with tcp reset
    meta mark {mark} drop
  }}
}}
"""


def attach_script(mark: int) -> str:
    """For a shell in the node's namespace, with the ruleset as its standard input."""
    return " && ".join([*_routing("add", mark), "exec nft -f -"])


def detach_script(mark: int) -> str:
    """Takes all of it away; what is not there is passed over."""
    return "; ".join([f"nft delete table {TABLE}", *_routing("del", mark)])


def _routing(verb: str, mark: int) -> list[str]:
    return [
        command
        for family, everything in ((4, "0.0.0.0/0"), (6, "::/0"))
        for command in (
            f"ip -{family} route {verb} local {everything} dev lo table {ROUTES}",
            f"ip -{family} rule {verb} fwmark {mark} lookup {ROUTES}",
        )
    ]
