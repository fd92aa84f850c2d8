"""Real packets in a real lab: what is sent is seen to leave, and what arrives is seen at the server."""

from collections.abc import Iterator

import pytest
from scapy.layers.l2 import Dot1Q
from scapy.utils import rdpcap

from harness.dataplanes import find
from harness.dataplanes.port import Attachment
from harness.lab import netns
from harness.lab.port import Lab
from harness.manifests.place import SCENARIOS
from harness.manifests.topology import load_topology
from harness.model.origin import Origin
from harness.model.packet import Arrived, CraftedPacket
from harness.model.policy import LabelSelector, NetworkPolicy
from harness.traffic.packet.shooting import shoot

SERVER = "shop/server"
ISOLATED = NetworkPolicy(Origin("np.yaml", 1), "isolated", "shop", LabelSelector({"app": "server"}), ("Ingress",))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with netns.up(load_topology(SCENARIOS / "topologies" / "pair.yaml")) as up:
        yield up


def crafted(*crafts: str, family: int = 4) -> list[CraftedPacket]:
    return [CraftedPacket(craft, "shop/client", SERVER, 8080, family) for craft in crafts]


@pytest.mark.parametrize("family", [4, 6])
def test_where_nothing_denies_packets_arrive_whole_and_what_kernels_drop_does_not(lab: Lab, family: int) -> None:
    packets = crafted("tcp-syn-fin", "udp-fragments-tiny", "vlan-priority", "icmp-error-known", "ttl-one", family=family)
    landed = [landing.arrived for landing in shoot(packets, lab)]
    assert landed == [Arrived.WHOLE] * 4 + [Arrived.NOTHING]


def test_captures_of_both_ends_are_kept_where_they_are_asked_for(lab: Lab) -> None:
    kept, other = shoot(crafted("vlan-priority", "tcp-syn"), lab, keep=lambda number, arrived: number == 0)
    assert other.captures == ()
    client, server = (rdpcap(str(file)) for file in kept.captures)
    assert any(Dot1Q in frame for frame in client)
    assert any(Dot1Q not in frame for frame in server)


@pytest.fixture(scope="module", params=["ebpf", "nftables"])
def attachment(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Attachment]:
    with find(request.param).attach(lab) as attached:
        yield attached


def test_a_plane_that_isolates_the_server_lets_nothing_arrive_and_then_all_again(lab: Lab, attachment: Attachment) -> None:
    packets = crafted("tcp-syn", "udp-fragments", "udp-fragments-rewritten")
    attachment.apply([ISOLATED])
    assert {landing.arrived for landing in shoot(packets, lab)} == {Arrived.NOTHING}
    attachment.apply([])
    assert [landing.arrived for landing in shoot(packets[:2], lab)] == [Arrived.WHOLE] * 2
