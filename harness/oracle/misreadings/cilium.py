"""Misreadings of Cilium's policies, rules that allow and rules that deny alike."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final

from harness.model.cilium import (
    CIDRSet,
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    EnableDefaultDeny,
    ICMPField,
    PortRule,
)
from harness.model.policy import LabelSelector, Requirement
from harness.model.topology import Topology
from harness.oracle.misreadings import requests, selectors, values
from harness.oracle.misreadings.change import Misreading, amount, each_of, spliced
from harness.oracle.misreadings.kubernetes import named, range_class

_LISTS: Final = {"ingress": "ingress", "egress": "egress", "ingressDeny": "ingress_deny", "egressDeny": "egress_deny"}
_NO_PORT: Final = "no-such-port"
_ANYWHERE: Final = Requirement(selectors.NAMESPACE, "Exists")


def policy(written: CiliumPolicy, topology: Topology) -> Iterator[Misreading[CiliumPolicy]]:
    """Each of its specs misread, and each left out where there are several."""
    kind = "CCNP" if written.namespace is None else "CNP"
    for change in each_of(written.specs, lambda spec: _spec(kind, spec, topology)):
        yield change.inside(lambda instead: replace(written, specs=instead))
    if len(written.specs) > 1:
        subjects = [spec.endpoint_selector for spec in written.specs]
        mixed = zip(written.specs, (*subjects[1:], subjects[0]), strict=True)
        instead = tuple(replace(spec, endpoint_selector=subject) for spec, subject in mixed)
        yield Misreading(f"{kind} specs", "several", "one's subject with another's rules", replace(written, specs=instead))
        for place in range(len(written.specs)):
            rest = (*written.specs[:place], *written.specs[place + 1 :])
            yield Misreading(f"{kind} specs", "one of several", "not there", replace(written, specs=rest))


def _spec(kind: str, written: CiliumSpec, topology: Topology) -> Iterator[Misreading[CiliumSpec]]:
    for change in selectors.selector(f"{kind} endpointSelector", written.endpoint_selector):
        yield change.inside(lambda instead: replace(written, endpoint_selector=instead))
    for direction in ("ingress", "egress"):
        yield from _isolation(kind, direction, written)
    for name, attribute in _LISTS.items():
        yield from _rules(f"{kind} {name}", attribute, written, kind == "CNP", topology)


def _rules(
    field: str, attribute: str, written: CiliumSpec, limited: bool, topology: Topology
) -> Iterator[Misreading[CiliumSpec]]:
    side = "from" if attribute.startswith("ingress") else "to"
    rules: tuple[CiliumRule, ...] | None = getattr(written, attribute)
    for change in each_of(rules, lambda rule: _rule(field, side, rule, limited, topology)):
        instead: dict[str, Any] = {attribute: change.instead}
        yield Misreading(change.field, change.value, change.taken, replace(written, **instead))
    for mixed in requests.mixed(field, rules or ()):
        instead = {attribute: mixed.instead}
        yield Misreading(mixed.field, mixed.value, mixed.taken, replace(written, **instead))


def _isolation(kind: str, direction: str, written: CiliumSpec) -> Iterator[Misreading[CiliumSpec]]:
    """What isolates is told by the switch, the rules and the deny rules together."""
    switch = written.enable_default_deny or EnableDefaultDeny()
    rules, denials = getattr(written, direction), getattr(written, f"{direction}_deny")
    state = {None: "absent", True: "true", False: "false"}[getattr(switch, direction)]
    value = f"{state}, {direction} {_rules_class(rules)}, {direction}Deny {_rules_class(denials)}"
    for taken in (True, False):
        if taken is not getattr(switch, direction):
            other = replace(switch, ingress=taken) if direction == "ingress" else replace(switch, egress=taken)
            instead = replace(written, enable_default_deny=other)
            yield Misreading(f"{kind} enableDefaultDeny.{direction}", value, str(taken).lower(), instead)


def _rules_class(rules: tuple[CiliumRule, ...] | None) -> str:
    if rules and all(_peers(rule) == "any peer" and not rule.ports and not rule.icmps for rule in rules):
        return "empty rules"
    return {"one": "filled", "several": "filled"}.get(amount(rules), amount(rules))


def _rule(field: str, side: str, written: CiliumRule, limited: bool, topology: Topology) -> Iterator[Misreading[CiliumRule]]:
    kind = f"{_peers(written)}, {_service(written)}"
    everyone = replace(written, endpoints=None, cidrs=None, cidr_sets=None, entities=("all",))
    yield Misreading(field, kind, "a rule that matches nothing", replace(everyone, entities=()))
    yield Misreading(field, kind, "a rule that matches all", replace(everyone, ports=None, icmps=None))
    if _peers(written) != "any peer":
        yield Misreading(f"{field} peers", kind, "not looked at", everyone)
    if written.ports or written.icmps:
        yield Misreading(f"{field} ports", kind, "not looked at", replace(_explicit(written), ports=None, icmps=None))
    else:
        tcp = (PortRule(written.origin, (CiliumPort(written.origin, "0", protocol="TCP"),)),)
        yield Misreading(f"{field}.toPorts", kind, "every TCP port", replace(written, ports=tcp))
    for change in each_of(written.endpoints, lambda each: _endpoint(f"{field}.{side}Endpoints", each, limited)):
        yield change.inside(lambda instead: replace(written, endpoints=instead))
    yield from _outsiders(field, side, written)
    for ports in each_of(written.ports, lambda each: _port_rule(f"{field}.toPorts", each, topology)):
        yield ports.inside(lambda instead: replace(written, ports=instead))
    entries = written.icmps or ()
    for place, fields in enumerate(entries):
        put = spliced(entries, place)
        several = len(fields) > 1 or len(entries) > 1
        for message in each_of(fields, partial(_icmp, f"{field}.icmps", several)):
            yield message.inside(lambda instead: (instead,)).inside(put).inside(lambda i: replace(written, icmps=i))


def _explicit(rule: CiliumRule) -> CiliumRule:
    """Without ports a rule of no peers matches nothing; what it meant with them must be written."""
    return replace(rule, entities=("all",)) if _peers(rule) == "any peer" else rule


def _peers(rule: CiliumRule) -> str:
    for name in ("endpoints", "cidrs", "cidr_sets", "entities"):
        written = getattr(rule, name)
        if written is not None:
            return f"{amount(written)} of {name.replace('_', ' ')}"
    return "any peer"


def _service(rule: CiliumRule) -> str:
    return "icmps" if rule.icmps else f"toPorts {amount(rule.ports)}"


def _endpoint(field: str, written: LabelSelector, limited: bool) -> Iterator[Misreading[LabelSelector]]:
    yield from selectors.selector(field, written)
    if limited and not selectors.names_namespace(written):
        every = replace(written, match_expressions=(*written.match_expressions, _ANYWHERE))
        yield Misreading(field, "without a namespace", "pods of every namespace", every)


def _outsiders(field: str, side: str, written: CiliumRule) -> Iterator[Misreading[CiliumRule]]:
    """Addresses and entities. Cilium's CIDRs mean no pods, which is what is asked of them among pods."""
    pods_too = replace(written, cidrs=None, cidr_sets=None, entities=("cluster",))
    for cidr in written.cidrs or ():
        yield Misreading(f"{field}.{side}CIDR", values.length_class(cidr), "pods' addresses too", pods_too)
    for entry in each_of(written.cidrs, lambda each: _cidr(f"{field}.{side}CIDR", each)):
        yield entry.inside(lambda instead: replace(written, cidrs=instead))
    for each in written.cidr_sets or ():
        kind = f"{values.length_class(each.cidr)}{' with exceptions' if each.except_ else ''}"
        yield Misreading(f"{field}.{side}CIDRSet", kind, "pods' addresses too", pods_too)
    for block in each_of(written.cidr_sets, lambda each: _cidr_set(f"{field}.{side}CIDRSet", each)):
        yield block.inside(lambda instead: replace(written, cidr_sets=instead))
    for name in written.entities or ():
        rest = tuple(each for each in written.entities or () if each != name)
        kind = f"{name}{', one of several' if rest else ''}"
        yield Misreading(f"{field}.{side}Entities", kind, "not there", replace(written, entities=rest))
        for other in ("all", "cluster", "world"):
            if other != name:
                yield Misreading(f"{field}.{side}Entities", kind, other, replace(written, entities=(*rest, other)))


