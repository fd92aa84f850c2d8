"""What traffic a rule of Cilium's speaks of: ports and ICMP types."""

from collections.abc import Iterator

from harness.model.cilium import CiliumPort, CiliumRule, ICMPField
from harness.model.topology import Pod
from harness.nft.addresses import Addresses
from harness.nft.cluster import Cluster
from harness.nft.errors import PolicyError
from harness.nft.gates import ICMP, Match, Way
from harness.nft.ports import last_port, named, protocol_name

_MAX_TYPE = 255
_TYPES: dict[int, dict[str, int]] = {
    4: {
        "EchoReply": 0, "DestinationUnreachable": 3, "Redirect": 5, "Echo": 8, "EchoRequest": 8, "RouterAdvertisement": 9,
        "RouterSelection": 10, "TimeExceeded": 11, "ParameterProblem": 12, "Timestamp": 13, "TimestampReply": 14,
    },
    6: {
        "DestinationUnreachable": 1, "PacketTooBig": 2, "TimeExceeded": 3, "ParameterProblem": 4, "EchoRequest": 128,
        "EchoReply": 129,
    },
}  # fmt: skip
"""Numbers of https://www.iana.org/assignments/icmp-parameters/ and https://www.iana.org/assignments/icmpv6-parameters/."""


def refuse_unsupported(rule: CiliumRule) -> None:
    """Raises PolicyError for rules of L7, and for what Cilium itself refuses."""
    if rule.ports and rule.icmps:
        raise PolicyError(rule.origin, "combining toPorts and icmps is not supported by Cilium; write two rules")
    for entry in rule.ports or ():
        if entry.rules is not None:
            kind = "rules.kafka" if entry.rules.kafka is not None else "rules.http"
            raise PolicyError(entry.rules.origin, f"{kind}: nftables judges packets, not requests; leave it out")


def matches(rule: CiliumRule, peers: Addresses, pod: Pod, way: Way, cluster: Cluster) -> Iterator[Match]:
    """What ``rule`` speaks of at ``pod``, with these peers. Raises PolicyError."""
    if not rule.ports and not rule.icmps:
        yield Match(rule.origin, peers)
    for field in (field for fields in rule.icmps or () for field in fields):
        yield _icmp(rule, field, peers)
    for entry in rule.ports or ():
        if not entry.ports:
            yield Match(rule.origin, peers)
        for port in entry.ports or ():
            yield from _port(rule, port, peers, pod, way, cluster)


def _port(rule: CiliumRule, port: CiliumPort, peers: Addresses, pod: Pod, way: Way, cluster: Cluster) -> Iterator[Match]:
    any_ = port.protocol in (None, "ANY")
    protocols = ("tcp", "udp") if any_ else (protocol_name(port.origin, str(port.protocol)),)
    numeric = port.port.isascii() and port.port.isdigit()
    if port.end_port is not None and (not numeric or int(port.port) == 0):
        raise PolicyError(port.origin, f"endPort after port {port.port!r}; give a number above 0 as port")
    if not numeric:
        yield from named(rule.origin, port.port, protocols, peers, pod, way, cluster)
        return
    first = int(port.port)
    ports = None if first == 0 else ((first, last_port(port.origin, first, port.end_port)),)
    for protocol in protocols:
        yield Match(rule.origin, peers, protocol, ports)


def _icmp(rule: CiliumRule, field: ICMPField, peers: Addresses) -> Match:
    family = 6 if field.family == "IPv6" else 4
    text = str(field.type)
    number = int(text) if text.isascii() and text.isdigit() else _TYPES[family].get(text)
    if number is None or number > _MAX_TYPE:
        known = ", ".join(_TYPES[family])
        raise PolicyError(field.origin, f"ICMP type {text!r} of IPv{family} is not supported; write its number, or {known}")
    return Match(rule.origin, peers.only(family), ICMP[family], ((number << 8, number << 8 | 0xFF),))
