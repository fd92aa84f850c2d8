"""Packets as hostile or broken senders make them, and what routing would have done with good ones."""

import struct

import pytest
from policies import allow, closed
from rig import A_IF, B_IF, GATEWAY_MAC, HOST, OTHER_WIRE_IF, OUTSIDE, POD_MAC, REMOTE, A, B, Rig, ip, tcp, udp, unreachable
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

FAMILIES = pytest.mark.parametrize("family", [4, 6])
FRAME = {"src": POD_MAC, "dst": GATEWAY_MAC}


# Broken headers


@pytest.mark.parametrize("length", [34, 40, 53])
def test_a_packet_cut_short_is_dropped(rig: Rig, length: int) -> None:
    assert rig.raw("from_pod", bytes(tcp(A, B))[:length]).reason == "truncated"


@pytest.mark.parametrize("length", [54, 60, 73])
def test_an_ipv6_packet_cut_short_is_dropped(rig: Rig, length: int) -> None:
    """A frame without a whole IP header cannot be tried: the kernel's test run refuses it."""
    assert rig.raw("from_pod", bytes(tcp(A, B, family=6))[:length]).reason == "truncated"


@pytest.mark.parametrize(
    "packet",
    [
        Ether(**FRAME) / IP(src=A[4], dst=B[4], version=6) / TCP(),
        Ether(**FRAME) / IP(src=A[4], dst=B[4], ihl=4) / TCP(),
        Ether(**FRAME) / IP(src=A[4], dst=B[4], len=10) / TCP(),
        Ether(**FRAME) / IPv6(src=A[6], dst=B[6], version=5) / TCP(),
        ip(A, B) / TCP(dataofs=4),
        Ether(**FRAME) / IP(src=A[4], dst=B[4], proto=58) / ICMPv6EchoRequest(),
        Ether(**FRAME) / IPv6(src=A[6], dst=B[6], nh=1) / ICMP(),
        ip(A, B, 6) / IPv6ExtHdrDestOpt() / IPv6ExtHdrHopByHop() / TCP(),
    ],
    ids=[
        "version",
        "short ihl",
        "length below header",
        "v6 version",
        "short data offset",
        "ICMPv6 in v4",
        "ICMP in v6",
        "late hop-by-hop",
    ],
)
def test_a_header_that_contradicts_itself_is_dropped(rig: Rig, packet: Packet) -> None:
    assert rig.from_pod(packet).reason == "malformed"


@pytest.mark.parametrize("kept", [0, 8, 16])
def test_bytes_after_the_packet_are_not_read_as_its_header(rig: Rig, kept: int) -> None:
    """Ethernet pads short frames; the receiver's stack cuts by the length that the IP header has."""
    short = tcp(A, B)
    short[IP].len = 20 + kept
    assert rig.from_pod(short).reason == "truncated"
    short6 = tcp(A, B, family=6)
    short6[IPv6].plen = kept
    assert rig.from_pod(short6).reason == "truncated"


def test_an_extension_header_longer_than_its_packet_is_dropped(rig: Rig) -> None:
    assert rig.from_pod(ip(A, B, 6) / IPv6ExtHdrDestOpt(nh=59, len=9)).reason == "truncated"


def test_an_authentication_header_shorter_than_its_fixed_part_is_dropped(rig: Rig) -> None:
    header = bytes((6, 0)) + bytes(6)
    assert rig.from_pod(ip(A, B, 6, nh=51) / Raw(header) / TCP(flags="S")).reason == "malformed"


@FAMILIES
def test_a_flow_of_the_node_does_not_let_its_address_in_by_the_wire(rig: Rig, family: int) -> None:
    assert rig.to_pod(tcp(HOST, A, family=family)).passed
    assert rig.from_wire(tcp(HOST, A, "PA", family=family)).reason == "spoofed_source"


@FAMILIES
def test_a_pod_always_reaches_itself(rig: Rig, family: int) -> None:
    rig.apply(closed("a"), closed("a", "Egress"))
    assert rig.from_pod(tcp(A, A, family=family)).passed


def test_a_total_length_beyond_the_packet_is_dropped_except_in_a_segment_to_be_cut(rig: Rig) -> None:
    long = tcp(A, B)
    long[IP].len = 4000
    assert rig.from_pod(long).reason == "truncated"
    assert rig.raw("from_pod", bytes(long), gso_size=1400).passed


