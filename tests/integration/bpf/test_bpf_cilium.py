"""Cilium's policies on packets: denials above all else, blocks that hold no pods, ICMP by type."""

from collections.abc import Callable
from typing import Any

import pytest
from policies import allow
from rig import OUTSIDE, REMOTE, A, B, Rig, ip, tcp, udp
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest
from scapy.packet import Packet

from harness.model.cilium import (
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    EnableDefaultDeny,
    ICMPField,
    PortRule,
)
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector

FAMILIES = pytest.mark.parametrize("family", [4, 6])
RULE = Origin("cilium.yaml", 9)
FROM_A = {"endpoints": (LabelSelector({"app": "a"}),)}
FROM_OUTSIDE = {"cidrs": (f"{OUTSIDE[4]}/32", f"{OUTSIDE[6]}/128")}
FROM_ANYBODY = {"entities": ("all",)}


def cilium(app: str, **fields: Any) -> CiliumPolicy:
    return CiliumPolicy(
        Origin("cilium.yaml", 1), "p", "shop", (CiliumSpec(Origin("cilium.yaml", 5), LabelSelector({"app": app}), **fields),)
    )


def rule(**fields: Any) -> CiliumRule:
    return CiliumRule(RULE, **fields)


def denying(app: str, *rules: CiliumRule, way: str = "ingress") -> CiliumPolicy:
    """Denies and isolates nobody."""
    return cilium(app, **{f"{way}_deny": rules, "enable_default_deny": EnableDefaultDeny(False, False)})


def to_port(number: int, protocol: str) -> tuple[PortRule, ...]:
    return (PortRule(RULE, (CiliumPort(RULE, str(number), protocol=protocol),)),)


def echo(family: int, number: int, source: dict[int, str], destination: dict[int, str], reply: bool = False) -> Packet:
    if family == 4:
        return ip(source, destination) / ICMP(type=0 if reply else 8, id=number)
    return ip(source, destination, 6) / (ICMPv6EchoReply if reply else ICMPv6EchoRequest)(id=number)


@FAMILIES
def test_a_denial_wins_over_every_rule_that_allows(rig: Rig, family: int) -> None:
    exact = cilium("b", ingress=(rule(**FROM_A, ports=to_port(8080, "TCP")),))
    rig.apply(exact, allow("b"))
    assert rig.from_pod(tcp(A, B, family=family)).passed
    rig.apply(exact, allow("b"), denying("b", rule(**FROM_ANYBODY)))
    assert rig.from_pod(tcp(A, B, family=family)).reason == "denied_ingress"
    assert rig.from_wire(tcp(OUTSIDE, B, family=family)).reason == "denied_ingress"


@pytest.mark.parametrize(
    ("denied", "packet", "others"),
    [
        (FROM_A, lambda: tcp(A, B), lambda: tcp(REMOTE, B)),
        (FROM_OUTSIDE, lambda: tcp(OUTSIDE, B), lambda: tcp(REMOTE, B)),
        ({"ports": to_port(8080, "TCP")}, lambda: tcp(REMOTE, B), lambda: tcp(REMOTE, B, ports=(40000, 8081))),
        ({"ports": to_port(0, "UDP")}, lambda: udp(REMOTE, B), lambda: tcp(REMOTE, B)),
        ({"ports": to_port(53, "UDP"), **FROM_OUTSIDE}, lambda: udp(OUTSIDE, B), lambda: udp(REMOTE, B)),
    ],
    ids=["pod", "block", "port", "protocol", "port and block"],
)
def test_a_denial_that_isolates_nobody_drops_only_what_it_names(
    rig: Rig, denied: dict[str, Any], packet: Callable[[], Packet], others: Callable[[], Packet]
) -> None:
    rig.apply(denying("b", rule(**denied)))
    assert rig.to_pod(packet()).reason == "denied_ingress"
    assert rig.to_pod(others()).passed


@FAMILIES
def test_egress_is_denied_where_the_packet_leaves_its_pod(rig: Rig, family: int) -> None:
    rig.apply(denying("a", rule(**FROM_OUTSIDE), way="egress"))
    assert rig.from_pod(tcp(A, OUTSIDE, family=family)).reason == "denied_egress"
    assert rig.from_pod(tcp(A, B, family=family)).passed


