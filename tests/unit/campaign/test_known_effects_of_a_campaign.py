import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.campaign.folder import begin
from harness.campaign.known_cells import EVERY, LOADS, SLICE
from harness.campaign.known_effects import KnownEffects, exempt, known_rows
from harness.campaign.plan import Mode, Plan, plan
from harness.campaign.summary import Ending, summarise
from harness.dataplanes import find
from harness.judge.known_effects import BURN, DELAYS, EFFECTS, LOSS, SERVER
from harness.model.bench import KNOWN_EFFECTS, BenchScenario
from harness.model.origin import Origin
from harness.model.topology import Namespace, Pod, Topology
from harness.report.known_effects import told
from harness.report.run import read_run
from harness.traffic.burner import PERIOD


def scenario(name: str, server: str) -> BenchScenario:
    pods = (Pod("client", "b", "n1"), Pod("near", "b", "n1"), Pod("far", "b", "n2"))
    topology = Topology("t", ("n1", "n2"), (Namespace("b", {}),), pods)
    return BenchScenario(name, "", "", Origin("s.yaml", 1), topology, "b/client", server, 8080, (), (), ())


def asked(blocks: int | None = None, mode: Mode = Mode.DEFAULT, seed: int = 1) -> Plan:
    return plan([scenario("same", "b/near"), scenario("cross", "b/far")], ["plain"], mode, blocks=blocks, seed=seed)


def test_every_block_injects_on_the_control_between_the_nodes_in_a_random_order() -> None:
    campaign = asked()
    known = KnownEffects(campaign, {}, ())
    orders = []
    for block in range(1, campaign.blocks + 1):
        rows = known_rows(campaign, "t", block)
        assert all([arm.name for arm in row.arms] == ["plain"] and row.scenario.server == "b/far" for row in rows)
        assert {row.load.name for row in rows} == {effect.load for effect in EFFECTS}
        orders.append([row.load.name for row in rows])
    assert len({tuple(order) for order in orders}) > 1
    again = [[row.load.name for row in known_rows(asked(), "t", block)] for block in range(1, campaign.blocks + 1)]
    assert again == orders
    assert known.cells == campaign.blocks * len(LOADS)
    assert known.seconds < 60


@pytest.mark.parametrize(
    ("blocks", "mode", "why"), [(None, Mode.QUICK, "quick"), (10, Mode.QUICK, "quick"), (5, Mode.DEFAULT, "blocks")]
)
def test_quick_runs_and_those_of_few_blocks_are_exempt_and_say_so(blocks: int | None, mode: Mode, why: str) -> None:
    campaign = asked(blocks, mode)
    assert why in (exempt(campaign) or "")
    known = KnownEffects(campaign, {}, ())
    assert known.cells == 0
    assert known_rows(campaign, "t", 1) == []
    assert exempt(asked(6)) is None


def test_the_figures_are_of_whole_rounds() -> None:
    loss, burn = (next(load for load in LOADS if load.name == name) for name in (LOSS, BURN))
    requests = (loss.rate or 0) * loss.seconds
    assert requests % (EVERY - 1) == 0  # as many losses as requests hold, however the last of them falls
    assert pytest.approx(0) == SLICE % PERIOD
    assert burn.seconds > 8 * SLICE


def ended(folder: Path, found: Sequence[float], *, mode: Mode = Mode.DEFAULT, blocks: int = 8) -> Ending:
    """What becomes of a campaign whose losses were found so many times as often as they were injected, block by block."""
    campaign = asked(blocks, mode)
    journal = begin(folder, campaign, {}, ["meshproof", "bench"])
    for block, times in enumerate(found, 1):
        cells = {
            DELAYS: [
                ["latency_p50", "100us-base", "s", 3e-4], ["latency_p50", "100us-later", "s", 4e-4],
                ["latency_p50", "1ms-base", "s", 11e-4], ["latency_p50", "1ms-later", "s", 21e-4],
            ],
            BURN: [
                ["cpu_per_request_off", SERVER, "s", 25e-6], ["cpu_per_request_on", SERVER, "s", 30e-6],
                ["elapsed_per_request_on", "", "s", 1 / 4000], ["server_share", "", "1", 0.1],
            ],
            LOSS: [["late_share", "", "1", times / 99]],
        }  # fmt: skip
        for load, metrics in cells.items():
            journal.append(
                "cell", block=block, scenario=KNOWN_EFFECTS, load=load, load_kind="latency", rate=1000, arm="plain",
                dataplane="plain", attempt=1, void=None, metrics=metrics, attachments={},
            )  # fmt: skip
    status = summarise(folder, campaign, journal, [], {"plain": find("plain")})
    journal.close()
    return status


def test_a_campaign_that_recovers_its_effects_counts_and_one_that_does_not_is_void(tmp_path: Path) -> None:
    for name, found in (("good", 1.0), ("bad", 0.5)):
        folder, void = tmp_path / name, name == "bad"
        assert ended(folder, [found] * 8).void is void
        run = json.loads((folder / "run.json").read_text())
        assert [row["recovered"] for row in run["known_effects"]] == [True, True, True, not void]
        assert run["known_effects_exempt"] is None
        assert KNOWN_EFFECTS not in {row["scenario"] for row in run["estimates"]}  # they are compared with nothing
    outcomes = {line.text: line.outcome for line in told(read_run(tmp_path / "bad")).lines}
    assert list(outcomes.values()).count("not recovered") == 1
    assert "void" in told(read_run(tmp_path / "bad")).sentence


def test_an_interrupted_row_of_them_voids_the_campaign(tmp_path: Path) -> None:
    assert ended(tmp_path / "run", [1.0] * 5).void


def test_a_quick_run_is_not_void_for_want_of_them_and_says_so(tmp_path: Path) -> None:
    assert not ended(tmp_path / "run", [], mode=Mode.QUICK, blocks=1).void
    assert "quick run is exempt" in told(read_run(tmp_path / "run")).sentence