@pytest.mark.parametrize(
    "frame",
    [
        Ether(**FRAME, type=0x88CC) / Raw(bytes(46)),
        Ether(**FRAME) / Dot1Q(vlan=5) / IP(src=A[4], dst=B[4]) / TCP(),
    ],
    ids=["LLDP", "VLAN"],
)
def test_other_link_protocols_of_pods_are_dropped(rig: Rig, frame: Packet) -> None:
    assert rig.from_pod(frame).reason == "link_protocol"
    assert rig.from_wire(frame).action == "stack", "from the wire it is the node's own affair"


# Options and extension headers


def test_options_are_judged_past_and_left_to_the_stack(rig: Rig) -> None:
    def packet(port: int) -> Packet:
        return ip(A, B, options=[IPOption_Router_Alert()]) / TCP(sport=40000, dport=port, flags="S")

    rig.apply(allow("b", "a", 8080))
    assert rig.from_pod(packet(8080)).action == "stack"
    assert rig.from_pod(packet(8081)).reason == "policy_ingress"


def test_extension_headers_are_walked_to_the_ports(rig: Rig) -> None:
    def packet(port: int, *headers: Packet) -> Packet:
        built = ip(A, B, 6)
        for header in headers:
            built /= header
        return built / TCP(sport=40000, dport=port, flags="S")

    rig.apply(allow("b", "a", 8080))
    chain = (IPv6ExtHdrDestOpt(), IPv6ExtHdrDestOpt(), IPv6ExtHdrFragment(offset=0, m=0, id=5))
    assert rig.from_pod(packet(8080, *chain)).action == "redirect"
    assert rig.from_pod(packet(8081, *chain)).reason == "policy_ingress"
    assert rig.from_pod(packet(8080, IPv6ExtHdrHopByHop())).action == "stack"


def test_a_chain_of_headers_has_an_end(rig: Rig) -> None:
    def packet(count: int) -> Packet:
        built = ip(A, B, 6)
        for _ in range(count):
            built /= IPv6ExtHdrDestOpt()
        return built / TCP(flags="S")

    assert rig.from_pod(packet(6)).passed
    assert rig.from_pod(packet(7)).reason == "extension_headers"


def test_routing_headers_are_dropped(rig: Rig) -> None:
    packet = ip(A, B, 6) / IPv6ExtHdrRouting(addresses=["fd00::3"]) / TCP(flags="S")
    assert rig.from_pod(packet).reason == "extension_headers"


def test_an_error_about_an_allowed_flow_comes_back(rig: Rig) -> None:
    rig.apply(closed("a"))
    sent = udp(A, REMOTE)
    assert rig.from_wire(unreachable(OUTSIDE, sent)).passed, "allowed by policy, though conntrack does not know it"
    assert rig.from_pod(sent).passed
    assert rig.from_wire(unreachable(OUTSIDE, sent)).action == "stack"
    assert rig.to_pod(unreachable(OUTSIDE, sent)).action == "stack"


def test_an_error_about_a_denied_flow_does_not(rig: Rig) -> None:
    rig.apply(closed("a"), closed("a", "Egress"))
    for error in (unreachable(OUTSIDE, udp(A, REMOTE)), unreachable(REMOTE, tcp(A, REMOTE))):
        assert rig.from_wire(error).reason == "icmp_unrelated"


def test_an_error_goes_to_the_sender_of_what_it_quotes(rig: Rig) -> None:
    assert rig.from_pod(udp(A, REMOTE)).passed
    error = unreachable(OUTSIDE, udp(A, REMOTE))
    error[IP].dst = B[4]
    assert rig.from_wire(error).reason == "icmp_unrelated"


def test_a_pod_reports_errors_only_of_what_it_was_sent(rig: Rig) -> None:
    assert rig.from_wire(udp(REMOTE, A)).passed
    assert rig.from_pod(unreachable(A, udp(REMOTE, A))).action == "stack"
    assert rig.from_pod(unreachable(A, udp(REMOTE, B))).reason == "icmp_unrelated"


def test_an_ipv6_error_is_judged_by_what_it_quotes(rig: Rig) -> None:
    rig.apply(closed("a"))
    sent = udp(A, REMOTE, family=6)
    error = Ether(**FRAME) / IPv6(src=OUTSIDE[6], dst=A[6]) / ICMPv6DestUnreach() / bytes(sent[IPv6])
    assert rig.from_wire(error).passed
    rig.apply(closed("a"), closed("a", "Egress"))
    assert rig.from_wire(error).reason == "icmp_unrelated"


