"""What belongs to an allowed flow passes, what only looks like it does not, and a policy change reaches open flows."""

import pytest
from policies import allow, closed
from rig import A_IF, B_IF, OTHER_WIRE_IF, OUTSIDE, REMOTE, A, B, Rig, ip, tcp, udp
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest
from scapy.packet import Packet

FAMILIES = pytest.mark.parametrize("family", [4, 6])
BACK = (8080, 40000)
UNKNOWN = {4: "10.0.0.77", 6: "fd00::77"}
"""Where a pod of this node will be that the mesh has not heard of."""


@FAMILIES
def test_replies_of_an_allowed_connection_pass_a_closed_pod(rig: Rig, family: int) -> None:
    rig.apply(closed("a"))
    assert rig.from_pod(tcp(A, REMOTE, family=family)).passed
    assert rig.from_wire(tcp(REMOTE, A, "SA", BACK, family)).passed
    assert rig.from_wire(tcp(REMOTE, A, "PA", BACK, family)).passed


@FAMILIES
def test_datagrams_back_pass_only_after_one_forth(rig: Rig, family: int) -> None:
    rig.apply(closed("a"))
    assert rig.from_wire(udp(REMOTE, A, (53, 40000), family)).reason == "policy_ingress"
    assert rig.from_pod(udp(A, REMOTE, (40000, 53), family)).passed
    assert rig.from_wire(udp(REMOTE, A, (53, 40000), family)).passed
    assert not rig.from_wire(udp(REMOTE, A, (53, 40001), family)).passed


@FAMILIES
def test_an_echo_reply_needs_its_request(rig: Rig, family: int) -> None:
    def echo(kind: str, number: int) -> Packet:
        if family == 4:
            return ICMP(type=8 if kind == "request" else 0, id=number)
        return ICMPv6EchoRequest(id=number) if kind == "request" else ICMPv6EchoReply(id=number)

    rig.apply(closed("a"))
    assert rig.from_wire(ip(REMOTE, A, family) / echo("reply", 7)).reason == "unsolicited"
    assert rig.from_pod(ip(A, REMOTE, family) / echo("request", 7)).passed
    assert rig.from_wire(ip(REMOTE, A, family) / echo("reply", 7)).passed
    assert not rig.from_wire(ip(REMOTE, A, family) / echo("reply", 8)).passed
    assert not rig.from_wire(ip(REMOTE, A, family) / echo("request", 7)).passed


def test_an_answer_to_a_connection_that_would_be_denied_is_dropped(rig: Rig) -> None:
    rig.apply(closed("a", "Egress"))
    assert not rig.from_wire(tcp(REMOTE, A, "SA", BACK)).passed


def test_a_lost_entry_does_not_cut_an_allowed_connection(rig: Rig) -> None:
    """Both ways in mid-stream, on a node that has forgotten everything."""
    rig.apply(closed("a"))
    assert rig.from_pod(tcp(A, REMOTE, "PA")).passed
    rig.fresh()
    rig.apply(closed("a"))
    assert rig.from_wire(tcp(REMOTE, A, "PA", BACK)).passed


def test_a_syn_is_judged_in_its_own_direction_whatever_is_known(rig: Rig) -> None:
    rig.apply(closed("a"))
    assert rig.from_pod(tcp(A, REMOTE)).passed
    assert rig.from_wire(tcp(REMOTE, A, "PA", BACK)).passed
    assert rig.from_wire(tcp(REMOTE, A, "S", BACK)).reason == "policy_ingress"
    assert rig.from_wire(tcp(REMOTE, A, "PA", BACK)).passed, "the connection itself goes on"


def test_a_segment_in_mid_stream_opens_nothing(rig: Rig) -> None:
    """It may pass as a reply; the SYN that a connection needs does not."""
    rig.apply(closed("b"))
    assert rig.from_wire(tcp(REMOTE, B, "A", (80, 8080))).passed
    assert not rig.from_wire(tcp(REMOTE, B, "S", (80, 8080))).passed


def test_a_segment_that_neither_side_may_send_is_dropped(rig: Rig) -> None:
    rig.apply(closed("a"), closed("a", "Egress"))
    assert rig.from_wire(tcp(REMOTE, A, "PA")).reason == "policy_ingress"


