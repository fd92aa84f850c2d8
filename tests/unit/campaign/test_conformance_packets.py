from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.campaign.conformance import packets
from harness.campaign.conformance.features import needs
from harness.campaign.conformance.packets import judge_packets_on, packets_on_control
from harness.dataplanes.port import Feature
from harness.model.case import Case, Step
from harness.model.flow import Evidence, Flow, Verdict
from harness.model.origin import Origin
from harness.model.packet import Arrived, CraftedPacket, PacketExpectation
from harness.model.topology import Topology
from harness.model.verdict import Answer, Decision
from harness.traffic.packet.shooting import Landing

DROPPED = Decision(Verdict.DROPPED, Origin("np.yaml", 3), "isolated")
ANSWERS = {
    Flow(source, "shop/api", 8080): Answer(Verdict.DROPPED, DROPPED, DROPPED)
    for source in ("shop/client", "data/db", "192.0.2.7")
}


def packet(craft: str, source: str = "data/db", claims: str | None = None) -> CraftedPacket:
    return CraftedPacket(craft, source, "shop/api", 8080, 4, claims)


THROUGH = PacketExpectation(Origin("s.yaml", 7), packet("tcp-syn", "shop/client"), Verdict.FORWARDED)
STOPPED = PacketExpectation(Origin("s.yaml", 8), packet("tcp-ack"), Verdict.DROPPED)
BROKEN = PacketExpectation(Origin("s.yaml", 9), packet("ttl-one"), Verdict.DROPPED, delivered=False)
OUTSIDE = PacketExpectation(Origin("s.yaml", 9), packet("tcp-spoofed", claims="192.0.2.7"), Verdict.DROPPED)

Shooting = Callable[..., list[CraftedPacket]]


@pytest.fixture
def arriving(monkeypatch: pytest.MonkeyPatch) -> Shooting:
    """Has the packets of these crafts arrive, in part or whole; returns the list of what will be sent."""

    def arriving(**crafts: Arrived) -> list[CraftedPacket]:
        sent: list[CraftedPacket] = []

        def shoot(packets: Sequence[CraftedPacket], lab: Any, keep: Any = None) -> list[Landing]:
            sent.extend(packets)
            return [Landing(crafts.get(each.craft.replace("-", "_"), Arrived.NOTHING), 1) for each in packets]

        monkeypatch.setattr(packets, "shoot", shoot)
        return sent

    return arriving


def step(*packets: PacketExpectation) -> Step:
    return Step(Origin("s.yaml", 5), (), (), packets=packets)


def case(*packets: PacketExpectation) -> Case:
    return Case("c", "packets", "t", "w", Origin("s.yaml", 1), Topology("t", ("n1",), (), ()), (step(*packets),))


ATTACHMENT: Any = SimpleNamespace(evidence=lambda flow: Evidence("plane", f"drop of {flow.source}"))
LAB: Any = None


def test_what_must_arrive_is_sent_before_and_after_what_must_not(arriving: Shooting) -> None:
    sent = arriving(tcp_syn=Arrived.WHOLE)
    judged = judge_packets_on(step(STOPPED, THROUGH), LAB, ATTACHMENT, ANSWERS)
    assert sent == [THROUGH.packet, STOPPED.packet, THROUGH.packet]
    assert (judged.faults, judged.evidence) == ((), "drop of data/db x 1")


def test_an_end_that_is_no_pod_is_not_asked_about(arriving: Shooting) -> None:
    arriving(tcp_syn=Arrived.WHOLE)
    assert judge_packets_on(step(OUTSIDE, THROUGH), LAB, ATTACHMENT, ANSWERS).evidence == ""


def test_a_server_that_hears_nothing_any_more_is_found_out(arriving: Shooting) -> None:
    arriving()
    faults = judge_packets_on(step(STOPPED, THROUGH), LAB, ATTACHMENT, ANSWERS).faults
    assert len(faults) == 2
    assert "when sent again" in faults[1]


def test_the_control_delivers_what_the_case_says_that_it_delivers(arriving: Shooting) -> None:
    arriving(tcp_syn=Arrived.WHOLE, tcp_ack=Arrived.WHOLE)
    assert packets_on_control([case(THROUGH, STOPPED, BROKEN)], LAB) == {}


def test_a_packet_that_fares_otherwise_on_the_control_is_named(arriving: Shooting) -> None:
    arriving(tcp_syn=Arrived.PART, ttl_one=Arrived.WHOLE)
    found = packets_on_control([case(THROUGH, STOPPED, BROKEN)], LAB)
    assert "only a part arrives" in found[THROUGH.packet]
    assert "does not arrive" in found[STOPPED.packet]
    assert "the case says that it is undelivered" in found[BROKEN.packet]


def test_packets_need_what_the_flows_need_that_they_imitate() -> None:
    six = PacketExpectation(
        Origin("s.yaml", 9), CraftedPacket("icmp-error-unknown", "a/b", "c/d", 53, 6), Verdict.DROPPED
    )  # fmt: skip
    assert set(needs(case(six))) == {Feature.POLICY_UDP, Feature.IPV6}
    assert set(needs(case(STOPPED))) == {Feature.POLICY_TCP}


def test_captures_of_both_ends_are_named_once() -> None:
    folder = Path("/run/lab/files/packets")
    landing = Landing(Arrived.WHOLE, 1, (folder / "0a-tcp-syn-client.pcap", folder / "0a-tcp-syn-server.pcap"))
    told = "1 frame at the server; captures while the lab is up: /run/lab/files/packets/0a-tcp-syn-{client,server}.pcap"
    assert packets._detail(landing) == told
    assert packets._detail(Landing(Arrived.PART, 2)) == "2 frames at the server"
