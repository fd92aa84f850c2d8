from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.campaign.plan import DEFAULT_PLANES, QUICK_PLANES, Mode, Unsupported, plan
from harness.campaign.ticks import whole_ticks
from harness.judge.interval import MINIMUM_BLOCKS
from harness.model.bench import BenchScenario, LoadKind, LoadPoint, Share
from harness.model.origin import Origin
from harness.model.topology import Topology


def scenario(name: str = "http", **loads: LoadPoint) -> BenchScenario:
    points = loads or {
        "latency": LoadPoint("latency", LoadKind.LATENCY, 2, 0.5, rate=1000),
        "half": LoadPoint("half", LoadKind.LATENCY, 2, 0.5, half_of_slowest=True),
        "maximum": LoadPoint("maximum", LoadKind.MAXIMUM, 2, 0.5),
        "bulk": LoadPoint("bulk", LoadKind.BULK, 2, 0.5),
    }
    topology = Topology("none", (), (), ())
    return BenchScenario(name, "", "", Origin("s.yaml", 1), topology, "a/b", "a/c", 80, (), (), tuple(points.values()))


@given(seed=st.integers(0, 10**6), planes=st.integers(1, 6), row=st.integers(0, 20))
def test_every_arm_stands_once_in_each_place_over_as_many_blocks_as_arms(seed: int, planes: int, row: int) -> None:
    campaign = plan([scenario()], [f"p{i}" for i in range(planes)], Mode.DEFAULT, blocks=None, seed=seed)
    arms = len(campaign.arms)
    for turn in range(2):
        places = Counter(
            (place, arm.name)
            for block in range(turn * arms, (turn + 1) * arms)
            for place, arm in enumerate(campaign.arms_of(block, row))
        )
        assert set(places.values()) == {1}
        assert len(places) == arms**2


def test_the_order_depends_on_the_seed_and_on_nothing_else() -> None:
    def orders(seed: int) -> list[list[str]]:
        campaign = plan([scenario()], [], Mode.FULL, blocks=None, seed=seed)
        return [[arm.name for arm in campaign.arms_of(block)] for block in range(12)]

    assert orders(1) == orders(1)
    assert orders(1) != orders(2)


def test_a_default_campaign_has_an_a_a_pair_of_its_control_and_enough_blocks() -> None:
    campaign = plan([scenario()], [], Mode.DEFAULT, blocks=None, seed=1)
    assert [arm.name for arm in campaign.arms] == [*DEFAULT_PLANES, "plain#2"]
    assert campaign.arms[-1].dataplane == "plain"
    assert campaign.blocks >= MINIMUM_BLOCKS


def test_a_quick_run_is_one_block_of_three_planes_without_loads_that_need_a_maximum() -> None:
    campaign = plan([scenario()], [], Mode.QUICK, blocks=None, seed=1)
    assert [arm.name for arm in campaign.arms] == list(QUICK_PLANES)
    assert campaign.blocks == 1
    assert [load.name for load in campaign.loads(campaign.scenarios[0])] == ["latency", "maximum"]
    assert campaign.needs_maximum(campaign.scenarios[0]) is None


def test_half_of_the_maximum_is_taken_from_the_scenarios_own_maximum_load() -> None:
    campaign = plan([scenario()], [], Mode.DEFAULT, blocks=None, seed=1)
    wanted = campaign.needs_maximum(campaign.scenarios[0])
    assert wanted is not None
    assert wanted.name == "maximum"


@pytest.mark.parametrize("mode", list(Mode))
def test_the_number_of_cells_is_that_of_the_orders(mode: Mode) -> None:
    campaign = plan([scenario("a"), scenario("b")], [], mode, blocks=None, seed=3)
    listed = sum(
        len(row.arms)
        for block in range(1, campaign.blocks + 1)
        for each in campaign.scenarios
        for row in campaign.rows_of(block, each)
    )
    assert listed == campaign.cells


