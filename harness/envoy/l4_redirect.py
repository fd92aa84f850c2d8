"""How TCP of a node's pods reaches the node's Envoy: TPROXY for all of it, by nftables in the node's namespace.

What comes from a pod goes to the listener for outbound connections, what comes for one over a wire to that for inbound ones;
both find the addresses that were meant. Pods cannot touch these rules: they are the node's.
Source: https://docs.kernel.org/networking/tproxy.html
"""

from collections.abc import Iterable, Iterator, Sequence

from harness.envoy.redirect import INBOUND_PORT, OUTBOUND_PORT
from harness.envoy.transparent import LOOPBACK, routing

MARK = 0x149
"""Of packets that are for a socket of Envoy's, whatever their address."""

TABLE = "inet node_l4"
SPOOFED, STRAY = "spoofed", "stray"
"""Sets of flows: those of which packets were dropped, as their source was not the sending pod's; and those reset, as they
belonged to no connection."""

_FLOW = {4: "ip saddr . ip daddr . tcp dport", 6: "ip6 saddr . ip6 daddr . tcp dport"}
_WORD = {4: "ip", 6: "ip6"}
_MASKED = "tcp flags & (fin | syn | rst | ack)"
"""Is ``syn`` of a packet that opens a connection."""


def ruleset(wires: Iterable[str]) -> str:
    """For ``nft -f -`` in the namespace of a node with these interfaces to other nodes; ``members`` then names its pods.

    A packet that opens a connection is not looked up among Envoy's sockets, as only TPROXY lets it take the ports of one that
    has ended. While nobody listens it is dropped, and the client asks again. What belongs to no connection of Envoy's is
    reset: it was opened before the rules were there, or Envoy has ended it. Errors about Envoy's connections go to Envoy.
    Between a pod and the addresses of its own node everything passes, as Kubernetes has it. So does all that is not TCP.
    """
    names = ", ".join(f'"{name}"' for name in sorted(wires))
    from_wires = f"iifname {{ {names} }} goto from_wire" if names else ""
    foreign = [f"{_WORD[family]} daddr != @pods{family} accept" for family in (4, 6)]
    return f"""
table {TABLE} {{{"".join(_sets(family) for family in (4, 6))}
  chain prerouting {{
    type filter hook prerouting priority mangle; policy accept;
    iifname "lo" accept
    {from_wires}
    goto from_pod
  }}{_chain("from_pod", [*_own(), *_taken(OUTBOUND_PORT, ["fib daddr type local accept"])])}{
        _chain("from_wire", _taken(INBOUND_PORT, foreign))
    }
}}
"""


def _chain(name: str, rules: Iterable[str]) -> str:
    lines = "".join(f"\n    {rule}" for rule in rules)
    return f"\n  chain {name} {{{lines}\n  }}"


def _sets(family: int) -> str:
    flow = f"type ipv{family}_addr . ipv{family}_addr . inet_service; flags dynamic; size 65535; timeout 1h;"
    return f"""
  set own{family} {{ type ipv{family}_addr . ifname; }}
  set pods{family} {{ type ipv{family}_addr; }}
  set {SPOOFED}{family} {{ {flow} }}
  set {STRAY}{family} {{ {flow} }}"""


def _own() -> Iterator[str]:
    """A pod's TCP has the pod's address. What cannot be remembered, as a set is full, is dropped all the same."""
    for family in (4, 6):
        foreign = f"meta l4proto tcp {_WORD[family]} saddr . iifname != @own{family}"
        yield f"{foreign} update @{SPOOFED}{family} {{ {_FLOW[family]} }}"
        yield f"{foreign} drop"


def _taken(port: int, spared: Sequence[str]) -> Iterator[str]:
    """The end of a chain: TCP is Envoy's but for what ``spared`` accepts, new connections by its listener on ``port``."""
    yield f"{_MASKED} != syn socket transparent 1 meta mark set {MARK} accept"
    yield f"meta l4proto {{ icmp, icmpv6 }} socket transparent 1 meta mark set {MARK} accept"
    yield "meta l4proto != tcp accept"
    yield from spared
    for family in (4, 6):
        to = f"tproxy {_WORD[family]} to {_socket(family, port)}"
        yield f"{_MASKED} == syn meta nfproto ipv{family} {to} meta mark set {MARK} accept"
    yield f"{_MASKED} == syn drop"
    for family in (4, 6):
        yield f"tcp flags & (fin | rst) == 0x0 update @{STRAY}{family} {{ {_FLOW[family]} }}"
    yield "reject with tcp reset"


def _socket(family: int, port: int) -> str:
    return f"{LOOPBACK[family]}:{port}" if family == 4 else f"[{LOOPBACK[family]}]:{port}"


def members(pods: Iterable[tuple[str, str]]) -> str:
    """For ``nft -f -``: the node's pods, as addresses each with the name of its interface. Replaces who was named before."""
    named = sorted(set(pods))
    lines = [f"flush set {TABLE} {kind}{family}" for kind in ("own", "pods") for family in (4, 6)]
    for address, interface in named:
        family = 6 if ":" in address else 4
        lines.append(f'add element {TABLE} own{family} {{ {address} . "{interface}" }}')
        lines.append(f"add element {TABLE} pods{family} {{ {address} }}")
    return "\n".join(lines) + "\n"


FORGET = "".join(f"flush set {TABLE} {kind}{family}\n" for kind in (SPOOFED, STRAY) for family in (4, 6))
"""For ``nft -f -``: looks no more at what was dropped and reset until now."""


def question(kind: str, source: str, destination: str, port: int) -> list[str]:
    """The command that ends with status 0 where a packet of that flow is known as SPOOFED or STRAY."""
    family = 6 if ":" in source else 4
    element = f"{{ {source} . {destination} . {port} }}"
    return ["nft", "get", "element", *TABLE.split(), f"{kind}{family}", element]


def attach_script() -> str:
    """For a shell in the node's namespace, with the ruleset as its standard input."""
    return " && ".join([*routing("add", MARK), "exec nft -f -"])


def detach_script() -> str:
    """Takes all of it away; what is not there is passed over."""
    return "; ".join([f"nft delete table {TABLE}", *routing("del", MARK)])
