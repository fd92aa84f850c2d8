"""The shipped cases of crafted packets: they follow from the oracles, use every craft and cannot pass on silence."""

import pytest

from harness.campaign.conformance.oracles import consult
from harness.lab.addressing import plan
from harness.manifests.case import load_cases
from harness.manifests.place import SCENARIOS
from harness.model.case import Case
from harness.model.crafts import CRAFTS
from harness.model.flow import Verdict
from harness.model.packet import Claim


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return load_cases([SCENARIOS / "conformance" / "packets"])


def test_both_oracles_agree_with_every_expectation(cases: list[Case]) -> None:
    assert [line for case in cases for line in consult(case, plan(case.topology).topology).contradictions] == []


def test_every_craft_is_asked_about_over_each_of_its_families(cases: list[Case]) -> None:
    asked = {(each.packet.craft, each.packet.family) for case in cases for step in case.steps for each in step.packets}
    assert asked == {(craft.name, family) for craft in CRAFTS.values() for family in craft.families}


def test_every_legal_craft_is_expected_to_arrive_somewhere(cases: list[Case]) -> None:
    """That none arrives would be no finding."""
    through = {
        each.packet.craft for case in cases for step in case.steps for each in step.packets if each.verdict is Verdict.FORWARDED
    }
    assert through == {craft.name for craft in CRAFTS.values() if craft.claim is Claim.LEGAL}


def test_cases_have_a_reason_of_their_own(cases: list[Case]) -> None:
    assert len(cases) >= 30
    assert len({case.why for case in cases}) == len({case.title for case in cases}) == len(cases)
    assert not any(case.generated for case in cases)


def test_where_the_kernel_drops_a_packet_by_itself_the_case_says_so(cases: list[Case]) -> None:
    for case in cases:
        undelivered = any(not each.delivered for step in case.steps for each in step.packets)
        assert undelivered == ("kernel" in case.why), case.id