@pytest.mark.parametrize(("maximum", "offered"), [(3421.0, 3250.0), (250.0, 250.0), (90.0, 90.0), (4000.0, 4000.0)])
def test_half_of_the_maximum_is_offered_in_whole_ticks(maximum: float, offered: float) -> None:
    assert whole_ticks(maximum) == offered


def test_a_scenario_is_measured_on_the_planes_that_can_do_it_alone() -> None:
    lacking = [Unsupported("a", "p1", "no"), Unsupported("b", "p0", "no"), *(Unsupported("c", f"p{i}", "no") for i in range(3))]
    scenarios = [scenario("a"), scenario("b"), scenario("c")]
    campaign = plan(scenarios, ["p0", "p1", "p2"], Mode.DEFAULT, blocks=None, seed=5, unsupported=lacking)
    for each, wanted in zip(scenarios, [["p0", "p0#2", "p2"], ["p1", "p2"], []], strict=True):
        assert sorted(arm.name for arm in campaign.arms_for(each)) == wanted
        for block in range(1, campaign.blocks + 1):
            rows = campaign.rows_of(block, each)
            assert len(rows) == (len(campaign.loads(each)) if wanted else 0)
            assert all(sorted(arm.name for arm in row.arms) == wanted for row in rows)
    assert campaign.cells == campaign.blocks * len(campaign.loads(scenarios[0])) * (3 + 2)


def test_what_is_not_measured_takes_no_time() -> None:
    whole = plan([scenario("a")], ["p0", "p1"], Mode.DEFAULT, blocks=None, seed=1)
    less = plan([scenario("a")], ["p0", "p1"], Mode.DEFAULT, blocks=None, seed=1, unsupported=[Unsupported("a", "p1", "no")])
    assert less.seconds == pytest.approx(whole.seconds * 2 / 3)


def test_a_full_campaign_measures_what_is_noisy_in_every_block_and_the_rest_about_as_often_as_a_default_one() -> None:
    full, default = (plan([scenario()], [], mode, blocks=None, seed=1) for mode in (Mode.FULL, Mode.DEFAULT))
    counts = Counter(row.load.name for block in range(1, full.blocks + 1) for row in full.rows_of(block, full.scenarios[0]))
    assert (counts["latency"], counts["half"]) == (full.blocks, full.blocks)
    assert {counts["maximum"], counts["bulk"]} == {default.blocks - 1}
    assert full.blocks > 2 * default.blocks


def test_a_full_campaign_of_few_blocks_leaves_nothing_out() -> None:
    few = plan([scenario()], [], Mode.FULL, blocks=7, seed=1)
    assert all(len(few.rows_of(block, few.scenarios[0])) == 4 for block in range(1, 8))


def test_loads_that_are_named_are_measured_alone_and_scenarios_without_any_take_no_part() -> None:
    searched = scenario(
        "searched",
        capacity=LoadPoint("capacity", LoadKind.CAPACITY, 2, 0.5),
        share=LoadPoint("capacity-50", LoadKind.LATENCY, 2, 0.5, share=Share("capacity", 0.5)),
        bulk=LoadPoint("bulk", LoadKind.BULK, 2, 0.5),
    )
    campaign = plan([scenario(), searched], ["plain"], Mode.DEFAULT, blocks=6, seed=1, only=["ha*", "*-50"])
    assert {each.name: [load.name for load in campaign.loads(each)] for each in campaign.scenarios} == {
        "http": ["half"],
        "searched": ["capacity", "capacity-50"],  # a share needs what it is a share of
    }
    measured = campaign.needs_maximum(campaign.scenarios[0])
    assert measured is not None
    assert measured.name == "maximum"  # the survey's, though no block measures it
    assert campaign.cells == 6 * 2 * 3
    (only,) = plan([scenario(), searched], ["plain"], Mode.DEFAULT, blocks=6, seed=1, only=["latency"]).scenarios
    assert only.name == "http"
