"""What is drawn can be written, and what is written is read as it was drawn."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from placeless import placeless

from harness.campaign.conformance.oracles import consult
from harness.dataplanes import find
from harness.lab.addressing import plan
from harness.manifests.case import load_cases
from harness.manifests.objects import load_policies
from harness.manifests.writing import manifests
from harness.model.flow import Verdict
from harness.model.packet import CraftedPacket
from harness.search.drafts import Draft, Scope, drafts
from harness.search.expected import Expected, ExpectedPacket, expected
from harness.search.scope import scope_of
from harness.search.trials import load
from harness.search.writing import Told, written

SAMPLE = 60
TOLD = Told("A title: with a colon", "conform --search 1")


@pytest.fixture(scope="module")
def scope() -> Scope:
    return scope_of(find("nftables"))


@pytest.fixture(scope="module")
def sample(scope: Scope) -> list[Draft]:
    drawn: list[Draft] = []

    @seed(7)
    @settings(max_examples=SAMPLE, phases=(Phase.generate,), database=None, deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(drafts(scope))
    def draw(draft: Draft) -> None:
        drawn.append(draft)

    draw()
    return drawn


def delivered(packet: CraftedPacket) -> bool:
    return packet.craft != "ttl-one"


def expectation(draft: Draft, scope: Scope) -> Expected:
    return expected(draft, plan(scope.topology).topology, scope.words.ports, delivered)


def test_policies_are_read_as_they_were_drawn(sample: list[Draft], tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    for draft in sample:
        if draft.policies:
            file.write_text(manifests(draft.policies))
            assert placeless(load_policies([file]).policies) == placeless(draft.policies)


def test_a_written_case_asks_what_is_expected_and_no_oracle_contradicts_it(
    sample: list[Draft], scope: Scope, tmp_path: Path
) -> None:
    asked = Counter[str]()
    for draft in sample:
        wanted = expectation(draft, scope)
        if not wanted:
            continue
        case = load(written(tmp_path, wanted, scope.topology.name, TOLD))
        (step,) = case.steps
        assert case.title == TOLD.title
        assert case.area == ("packets" if wanted.packets else "policy")
        assert {each.flow: each.verdict for each in step.expectations} == wanted.flows
        assert {ExpectedPacket(each.packet, each.verdict is Verdict.FORWARDED, each.delivered) for each in step.packets} == set(
            wanted.packets
        )
        assert placeless(step.policies) == placeless(wanted.policies)
        assert not consult(case, plan(case.topology).topology).contradictions
        asked.update(wanted.flows.values())
        asked.update("arrives" if each.arrives else "stopped" for each in wanted.packets)
    assert min(asked[what] for what in (Verdict.FORWARDED, Verdict.DENIED, "arrives", "stopped")) > SAMPLE / 6, asked


def test_the_same_example_is_written_to_the_same_folder(sample: list[Draft], scope: Scope, tmp_path: Path) -> None:
    wanted = next(each for each in (expectation(draft, scope) for draft in sample) if each)
    first = written(tmp_path, wanted, scope.topology.name, TOLD)
    (first / "captures").mkdir()
    assert written(tmp_path, wanted, scope.topology.name, Told("another", "x")) == first
    assert [case.title for case in load_cases([tmp_path])] == ["another"]
    assert not (first / "captures").exists()


def test_a_plane_is_asked_what_it_claims_and_not_what_is_known_to_fail() -> None:
    sidecar, mesh = scope_of(find("sidecar-mtls")), scope_of(find("ebpf"))
    assert sidecar.protocols == ("TCP",)
    assert sidecar.cilium
    assert not scope_of(find("node-l4")).cilium
    assert "tcp-syn" not in sidecar.crafts
    assert mesh.protocols == ("TCP", "UDP", "ICMP")
    assert {"tcp-ack-low-port", "udp-fragments-reversed"}.isdisjoint(mesh.crafts)
    assert {"tcp-syn", "udp", "tcp-ack"} <= set(mesh.crafts)
