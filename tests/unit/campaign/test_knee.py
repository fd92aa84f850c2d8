"""Loads at a share of each plane's own capacity: which capacity, and when in a block."""

from pathlib import Path

import pytest

from harness.campaign.journal import Journal
from harness.campaign.knee import at_share, offered
from harness.campaign.plan import Mode, plan
from harness.model.bench import BenchScenario, LoadKind, LoadPoint, Search, Share
from harness.model.origin import Origin
from harness.model.result import CellKey
from harness.model.topology import Topology
from harness.traffic.port import LoadFailed

CAPACITY = LoadPoint("top", LoadKind.CAPACITY, 10, 0, search=Search(99, 0.01))
HALF = LoadPoint("top-50", LoadKind.LATENCY, 1, 0, share=Share("top", 0.5))
KEY = CellKey(2, "http", "top-50", "plain#2")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def found(
    journal: Journal, capacity: float, *, block: int = 2, arm: str = "plain#2", attempt: int = 1, void: str | None = None
) -> None:
    metrics = [] if void else [["capacity", "", "1/s", capacity]]
    journal.append(
        "cell", block=block, scenario="http", load="top", arm=arm, attempt=attempt, void=void, metrics=metrics
    )  # fmt: skip


def test_the_share_is_of_the_same_block_and_arm(journal: Journal) -> None:
    found(journal, 8000)
    found(journal, 100, block=1)
    found(journal, 200, arm="plain")
    point = at_share(HALF, journal, KEY, 1)
    assert point.rate == 4000
    assert [(metric.name, metric.value) for metric in offered(point)] == [("offered", 4000)]


def test_a_void_search_leaves_an_earlier_capacity_and_a_later_one_replaces_it(journal: Journal) -> None:
    found(journal, 8000)
    found(journal, 0, attempt=2, void="the generator died")
    assert at_share(HALF, journal, KEY, 2).rate == 4000
    found(journal, 6000, attempt=2)
    assert at_share(HALF, journal, KEY, 2).rate == 3000


def test_without_a_capacity_there_is_nothing_to_take_a_share_of(journal: Journal) -> None:
    found(journal, 8000, block=1)
    with pytest.raises(LoadFailed, match=r"block 2 found no capacity on plain#2"):
        at_share(HALF, journal, KEY, 1)


def test_other_loads_stay_as_they_are(journal: Journal) -> None:
    assert at_share(CAPACITY, journal, KEY, 1) is CAPACITY
    assert not list(offered(CAPACITY))


def test_a_block_searches_before_it_takes_shares() -> None:
    loads = (HALF, CAPACITY, LoadPoint("other", LoadKind.LATENCY, 1, 0, rate=1))
    scenario = BenchScenario("http", "", "", Origin("s", 1), Topology("t", (), (), ()), "a/b", "a/c", 80, (), (), loads)
    campaign = plan([scenario], ["plain"], Mode.DEFAULT, blocks=None, seed=1)
    for block in range(1, 20):
        order = [row.load.name for row in campaign.rows_of(block, scenario)]
        assert order.index("top") < order.index("top-50")
