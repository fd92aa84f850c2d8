"""The table of one node: every forwarded packet judged at its pods' interfaces, in the direction of its connection.

Nothing is accepted for being established. A reply is judged by what its connection's first packet would be
now (``ct original``), so a revocation reaches connections that are open. An ICMP error is let through if its connection was
let through under these very rules, which the connection's mark tells; from a pod, only if the pod is an end of it.
Rules name the line they come from in their comments.

One transaction takes a table away and brings the next. Two things keep a packet in between from meeting neither
(docs/decisions/0081-nftables-reference.md): no set has ranges, which are matched by rules of their own, as the kernel makes
sets of ranges visible after the rules that ask them; and each table's hook comes after that of the table before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model.origin import Origin
from harness.model.topology import Pod
from harness.nft.addresses import EVERYBODY, Addresses, Interval, text
from harness.nft.gates import ICMP, Gate, Gates, Match, Way

TABLE = "inet meshproof"
FAMILIES = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}
MAX_COMMENT = 128  # bytes that the kernel and nft keep
DROPS = "drops"
REMEMBERED = "size 65535; timeout 1h"

_ERRORS = {
    4: ("destination-unreachable", "time-exceeded", "parameter-problem"),
    6: ("destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem"),
}
_PEER = {Way.EGRESS: "daddr", Way.INGRESS: "saddr"}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule drops. ``way`` and ``origin`` are None for what no policy says."""

    code: str
    way: Way | None = None
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """A pod and the name of its interface in the node's namespace."""

    pod: Pod
    ifname: str


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The table as text for ``nft -f -``; ``reasons[n - 1]`` belongs to packet mark ``n`` of what is dropped."""

    text: str
    reasons: tuple[Reason, ...]


SPOOFED, UNTRACKED, STALE = Reason("spoofed_source"), Reason("no_connection"), Reason("stale_icmp_error")
FOREIGN = Reason("foreign_icmp_error")


def render(ports: Sequence[Port], gates: Gates, revision: int, turn: int = 0) -> Ruleset:
    """The rules of a node with these pods. ``revision`` (32 bits, not 0) must differ from those before, ``turn`` be greater."""
    return _Table(ports, gates).finished(revision, turn)


class _Table:
    def __init__(self, ports: Sequence[Port], gates: Gates) -> None:
        self._ports = ports
        self._reasons: dict[Reason, int] = {}
        self._sets: dict[tuple[int, tuple[Interval, ...]], str] = {}
        self._chains: dict[tuple[str, ...], str] = {}
        self._jumps: dict[Way, dict[str, str]] = {way: {} for way in Way}
        self._stray = [self._drop(reason) for reason in (SPOOFED, UNTRACKED, STALE, FOREIGN)]
        for port in ports:
            for way in Way:
                gate = gates.get((port.pod.ref, way))
                if gate is not None and not gate.open:
                    self._jumps[way][port.ifname] = self._chain(gate, way)

    def _chain(self, gate: Gate, way: Way) -> str:
        """The chain of a gate; pods with the same rules share one."""
        lines = [line for deny in gate.denies for line in self._rules(deny, way, denies=True)]
        if gate.isolated_by is not None:
            lines += [line for allow in gate.allows for line in self._rules(allow, way, denies=False)]
            lines.append(self._drop(Reason("default_deny", way, gate.isolated_by)))
        return self._chains.setdefault(tuple(lines), f"pod-{way}-{len(self._chains) + 1}")

    def _rules(self, match: Match, way: Way, *, denies: bool) -> list[str]:
        verdict = self._drop(Reason("policy_deny", way, match.origin)) if denies else f"return {_comment(match.origin)}"
        return [f"{who}{what}{verdict}" for who in self._who(match.peers, way) for what in self._what(match)]

    def _who(self, peers: Addresses, way: Way) -> list[str]:
        if peers == EVERYBODY:
            return [""]
        found = []
        for family, (name, _) in FAMILIES.items():
            intervals = peers.of(family)
            if intervals == EVERYBODY.of(family):
                found.append(f"meta nfproto ipv{family} ")
            else:
                end = f"ct original {name} {_PEER[way]}"
                single = tuple(each for each in intervals if each[0] == each[1])
                if single:
                    addresses = self._sets.setdefault((family, single), f"peers-{len(self._sets) + 1}")
                    found.append(f"{end} @{addresses} ")
                found += [f"{end} {text(each, family)} " for each in intervals if each not in single]
        return found

    @staticmethod
    def _what(match: Match) -> list[str]:
        if match.protocol is None:
            return [""]
        protocol = f"meta l4proto {match.protocol} "
        ports = match.ports or ()
        single = ", ".join(str(first) for first, last in ports if first == last)
        found = [f"{protocol}ct original proto-dst {{ {single} }} "] if single else []
        found += [f"{protocol}ct original proto-dst {first}-{last} " for first, last in ports if first != last]
        return found or [protocol]

    def _drop(self, reason: Reason) -> str:
        mark = self._reasons.setdefault(reason, len(self._reasons) + 1)
        return f"meta mark set {mark} goto dropped {_comment(reason.origin)}".rstrip()

    def finished(self, revision: int, turn: int) -> Ruleset:
        spoofed, untracked, stale, foreign = self._stray
        guarded = sorted({ifname for jumps in self._jumps.values() for ifname in jumps})
        parts = [_set("pods", "ifname", "", [f'"{port.ifname}"' for port in self._ports])]
        parts.append(_set("guarded", "ifname", "", [f'"{ifname}"' for ifname in guarded]))
        for family, (_, kind) in FAMILIES.items():
            own = [f'"{port.ifname}" . {ip}' for port in self._ports for ip in port.pod.ips if (":" in ip) == (family == 6)]
            parts.append(_set(f"own{family}", f"ifname . {kind}", "", own))
            drop = f"{kind} . {kind} . inet_proto . inet_service . mark"
            parts.append(_set(f"{DROPS}{family}", drop, f"flags dynamic, timeout; {REMEMBERED}; ", []))
        for (family, intervals), name in self._sets.items():
            elements = [text(interval, family) for interval in intervals]
            parts.append(_set(name, FAMILIES[family][1], "", elements))
        parts.append(_block("dropped", [*_records(), "counter drop"]))
        parts += [_block(name, lines) for lines, name in self._chains.items()]
        egress, ingress = self._jumps[Way.EGRESS], self._jumps[Way.INGRESS]
        rules = [
            f"type filter hook forward priority {turn}; policy accept;",
            *(f"iifname @pods iifname . {name} saddr != @own{family} {spoofed}" for family, (name, _) in FAMILIES.items()),
            f"ct state invalid,untracked iifname @guarded {untracked}",
            f"ct state invalid,untracked oifname @guarded {untracked}",
            *_foreign(foreign),
            f"ct state related meta l4proto {{ icmp, icmpv6 }} ct mark {revision} accept",
            f"ct state related meta l4proto {{ icmp, icmpv6 }} {stale}",
            *_dispatch("original", "iifname", egress),
            *_dispatch("original", "oifname", ingress),
            *_dispatch("reply", "iifname", ingress),
            *_dispatch("reply", "oifname", egress),
            f"ct mark set {revision}",
        ]
        parts.append(_block("forward", rules))
        return Ruleset(f"table {TABLE} {{\n{''.join(parts)}}}\n", tuple(self._reasons))


def _dispatch(direction: str, interface: str, jumps: dict[str, str]) -> list[str]:
    if not jumps:
        return []
    targets = ", ".join(f'"{ifname}" : jump {chain}' for ifname, chain in jumps.items())
    return [f"ct direction {direction} {interface} vmap {{ {targets} }}"]


def _foreign(drop: str) -> Iterator[str]:
    """Errors from a pod about connections of which it is no end: what its node has not seen is no connection of the pod's."""
    for family, (name, _) in FAMILIES.items():
        ends = (f"iifname . ct original {name} {end} != @own{family}" for end in ("saddr", "daddr"))
        yield f"iifname @pods {ICMP[family]} type {{ {', '.join(_ERRORS[family])} }} ct state invalid,untracked {drop}"
        yield f"iifname @pods ct state related meta l4proto {ICMP[family]} {' '.join(ends)} {drop}"