@pytest.mark.parametrize("kept", [0, 10, 20, 24])
def test_an_error_that_quotes_too_little_is_dropped(rig: Rig, kept: int) -> None:
    quoted = bytes(udp(A, REMOTE)[IP])[:kept]
    error = Ether(**FRAME) / IP(src=OUTSIDE[4], dst=A[4]) / ICMP(type=3, code=1) / quoted
    assert rig.from_wire(error).reason in ("truncated", "icmp_unrelated")


def test_an_error_about_an_error_or_a_later_fragment_is_dropped(rig: Rig) -> None:
    nested = ip(A, REMOTE) / ICMP(type=3, code=1) / bytes(28)
    assert rig.from_wire(unreachable(OUTSIDE, nested)).reason == "icmp_unrelated"
    assert rig.from_wire(unreachable(OUTSIDE, ip(A, REMOTE, frag=9) / UDP())).reason == "icmp_unrelated"


@pytest.mark.parametrize("kind", [5, 9, 13, 17])
def test_icmp_that_pods_have_no_use_for_is_dropped(rig: Rig, kind: int) -> None:
    assert rig.from_pod(ip(A, REMOTE) / ICMP(type=kind)).reason == "icmp_type"
    assert rig.from_wire(ip(OUTSIDE, HOST) / ICMP(type=kind)).action == "stack", "what is for the node is the node's affair"


# Where packets may come from


@FAMILIES
def test_a_pod_sends_from_its_own_address_only(rig: Rig, family: int) -> None:
    for source in (B, REMOTE, HOST, OUTSIDE):
        assert rig.from_pod(tcp(source, REMOTE, family=family)).reason == "spoofed_source"
    assert rig.from_pod(tcp(A, REMOTE, family=family), B_IF).reason == "spoofed_source"


@FAMILIES
def test_the_wire_carries_nobody_of_this_node(rig: Rig, family: int) -> None:
    for source in (A, HOST):
        assert rig.from_wire(tcp(source, B, family=family)).reason == "spoofed_source"
    assert rig.from_wire(tcp(REMOTE, B, family=family), OTHER_WIRE_IF).reason == "spoofed_source"


def test_a_pod_asks_by_arp_for_itself_only(rig: Rig) -> None:
    assert rig.from_pod(Ether(**FRAME) / ARP(psrc=A[4], pdst=HOST[4])).action == "stack"
    assert rig.from_pod(Ether(**FRAME) / ARP(psrc=B[4], pdst=HOST[4])).reason == "spoofed_source"
    assert rig.from_wire(Ether(**FRAME) / ARP(psrc=OUTSIDE[4], pdst=HOST[4])).action == "stack"


def test_neighbour_discovery_stays_on_the_link(rig: Rig) -> None:
    def neighbour(source: str, message: Packet, limit: int = 255) -> Packet:
        return Ether(**FRAME) / IPv6(src=source, dst="ff02::1:ff00:1", hlim=limit) / message

    for source in (A[6], "fe80::1", "::"):
        assert rig.from_pod(neighbour(source, ICMPv6ND_NS(tgt=HOST[6]))).action == "stack"
    assert rig.from_pod(neighbour(A[6], ICMPv6ND_NA(tgt=A[6]))).action == "stack"
    assert rig.from_pod(neighbour("fe80::1", ICMPv6MLReport2(), 1)).action == "stack"
    assert rig.from_pod(neighbour(B[6], ICMPv6ND_NS(tgt=HOST[6]))).reason == "spoofed_source"
    assert rig.from_pod(neighbour("fe80::1", ICMPv6ND_RA())).reason == "icmp_type"
    assert rig.to_pod(neighbour("fe80::1", ICMPv6ND_NS(tgt=A[6]), 254)).reason == "icmp_type"


@pytest.mark.parametrize("destination", ["224.0.0.251", "255.255.255.255", "240.0.0.1", "0.0.0.7"])
def test_what_is_for_more_than_one_host_is_dropped(rig: Rig, destination: str) -> None:
    assert rig.from_pod(udp(A, {4: destination})).reason == "not_unicast"


