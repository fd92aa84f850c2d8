"""Everything that a packet may ask for, on one line: 65,536 ports of TCP, those of UDP, 256 types of ICMP, those of ICMPv6."""

from collections.abc import Iterable, Iterator

from harness.model.cilium import ICMPField, PortRule
from harness.model.flow import Flow
from harness.model.policy import PolicyPort
from harness.model.topology import ContainerPort
from harness.oracle.sets.spans import Span, Spans, union

_BEGIN = {"TCP": 0, "UDP": 65536, "ICMPv4": 131072, "ICMPv6": 131328}
EVERYTHING: Spans = ((0, 131584),)
_TYPES = {
    "EchoReply": (0, 129),
    "DestinationUnreachable": (3, 1),
    "PacketTooBig": (None, 2),
    "Redirect": (5, None),
    "Echo": (8, None),
    "EchoRequest": (8, 128),
    "RouterAdvertisement": (9, 134),
    "RouterSelection": (10, None),
    "RouterSolicitation": (None, 133),
    "TimeExceeded": (11, 3),
    "ParameterProblem": (12, 4),
    "Timestamp": (13, None),
    "TimestampReply": (14, None),
    "NeighborSolicitation": (None, 135),
    "NeighborAdvertisement": (None, 136),
    "RedirectMessage": (None, 137),
}
Name = tuple[str, frozenset[str]]
"""A name of a port, and the protocols that it may be declared for."""


def point(flow: Flow, family: int) -> int:
    """Where a flow's packets lie; ICMP without a message is an echo request."""
    if flow.protocol != "ICMP":
        return _BEGIN[flow.protocol] + flow.port
    return _BEGIN[f"ICMPv{family}"] + (flow.icmp.type if flow.icmp else 8 if family == 4 else 128)


def named(names: Iterable[Name], declared: Iterable[ContainerPort]) -> Spans:
    """The ports among ``declared`` that the names stand for."""
    wanted = list(names)
    return union(
        _ports(port.protocol, port.port, port.port)
        for port in declared
        for name, protocols in wanted
        if port.name == name and port.protocol in protocols
    )


def of_kubernetes(ports: tuple[PolicyPort, ...] | None) -> tuple[Spans, list[Name]]:
    """What ``ports`` of a NetworkPolicy's rule ask for, and the names that are still to be resolved."""
    if not ports:
        return EVERYTHING, []
    spans: list[Span] = []
    names: list[Name] = []
    for port in ports:
        protocol = "TCP" if port.protocol is None else port.protocol
        if isinstance(port.port, str):
            names.append((port.port, frozenset({protocol})))
        elif port.port is None:
            spans.append(_ports(protocol, 0, 65535))
        else:
            spans.append(_ports(protocol, port.port, port.port if port.end_port is None else port.end_port))
    return union(spans), names


def of_cilium(rules: tuple[PortRule, ...] | None, icmps: tuple[tuple[ICMPField, ...], ...] | None) -> tuple[Spans, list[Name]]:
    """What ``toPorts`` and ``icmps`` of a rule ask for, of which one at most is written."""
    if not rules and not icmps:
        return EVERYTHING, []
    spans: list[Span] = [_icmp(field) for fields in icmps or () for field in fields]
    names: list[Name] = []
    for rule in rules or ():
        if not rule.ports:
            return EVERYTHING, []
        for port in rule.ports:
            protocols = {"TCP", "UDP"} if port.protocol in (None, "ANY", "any") else {str(port.protocol).upper()}
            if port.port == "0":
                spans += [_ports(protocol, 0, 65535) for protocol in protocols]
            elif port.port.isdecimal():
                low = int(port.port)
                spans += [_ports(protocol, low, port.end_port or low) for protocol in protocols]
            else:
                names.append((port.port, frozenset(protocols)))
    return union(spans), names


def cuts(spans: Iterable[Spans]) -> Iterator[int]:
    """Where any of the sets begins or ends."""
    return (edge for each in spans for span in each for edge in span)


def _ports(protocol: str, first: int, last: int) -> Span:
    return _BEGIN[protocol] + first, _BEGIN[protocol] + last + 1


def _icmp(field: ICMPField) -> Span:
    """Raises KeyError for a name that its family does not have."""
    family = field.family or "IPv4"
    written = str(field.type)
    number = int(written) if written.isdecimal() else _TYPES[written][family == "IPv6"]
    if number is None:
        raise KeyError(f"{family} has no ICMP type {written}")
    begin = _BEGIN[f"ICMP{family[2:]}"]
    return begin + number, begin + number + 1