def _records() -> list[str]:
    """What a dropped packet leaves behind: its connection's ends, protocol, port and the mark. Full sets take no more."""
    found = []
    for family, (name, _) in FAMILIES.items():
        ends = f"ct original {name} saddr . ct original {name} daddr"
        for protocol in ("tcp", "udp", "icmp" if family == 4 else "icmpv6"):
            key = f"{ends} . meta l4proto . ct original proto-dst . meta mark"
            found.append(f"meta l4proto {protocol} update @{DROPS}{family} {{ {key} }}")
        key = f"{name} saddr . {name} daddr . meta l4proto . th dport . meta mark"
        found.append(f"ct state invalid,untracked meta l4proto {{ tcp, udp }} update @{DROPS}{family} {{ {key} }}")
    return found


def _comment(origin: Origin | None) -> str:
    """The end of ``file:line``, as long as may be."""
    if origin is None:
        return ""
    written = str(origin).replace('"', "'").encode()[-MAX_COMMENT + 1 :]
    return f'comment "{written.decode(errors="ignore")}"'


def _set(name: str, kind: str, more: str, elements: Sequence[str]) -> str:
    listed = f"elements = {{ {', '.join(elements)} }}; " if elements else ""
    return f"  set {name} {{ type {kind}; {more}{listed}}}\n"


def _block(name: str, lines: Sequence[str]) -> str:
    return f"  chain {name} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"