@pytest.mark.parametrize("flags", ["", "F", "SF", "SR", "SAR", "FPU", "SAF"])
def test_flags_that_no_stack_sends_are_dropped(rig: Rig, flags: str) -> None:
    assert rig.from_pod(tcp(A, REMOTE, flags)).reason == "tcp_flags"


@FAMILIES
def test_revocation_reaches_an_open_connection_in_both_directions(rig: Rig, family: int) -> None:
    for reply_first in (True, False):
        rig.fresh()
        assert rig.from_wire(tcp(REMOTE, A, family=family)).passed
        assert rig.from_pod(tcp(A, REMOTE, "SA", BACK, family)).passed
        rig.apply(closed("a"), closed("a", "Egress"))
        reply, request = tcp(A, REMOTE, "PA", BACK, family), tcp(REMOTE, A, "PA", family=family)
        first = rig.from_pod(reply) if reply_first else rig.from_wire(request)
        assert first.reason == "revoked"
        assert not rig.from_pod(reply).passed
        assert not rig.from_wire(request).passed


@FAMILIES
def test_a_revoked_connection_stays_down_though_the_other_end_may_call(rig: Rig, family: int) -> None:
    """Its segments are no answers to a connection that b could open to a, however often they come."""
    assert rig.from_pod(tcp(A, B, family=family)).passed
    assert rig.from_pod(tcp(B, A, "SA", BACK, family), B_IF).passed
    rig.apply(closed("b"))
    for _ in range(3):
        assert rig.from_pod(tcp(A, B, "PA", family=family)).reason == "revoked"
        assert rig.from_pod(tcp(B, A, "PA", BACK, family), B_IF).reason == "revoked"
    rig.apply(closed("b"), closed("remote"))
    assert rig.from_pod(tcp(A, B, "PA", family=family)).reason == "revoked"
    rig.forget_flows()
    assert rig.from_pod(tcp(A, B, "PA", family=family)).reason == "policy_ingress"
    rig.apply()
    assert rig.from_pod(tcp(A, B, "PA", family=family)).passed


def test_a_revoked_connection_is_not_pushed_out_by_others(rig: Rig) -> None:
    """Ports that give an answer's direction no clue, so that only the entry tells who called."""
    assert rig.from_pod(tcp(A, B, ports=(1000, 8080))).passed
    rig.apply(closed("b"))
    assert rig.from_pod(tcp(A, B, "PA", (1000, 8080))).reason == "revoked"
    rig.flood(A, OUTSIDE, 120_000)
    assert rig.from_pod(tcp(A, B, "PA", (1000, 8080))).reason == "revoked"


def test_flows_that_differ_in_their_addresses_alone_are_told_apart(rig: Rig) -> None:
    """So many that each set of the hash holds one of these ports."""
    rig.apply(closed("b"))
    rig.fan_out(A, OUTSIDE, 200_000)
    assert rig.from_pod(udp(A, B)).reason == "policy_ingress"


def test_a_change_that_still_allows_a_connection_leaves_it_open(rig: Rig) -> None:
    assert rig.from_wire(tcp(REMOTE, A)).passed
    rig.apply(allow("a", "remote", 8080))
    assert rig.from_pod(tcp(A, REMOTE, "PA", BACK)).passed
    assert rig.from_wire(tcp(REMOTE, A, "PA")).passed


def test_datagrams_back_survive_a_change_that_allows_them(rig: Rig) -> None:
    rig.apply(closed("a"))
    assert rig.from_pod(udp(A, REMOTE)).passed
    rig.apply(closed("a"), closed("b"))
    assert rig.from_wire(udp(REMOTE, A, (53, 40000))).passed


def test_datagrams_back_end_with_the_permission_to_ask(rig: Rig) -> None:
    assert rig.from_pod(udp(A, REMOTE)).passed
    rig.apply(closed("a", "Egress"), closed("a"))
    assert rig.from_wire(udp(REMOTE, A, (53, 40000))).reason == "revoked"