def _cidr(field: str, written: str) -> Iterator[Misreading[str]]:
    for _, kind, taken, block in values.blocks(values.Block(written)):
        yield Misreading(field, kind, taken, "255.255.255.255/32" if block is None else block.cidr)


def _cidr_set(field: str, written: CIDRSet) -> Iterator[Misreading[CIDRSet]]:
    for part, kind, taken, block in values.blocks(values.Block(written.cidr, written.except_)):
        instead = values.Block("255.255.255.255/32") if block is None else block
        yield Misreading(f"{field}{part}", kind, taken, replace(written, cidr=instead.cidr, except_=instead.except_))


def _port_rule(field: str, written: PortRule, topology: Topology) -> Iterator[Misreading[PortRule]]:
    several = len(written.ports or ()) > 1
    for change in each_of(written.ports, lambda each: _port(f"{field}.ports", each, several, topology)):
        yield change.inside(lambda instead: replace(written, ports=instead))
    if written.rules is not None:
        for narrowed in requests.rules(f"{field}.rules", written.rules):
            yield narrowed.inside(lambda instead: replace(written, rules=instead))


def _port(field: str, written: CiliumPort, several: bool, topology: Topology) -> Iterator[Misreading[CiliumPort]]:
    protocol = written.protocol or "no protocol"
    kind = f"{protocol}, {_number_class(written)}{', one of several' if several else ''}"
    yield Misreading(field, kind, "not there", replace(written, port=_NO_PORT, end_port=None))
    for other in ("TCP", "UDP", "ANY"):
        if other != (written.protocol or "ANY"):
            yield Misreading(f"{field}.protocol", kind, other, replace(written, protocol=other))
    if written.port != "0":
        yield Misreading(f"{field}.port", kind, "every port", replace(written, port="0", end_port=None))
    if not written.port.isdigit():
        for number in named(written.port, topology):
            instead = replace(written, port=str(number))
            yield Misreading(f"{field}.port", kind, "a number that some pod gives the name", instead)
    elif written.port != "0":
        part = "port" if written.end_port is None else "endPort"
        for taken, first, last in values.spans(int(written.port), written.end_port):
            yield Misreading(f"{field}.{part}", kind, taken, replace(written, port=str(first), end_port=last))


def _number_class(written: CiliumPort) -> str:
    if written.port == "0":
        return "port 0"
    if not written.port.isdigit():
        return "a name"
    return "a number" if written.end_port is None else range_class(int(written.port), written.end_port)


def _icmp(field: str, several: bool, written: ICMPField) -> Iterator[Misreading[ICMPField]]:
    name = "a number" if str(written.type).isdigit() else "a name"
    kind = f"{name}, family {written.family or 'absent'}{', one of several' if several else ''}"
    yield Misreading(f"{field}.type", kind, "not there", replace(written, type=255))
    echo = {"IPv6": (128, 129)}.get(written.family or "IPv4", (8, 0))
    for taken, number in zip(("echo requests", "echo replies"), echo, strict=True):
        yield Misreading(f"{field}.type", kind, taken, replace(written, type=number))
    other, asked = ("IPv4", 8) if written.family == "IPv6" else ("IPv6", 128)
    yield Misreading(f"{field}.family", kind, other, replace(written, family=other, type=asked))
