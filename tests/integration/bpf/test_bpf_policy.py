"""Who may open what: identities, ports, blocks, both directions, both families."""

import pytest
from policies import allow, closed
from rig import B_IF, OUTSIDE, REMOTE, A, B, Rig, ip, tcp, udp
from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoRequest

from harness.mesh.drops import number
from harness.mesh.layout import U32
from harness.model.policy import IPBlock

FAMILIES = pytest.mark.parametrize("family", [4, 6])


@FAMILIES
def test_without_policies_pods_reach_each_other_and_the_world(rig: Rig, family: int) -> None:
    assert rig.from_pod(tcp(A, B, family=family)).action == "redirect"
    assert rig.from_pod(tcp(A, REMOTE, family=family)).action == "redirect"
    assert rig.from_pod(tcp(A, OUTSIDE, family=family)).action == "stack"
    assert rig.from_wire(tcp(REMOTE, A, family=family)).action == "redirect"
    assert rig.from_wire(tcp(OUTSIDE, A, family=family)).action == "redirect"


@FAMILIES
def test_a_closed_pod_is_closed_on_every_path(rig: Rig, family: int) -> None:
    rig.apply(closed("b"))
    for outcome in (
        rig.from_pod(tcp(A, B, family=family)),
        rig.from_wire(tcp(REMOTE, B, family=family)),
        rig.from_wire(tcp(OUTSIDE, B, family=family)),
        rig.to_pod(tcp(REMOTE, B, family=family)),
    ):
        assert (outcome.action, outcome.reason) == ("drop", "policy_ingress")


def test_the_same_packet_passes_once_the_policy_is_flipped(rig: Rig) -> None:
    """These assertions can fail: the twin of a denied packet is let through by the opposite policy."""
    rig.apply(closed("b"))
    assert rig.from_pod(tcp(A, B)).action == "drop"
    rig.apply(allow("b", "a"))
    assert rig.from_pod(tcp(A, B)).action == "redirect"
    rig.apply(closed("b"))
    assert rig.from_pod(tcp(A, B)).action == "drop"


@FAMILIES
def test_egress_is_judged_where_the_packet_leaves_its_pod(rig: Rig, family: int) -> None:
    rig.apply(closed("a", "Egress"))
    for destination in (B, REMOTE, OUTSIDE):
        outcome = rig.from_pod(tcp(A, destination, family=family))
        assert (outcome.action, outcome.reason) == ("drop", "policy_egress")
    assert rig.from_pod(tcp(B, A, family=family), B_IF).passed


def test_a_peer_is_known_by_its_labels(rig: Rig) -> None:
    rig.apply(allow("b", "a"))
    assert rig.from_pod(tcp(A, B)).passed
    assert rig.from_wire(tcp(REMOTE, B)).reason == "policy_ingress"


@pytest.mark.parametrize(("port", "passes"), [(7999, False), (8000, True), (8079, True), (8080, False)])
def test_a_range_ends_with_its_end_port(rig: Rig, port: int, passes: bool) -> None:
    rig.apply(allow("b", "a", 8000, last=8079))
    assert rig.from_pod(tcp(A, B, ports=(40000, port))).passed is passes


def test_a_port_is_open_for_its_protocol_only(rig: Rig) -> None:
    rig.apply(allow("b", "a", 53, protocol="UDP"))
    assert rig.from_pod(udp(A, B)).passed
    assert rig.from_pod(tcp(A, B, ports=(40000, 53))).reason == "policy_ingress"


def test_a_protocol_without_port_opens_all_its_ports(rig: Rig) -> None:
    rig.apply(allow("b", "a", protocol="UDP"))
    assert rig.from_pod(udp(A, B, (40000, 1))).passed
    assert not rig.from_pod(tcp(A, B)).passed


def test_a_named_port_is_the_pods_own(rig: Rig) -> None:
    rig.apply(allow("b", "a", "http"))
    assert rig.from_pod(tcp(A, B, ports=(40000, 8080))).passed
    assert not rig.from_pod(tcp(A, B, ports=(40000, 8081))).passed


@FAMILIES
def test_ping_needs_a_rule_without_ports(rig: Rig, family: int) -> None:
    ping = ip(A, B, family) / (ICMP(type=8, id=7) if family == 4 else ICMPv6EchoRequest(id=7))
    rig.apply(allow("b", "a", 8080))
    assert rig.from_pod(ping).reason == "policy_ingress"
    rig.apply(allow("b", "a"))
    assert rig.from_pod(ping).passed


@pytest.mark.parametrize(
    ("family", "block"),
    [(4, IPBlock("192.0.2.0/24", ("192.0.2.0/29",))), (6, IPBlock("2001:db8::/32", ("2001:db8::/125",)))],
)
def test_an_exception_of_a_block_is_closed(rig: Rig, family: int, block: IPBlock) -> None:
    beside = {4: "192.0.2.8", 6: "2001:db8::8"}
    rig.apply(allow("b", block=block))
    assert rig.from_wire(tcp(beside, B, family=family)).passed
    assert rig.from_wire(tcp(OUTSIDE, B, family=family)).reason == "policy_ingress"


@FAMILIES
def test_a_block_holds_pods_too(rig: Rig, family: int) -> None:
    rig.apply(allow("b", block=IPBlock(f"{REMOTE[4]}/32" if family == 4 else f"{REMOTE[6]}/128")))
    assert rig.from_wire(tcp(REMOTE, B, family=family)).passed
    assert not rig.from_pod(tcp(A, B, family=family)).passed


def test_a_block_goes_when_its_policy_goes(rig: Rig) -> None:
    rig.apply(allow("b", block=IPBlock("0.0.0.0/0")))
    assert rig.from_wire(tcp(OUTSIDE, B)).passed
    rig.apply(closed("b"))
    assert not rig.from_wire(tcp(OUTSIDE, B, ports=(40001, 8080))).passed
    assert not rig.from_pod(tcp(A, B)).passed


def test_an_identity_that_the_tables_do_not_know_is_closed(rig: Rig) -> None:
    memory = rig.maps["subjects"].memory()
    held = memory[:]
    memory[:] = bytes(len(held))
    try:
        assert rig.from_pod(tcp(A, OUTSIDE)).reason == "no_policy"
    finally:
        memory[:] = held
        memory.close()


def test_an_event_says_who_where_and_by_which_policy(rig: Rig) -> None:
    rig.apply(closed("b"))
    event = rig.from_wire(tcp(REMOTE, B)).event
    assert event is not None
    assert (event.source, event.source_port, event.destination, event.destination_port) == (REMOTE[4], 40000, B[4], 8080)
    assert event.source_identity != event.destination_identity > 0
    assert (event.rule, event.direction, event.generation) == (1, 1, rig.tables.generation)


def test_drops_are_counted_by_reason(rig: Rig) -> None:
    def count() -> int:
        values = rig.maps["drops"].per_cpu(U32.pack(number("policy_ingress")))
        return sum(int.from_bytes(value, "little") for value in values)

    rig.apply(closed("b"))
    before = count()
    for _ in range(3):
        rig.from_pod(tcp(A, B))
    assert count() - before == 3


def test_events_beyond_the_ring_are_counted_as_lost(rig: Rig) -> None:
    def lost() -> int:
        return sum(int.from_bytes(value, "little") for value in rig.maps["lost_events"].per_cpu(U32.pack(0)))

    rig.apply(closed("b"))
    before = lost()
    rig.repeat("from_pod", tcp(A, B), 40_000)
    assert lost() > before