@FAMILIES
def test_an_answer_that_was_under_way_does_not_reopen_a_revoked_flow_from_its_other_end(rig: Rig, family: int) -> None:
    assert rig.from_wire(udp(REMOTE, A, family=family)).passed
    rig.apply(closed("a"))
    assert rig.from_wire(udp(REMOTE, A, family=family)).reason == "revoked"
    assert rig.from_pod(udp(A, REMOTE, (53, 40000), family)).reason == "revoked"
    assert rig.from_wire(udp(REMOTE, A, family=family)).reason == "revoked"


def test_a_revoked_flow_of_datagrams_is_allowed_again_with_its_permission(rig: Rig) -> None:
    assert rig.from_wire(udp(REMOTE, A)).passed
    rig.apply(closed("a"))
    assert rig.from_wire(udp(REMOTE, A)).reason == "revoked"
    rig.apply()
    assert rig.from_wire(udp(REMOTE, A)).passed
    assert rig.from_pod(udp(A, REMOTE, (53, 40000))).passed


def test_flows_of_an_address_are_forgotten_and_those_of_others_are_not(rig: Rig) -> None:
    """An answer to a former owner's datagram is, to the next one, a packet that it never asked for."""
    rig.apply(closed("a"), closed("b"))
    for family in (4, 6):
        assert rig.from_pod(udp(A, REMOTE, family=family)).passed
        assert rig.from_pod(udp(B, REMOTE, family=family), B_IF).passed
    rig.tables.forget_flows([A[4], A[6]])
    for family in (4, 6):
        assert rig.from_wire(udp(REMOTE, A, (53, 40000), family)).reason == "policy_ingress"
        assert rig.from_wire(udp(REMOTE, B, (53, 40000), family)).passed


@FAMILIES
def test_an_address_is_nobodys_until_the_mesh_knows_its_pod(rig: Rig, family: int) -> None:
    """What was let through to the world on the way there does not get in: the pod's interface is there before its identity."""
    assert rig.from_pod(udp(A, UNKNOWN, family=family)).passed
    assert rig.to_pod(udp(A, UNKNOWN, family=family)).reason == "no_policy"
    assert rig.to_pod(udp(REMOTE, UNKNOWN, family=family)).reason == "no_policy"
    assert rig.from_pod(udp(UNKNOWN, A, family=family), B_IF).reason == "spoofed_source"


@FAMILIES
def test_a_known_flow_to_another_node_does_not_open_a_pod_here(rig: Rig, family: int) -> None:
    """An address that comes to this node is another pod's from then on, before the mesh has heard of it."""
    assert rig.from_pod(udp(A, REMOTE, family=family)).passed
    assert rig.to_pod(udp(A, REMOTE, family=family), A_IF).reason == "no_policy"


def test_an_entry_does_not_let_in_who_comes_from_elsewhere(rig: Rig) -> None:
    assert rig.from_pod(tcp(A, B)).passed
    assert rig.from_pod(tcp(A, B, "PA"), B_IF).reason == "spoofed_source"
    assert rig.from_wire(tcp(A, B, "PA")).reason == "spoofed_source"
    assert rig.from_pod(tcp(A, B, "PA"), A_IF).passed
    assert rig.from_pod(tcp(A, REMOTE)).passed
    assert rig.from_wire(tcp(REMOTE, A, "SA", BACK), OTHER_WIRE_IF).reason == "spoofed_source"


def test_who_is_spoofed_keeps_its_flow(rig: Rig) -> None:
    rig.apply(closed("a"))
    assert rig.from_pod(udp(A, REMOTE)).passed
    rig.apply(closed("a"), closed("b"))
    assert rig.from_pod(udp(A, REMOTE), B_IF).reason == "spoofed_source"
    assert rig.from_wire(udp(REMOTE, A, (53, 40000))).passed


def test_flows_that_meet_in_one_set_are_kept_apart(rig: Rig) -> None:
    """700 flows: some fifteen pairs meet in one of the 16,384 sets, and hardly a set has more than its four ways.

    No more than that: a guest that is interpreted would take about as long to open them as a datagram's flow is remembered.
    """
    rig.apply(closed("a"))
    for number in range(700):
        assert rig.from_pod(udp(A, OUTSIDE, (1024 + number, 53))).passed
    known = sum(rig.from_wire(udp(OUTSIDE, A, (53, 1024 + number))).passed for number in range(700))
    assert known >= 697
    assert not rig.from_wire(udp(OUTSIDE, A, (53, 60000))).passed
