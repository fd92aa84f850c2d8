import pytest

from harness.judge.packets import PacketSight, contradiction, judge_packets, packet_twins, together
from harness.model.crafts import CRAFTS
from harness.model.flow import Evidence, Verdict
from harness.model.origin import Origin
from harness.model.packet import Arrived, CraftedPacket, PacketExpectation, imitated
from harness.model.verdict import Answer, Decision

FREE, SHUT = Decision(Verdict.FORWARDED, None, "allowed"), Decision(Verdict.DROPPED, Origin("np.yaml", 4), "isolated")
ALLOWS, DENIES = Answer(Verdict.FORWARDED, FREE, FREE), Answer(Verdict.DROPPED, FREE, SHUT)


def expected(craft: str, verdict: str, client: str = "shop/client", family: int = 4) -> PacketExpectation:
    packet = CraftedPacket(craft, client, "shop/api", 8080, family)
    return PacketExpectation(Origin("scenario.yaml", 9), packet, Verdict(verdict))


@pytest.mark.parametrize(
    ("craft", "verdict", "answers", "said"),
    [
        ("tcp-syn", "forwarded", (ALLOWS, ALLOWS), None),
        ("tcp-syn", "dropped", (DENIES, DENIES), None),
        ("tcp-syn", "dropped", (ALLOWS, ALLOWS), "the oracles say forwarded"),
        ("tcp-syn", "forwarded", (ALLOWS, DENIES), "the oracles say dropped and forwarded"),
        ("tcp-ack", "dropped", (DENIES, DENIES), None),
        ("tcp-ack", "dropped", (ALLOWS, ALLOWS), "may arrive or not"),
        ("tcp-ack", "dropped", (ALLOWS, DENIES), "may arrive or not"),
        ("tcp-ack", "forwarded", (ALLOWS, ALLOWS), "cannot be expected"),
        ("tcp-null", "dropped", (ALLOWS, ALLOWS), None),
        ("tcp-null", "forwarded", (ALLOWS, ALLOWS), "no flag at all"),
    ],
)
def test_what_is_expected_follows_from_the_claim_and_the_oracles(
    craft: str, verdict: str, answers: tuple[Answer, Answer], said: str | None
) -> None:
    found = contradiction(expected(craft, verdict), answers)
    assert found is None if said is None else said in str(found)


def judged(expectation: PacketExpectation, arrived: Arrived, after: bool = False) -> tuple[str, ...]:
    flow = imitated(expectation.packet, CRAFTS[expectation.packet.craft])
    sight = PacketSight(expectation, arrived, "1 frames at the server", Evidence("ebpf", "policy_ingress"), after)
    return judge_packets([sight], {flow: DENIES}).faults


@pytest.mark.parametrize("arrived", [Arrived.WHOLE, Arrived.PART])
def test_anything_that_arrives_of_a_packet_that_must_not_is_a_fault(arrived: Arrived) -> None:
    (fault,) = judged(expected("udp-fragments", "dropped"), arrived)
    assert "expected dropped" in fault
    assert "deciding rule: np.yaml:4" in fault


@pytest.mark.parametrize("arrived", [Arrived.NOTHING, Arrived.PART])
def test_less_than_all_of_a_packet_that_must_arrive_is_a_fault(arrived: Arrived) -> None:
    (fault,) = judged(expected("udp-fragments", "forwarded"), arrived, after=True)
    assert "when sent again" in fault


def test_packets_that_fare_as_expected_leave_the_planes_reasons() -> None:
    assert judged(expected("tcp-syn", "dropped"), Arrived.NOTHING) == ()
    assert judged(expected("tcp-syn", "forwarded"), Arrived.WHOLE) == ()


def test_the_twin_is_the_likest_packet_that_must_arrive() -> None:
    far, near, six = expected("udp", "forwarded"), expected("tcp-syn", "forwarded"), expected("tcp-syn", "forwarded", family=6)
    stopped = expected("tcp-ack", "dropped")
    assert packet_twins([far, near, six, stopped]) == [near]
    assert packet_twins([far, near]) == []


def test_a_step_has_the_faults_of_its_flows_and_of_its_packets() -> None:
    flows, packets = (
        judge_packets([], {}),
        judge_packets([PacketSight(expected("tcp-syn", "dropped"), Arrived.NOTHING, "")], {}),
    )
    assert together(flows, packets).faults == ()
