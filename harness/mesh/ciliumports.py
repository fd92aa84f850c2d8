"""Which ports and ICMP messages a rule of Cilium's is about, and of which requests it takes a closer look.

Source: https://docs.cilium.io/en/stable/security/policy/language/#layer-4-examples, and RFC 792 and RFC 4443 for the types.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.mesh.grants import ICMPType, PolicyError, Ports
from harness.mesh.portclasses import PortRange
from harness.model.cilium import CiliumPort, CiliumRule, ICMPField, L7Rules, PortRule

_ANY = ("TCP", "UDP")
_TYPES = {
    4: {
        "EchoReply": 0,
        "DestinationUnreachable": 3,
        "Redirect": 5,
        "Echo": 8,
        "EchoRequest": 8,
        "RouterAdvertisement": 9,
        "RouterSelection": 10,
        "TimeExceeded": 11,
        "ParameterProblem": 12,
        "Timestamp": 13,
        "TimestampReply": 14,
    },
    6: {
        "DestinationUnreachable": 1,
        "PacketTooBig": 2,
        "TimeExceeded": 3,
        "ParameterProblem": 4,
        "EchoRequest": 128,
        "EchoReply": 129,
    },
}
_FAMILIES = {"IPv4": 4, "IPv6": 6}


@dataclass(frozen=True, slots=True)
class NamedPort:
    """Whatever the destination pod declares under ``name``, of any of ``protocols``."""

    name: str
    protocols: tuple[str, ...]


Wanted = tuple[Ports | NamedPort, L7Rules | None]
"""A port, and the rules that requests to it must meet, if there are any."""


def wanted(rule: CiliumRule, denies: bool) -> list[Wanted]:
    """Everything that ``rule`` is about, with None for all ports. Raises PolicyError."""
    if rule.ports and rule.icmps:
        raise PolicyError(rule.origin, "combining toPorts and icmps is not supported by Cilium; write two rules")
    if rule.ports:
        return [port for each in rule.ports for port in _of_port_rule(each, denies)]
    if rule.icmps:
        return [(_icmp(each), None) for fields in rule.icmps for each in fields]
    return [(None, None)]


def _of_port_rule(rule: PortRule, denies: bool) -> Iterator[Wanted]:
    requests = _requests(rule, denies)
    if not rule.ports:
        yield None, requests
    for port in rule.ports or ():
        for number in _port(port):
            yield number, requests


def _requests(rule: PortRule, denies: bool) -> L7Rules | None:
    """The rules about requests; an empty list of them narrows nothing."""
    if rule.rules is None:
        return None
    name = "kafka" if rule.rules.kafka is not None else "http"
    if denies:
        raise PolicyError(
            rule.rules.origin, f"toPorts.rules.{name}: a deny rule cannot look into requests; leave the rules out"
        )
    if not (rule.rules.http or rule.rules.kafka):
        return None
    if not rule.ports or any(port.protocol != "TCP" or port.port == "0" for port in rule.ports):
        raise PolicyError(
            rule.rules.origin, f"toPorts.rules.{name}: want ports of TCP beside the rules; write ports and protocol: TCP"
        )
    return rule.rules


def _port(port: CiliumPort) -> Iterator[Ports | NamedPort]:
    protocols = _protocols(port)
    if not port.port.isdecimal():
        if port.end_port is not None:
            raise PolicyError(port.origin, f"endPort needs a numeric port, not the name {port.port!r}")
        yield NamedPort(port.port, protocols)
        return
    first = int(port.port)
    if first == 0 and port.end_port is not None:
        raise PolicyError(port.origin, "endPort needs a port to begin with; port 0 is every port already")
    last = first if port.end_port is None else port.end_port
    if not first <= last <= 65535:
        raise PolicyError(port.origin, f"ports {first} to {last} are not a range within 0 to 65535")
    for protocol in protocols:
        yield PortRange(protocol, first, last) if first else protocol


def _protocols(port: CiliumPort) -> tuple[str, ...]:
    if port.protocol is None or port.protocol == "ANY":
        return _ANY
    if port.protocol not in _ANY:
        raise PolicyError(port.origin, f"protocol {port.protocol!r} is not supported; write TCP, UDP or ANY")
    return (port.protocol,)


def _icmp(field: ICMPField) -> ICMPType:
    """A message by its number or Cilium's name for it; of IPv4 if the family is not written."""
    family = _FAMILIES.get(field.family or "IPv4")
    if family is None:
        raise PolicyError(field.origin, f"family {field.family!r} is neither IPv4 nor IPv6")
    written = str(field.type)
    number = int(written) if written.isdecimal() else _TYPES[family].get(written)
    if number is None or number > 255:
        names = ", ".join(_TYPES[family])
        raise PolicyError(field.origin, f"ICMP type {written!r} is not supported; write 0 to 255 or one of {names}")
    return ICMPType(family, number)
