"""Fragments go as the packet that they are pieces of, and what cannot be judged whole is dropped."""

import pytest
from policies import allow, closed
from rig import GATEWAY_MAC, POD_MAC, A, B, Rig, ip
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Ether
from scapy.packet import Packet

FAMILIES = pytest.mark.parametrize("family", [4, 6])
FRAME = {"src": POD_MAC, "dst": GATEWAY_MAC}


def fragments(family: int, destination_port: int = 53, number: int = 77) -> tuple[Packet, Packet]:
    payload = bytes(UDP(sport=40000, dport=destination_port, len=24) / (b"x" * 16))
    if family == 4:
        base = {"src": A[4], "dst": B[4], "id": number, "proto": 17}
        return (
            Ether(**FRAME) / IP(**base, flags="MF") / payload[:16],
            Ether(**FRAME) / IP(**base, frag=2) / payload[16:],
        )
    plain = Ether(**FRAME) / IPv6(src=A[6], dst=B[6])
    return (
        plain / IPv6ExtHdrFragment(nh=17, m=1, offset=0, id=number) / payload[:16],
        plain / IPv6ExtHdrFragment(nh=17, m=0, offset=2, id=number) / payload[16:],
    )


@FAMILIES
def test_later_fragments_go_as_their_first(rig: Rig, family: int) -> None:
    rig.apply(allow("b", "a", 53, protocol="UDP"))
    first, later = fragments(family)
    assert rig.from_pod(later).reason == "fragment_unknown"
    assert rig.from_pod(first).passed
    assert rig.from_pod(later).passed


@FAMILIES
def test_fragments_of_a_denied_packet_are_unknown(rig: Rig, family: int) -> None:
    rig.apply(allow("b", "a", 53, protocol="UDP"))
    first, later = fragments(family, 54)
    assert rig.from_pod(first).reason == "policy_ingress"
    assert rig.from_pod(later).reason == "fragment_unknown"


@FAMILIES
def test_fragments_of_another_packet_are_unknown(rig: Rig, family: int) -> None:
    assert rig.from_pod(fragments(family)[0]).passed
    assert rig.from_pod(fragments(family, number=78)[1]).reason == "fragment_unknown"


@FAMILIES
def test_a_revoked_flows_later_fragments_are_dropped(rig: Rig, family: int) -> None:
    first, later = fragments(family)
    assert rig.from_pod(first).passed
    rig.apply(closed("b"))
    assert rig.from_pod(later).reason == "revoked"


def test_a_first_fragment_without_the_whole_transport_header_is_dropped(rig: Rig) -> None:
    tiny = Ether(**FRAME) / IP(src=A[4], dst=B[4], flags="MF", proto=6) / bytes(TCP(flags="S"))[:8]
    assert rig.from_pod(tiny).reason == "fragment_tiny"
    tiny6 = ip(A, B, 6) / IPv6ExtHdrFragment(nh=6, m=1, offset=0) / bytes(TCP(flags="S"))[:8]
    assert rig.from_pod(tiny6).reason == "fragment_tiny"


@pytest.mark.parametrize(("offset", "reason"), [(1, "fragment_tiny"), (2, "fragment_tiny"), (3, None)])
def test_a_fragment_that_could_rewrite_the_tcp_header_is_dropped(rig: Rig, offset: int, reason: str | None) -> None:
    base = {"src": A[4], "dst": B[4], "id": 5, "proto": 6}
    assert rig.from_pod(Ether(**FRAME) / IP(**base, flags="MF") / bytes(TCP(sport=1, dport=2, flags="S") / b"1234")).passed
    assert rig.from_pod(Ether(**FRAME) / IP(**base, frag=offset) / b"12345678").reason == reason


# ICMP errors