def test_a_denied_subject_is_still_isolated_for_the_rest(rig: Rig) -> None:
    rig.apply(cilium("b", ingress_deny=(rule(**FROM_A),)))
    assert rig.from_pod(tcp(A, B)).reason == "denied_ingress"
    assert rig.from_wire(tcp(REMOTE, B)).reason == "policy_ingress"


@pytest.mark.parametrize(("cidr", "family"), [("::/0", 6), ("::/16", None), ("0.0.0.0/0", 4)])
def test_a_block_holds_no_addresses_of_the_other_family(rig: Rig, cidr: str, family: int | None) -> None:
    rig.apply(cilium("b", ingress=(rule(cidrs=(cidr,)),)))
    assert rig.from_wire(tcp(OUTSIDE, B)).passed == (family == 4)
    assert rig.from_wire(tcp(OUTSIDE, B, family=6)).passed == (family == 6)


def test_an_event_names_the_rule_that_denies(rig: Rig) -> None:
    rig.apply(cilium("b", ingress_deny=(rule(**FROM_A),)))
    denied, isolated = rig.from_pod(tcp(A, B)).event, rig.from_wire(tcp(REMOTE, B)).event
    assert denied is not None and isolated is not None
    assert rig.rule(denied) == RULE
    assert rig.rule(isolated) == Origin("cilium.yaml", 5)


def test_a_denial_stops_an_open_connection(rig: Rig) -> None:
    assert rig.from_pod(tcp(A, B)).passed
    rig.apply(denying("b", rule(**FROM_A)))
    assert rig.from_pod(tcp(A, B, "A")).reason == "revoked"


@FAMILIES
def test_a_block_of_ciliums_holds_no_pods_beside_one_that_does(rig: Rig, family: int) -> None:
    everywhere = cilium("b", ingress=(rule(cidrs=("0.0.0.0/0", "::/0")),))
    rig.apply(everywhere)
    assert rig.from_wire(tcp(OUTSIDE, B, family=family)).passed
    assert rig.from_wire(tcp(REMOTE, B, family=family)).reason == "policy_ingress"
    rig.apply(everywhere, allow("b", block=IPBlock(f"{REMOTE[family]}/{32 if family == 4 else 128}")))
    assert rig.from_wire(tcp(REMOTE, B, family=family)).passed
    assert rig.from_pod(tcp(A, B, family=family)).reason == "policy_ingress"


@FAMILIES
def test_echo_requests_are_judged_by_type_and_replies_belong_to_them(rig: Rig, family: int) -> None:
    fields = tuple(ICMPField(RULE, "EchoRequest", name) for name in ("IPv4", "IPv6"))
    rig.apply(cilium("b", ingress=(rule(**FROM_A, icmps=(fields,)),)), cilium("a", ingress=(rule(),)))
    assert rig.from_pod(echo(family, 7, A, B)).passed
    assert rig.to_pod(echo(family, 7, B, A, reply=True)).passed
    assert rig.to_pod(echo(family, 8, B, A, reply=True)).reason == "unsolicited"
    assert rig.from_pod(tcp(A, B, family=family)).reason == "policy_ingress"


@FAMILIES
def test_another_types_rule_allows_no_echo(rig: Rig, family: int) -> None:
    other = ICMPField(RULE, 13 if family == 4 else 3, f"IPv{family}")
    rig.apply(cilium("b", ingress=(rule(icmps=((other,),)),)))
    assert rig.from_pod(echo(family, 7, A, B)).reason == "policy_ingress"


@FAMILIES
def test_a_known_ping_is_judged_again_after_a_denial(rig: Rig, family: int) -> None:
    assert rig.from_pod(echo(family, 7, A, B)).passed
    rig.apply(denying("b", rule(icmps=((ICMPField(RULE, "EchoRequest", f"IPv{family}"),),))))
    assert not rig.from_pod(echo(family, 7, A, B)).passed
    assert not rig.to_pod(echo(family, 7, B, A, reply=True)).passed