def test_ipv6_multicast_of_applications_is_dropped(rig: Rig) -> None:
    assert rig.from_pod(udp(A, {6: "ff02::fb"}, family=6)).reason == "not_unicast"


@FAMILIES
def test_a_node_and_its_pods_always_reach_each_other(rig: Rig, family: int) -> None:
    rig.apply(closed("a"), closed("a", "Egress"))
    assert rig.to_pod(tcp(HOST, A, family=family), 0).action == "stack"
    assert rig.from_pod(tcp(A, HOST, "SA", family=family)).action == "stack"
    assert not rig.to_pod(tcp(OUTSIDE, A, family=family)).passed


def test_what_only_passes_through_the_node_is_not_judged(rig: Rig) -> None:
    rig.apply(closed("a"))
    assert rig.from_wire(tcp(REMOTE, OUTSIDE)).action == "stack"
    assert rig.from_wire(tcp(OUTSIDE, HOST)).action == "stack"


# As routing would


@FAMILIES
@pytest.mark.parametrize("mac", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "02:00:00:00:00:0c"])
def test_a_frame_that_is_not_for_the_node_is_judged_and_left_to_the_stack_which_refuses_it(
    rig: Rig, family: int, mac: str
) -> None:
    frame = tcp(A, REMOTE, family=family)
    frame.dst = mac
    assert rig.from_pod(frame).action == "stack"
    rig.apply(closed("a", "Egress"))
    assert rig.from_pod(frame).reason == "policy_egress"


def test_a_wrong_header_checksum_is_judged_and_left_to_the_stack_which_refuses_it(rig: Rig) -> None:
    right = Ether(bytes(tcp(A, REMOTE)))
    for wrong in (right[IP].chksum ^ 1, 0, 0xFFFF):
        assert rig.from_pod(tcp(A, REMOTE, chksum=wrong)).action == "stack"
    assert rig.from_pod(right).action == "redirect"
    rig.apply(closed("a", "Egress"))
    assert rig.from_pod(tcp(A, REMOTE, chksum=0)).reason == "policy_egress"


@FAMILIES
def test_a_forwarded_packet_is_as_routing_leaves_it(rig: Rig, family: int) -> None:
    sent = tcp(A, REMOTE, family=family, ttl=64)
    got = rig.from_pod(sent).packet
    assert (got.dst, got.src) == (POD_MAC, GATEWAY_MAC)
    if family == 6:
        assert got[IPv6].hlim == 63
        return
    assert got[IP].ttl == 63
    checksum = got[IP].chksum
    del got[IP].chksum
    assert Ether(bytes(got))[IP].chksum == checksum


def test_the_checksum_is_right_for_every_value_that_it_may_have(rig: Rig) -> None:
    for number in (0x0000, 0x1234, 0x7FFF, 0xFEFF, 0xFFFF):
        for ttl in (2, 64, 255):
            got = rig.from_pod(tcp(A, REMOTE, ttl=ttl, id=number)).packet
            words = struct.unpack("!10H", bytes(got[IP])[:20])
            total = sum(words)
            assert (total & 0xFFFF) + (total >> 16) == 0xFFFF, f"id {number:#x}, ttl {ttl}"


@FAMILIES
def test_the_last_hop_is_left_to_the_stack_which_tells_the_sender(rig: Rig, family: int) -> None:
    for ttl in (0, 1):
        outcome = rig.from_pod(tcp(A, REMOTE, family=family, ttl=ttl))
        assert outcome.action == "stack"
        assert (outcome.packet[IP].ttl if family == 4 else outcome.packet[IPv6].hlim) == ttl
    assert rig.from_pod(tcp(A, REMOTE, family=family, ttl=2)).action == "redirect"


@FAMILIES
def test_what_does_not_fit_the_wire_is_left_to_the_stack(rig: Rig, family: int) -> None:
    head = 40 if family == 4 else 60
    fits = tcp(A, REMOTE, family=family) / (b"x" * (1500 - head))
    assert rig.from_pod(fits).action == "redirect"
    assert rig.from_pod(fits / b"y").action == "stack"
    segment = 1500 - head
    assert rig.raw("from_pod", bytes(fits / b"y"), A_IF, gso_size=segment).action == "redirect"
    assert rig.raw("from_pod", bytes(fits / b"y"), A_IF, gso_size=segment + 1).action == "stack"
