from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.campaign.journal import Journal
from harness.campaign.machines import Identity, digest, machines, reference, unfit
from harness.campaign.parts import Part, Standing, cells, standings, throw_away
from harness.campaign.plan import Mode, Plan, plan
from harness.campaign.rates import digests, fix
from harness.model.bench import BenchScenario, LoadKind, LoadPoint
from harness.model.origin import Origin
from harness.model.topology import Namespace, Pod, Topology

FAST = {"commit": "c1", "python": "3.11", "processor": "fast"}
SLOW = {**FAST, "processor": "slow"}
HERE = Identity(FAST, {"numpy": "2"})
TOPOLOGY = Topology("t", ("n",), (Namespace("a", {}),), (Pod("b", "a", "n"), Pod("c", "a", "n")))
LOADS = (LoadPoint("bulk", LoadKind.BULK, 1, 0),)


@pytest.fixture
def two_blocks() -> Plan:
    scenario = BenchScenario("http", "", "", Origin("s", 1), TOPOLOGY, "a/b", "a/c", 80, (), (), LOADS)
    return plan([scenario], ["plain"], Mode.DEFAULT, blocks=2, seed=1)


def cell(journal: Journal, block: int, arm: str, **other: Any) -> None:
    journal.append(
        "cell", **{"block": block, "scenario": "http", "load": "bulk", "arm": arm, "attempt": 1, "void": None, **other}
    )


@pytest.mark.parametrize(
    ("worker", "mixed", "said"),
    [
        (HERE, False, None),
        (replace(HERE, fingerprint={**FAST, "commit": "c2"}), True, "worker w runs commit c2, this campaign c1"),
        (replace(HERE, packages={"numpy": "1"}), True, r"other packages: numpy 1 \(here 2\)"),
        (replace(HERE, fingerprint=SLOW), False, r"another machine than the rest \(other processor\).*--mixed-machines"),
        (replace(HERE, fingerprint=SLOW), True, None),
    ],
)
def test_who_may_take_part(worker: Identity, mixed: bool, said: str | None) -> None:
    reason = unfit("w", worker, HERE, FAST, mixed=mixed)
    if said is None:
        assert reason is None
    else:
        with pytest.raises(AssertionError, match=said):
            raise AssertionError(reason)


def test_the_run_goes_by_what_most_machines_are() -> None:
    slow = replace(HERE, fingerprint=SLOW)
    assert reference({"a": HERE, "b": slow, "c": slow}) == SLOW


def test_half_a_block_is_thrown_away_as_a_whole_and_what_is_measured_later_counts(tmp_path: Path, two_blocks: Plan) -> None:
    journal = Journal(tmp_path / "j")
    cell(journal, 1, "plain", worker="a")
    cell(journal, 2, "plain", worker="b")
    cell(journal, 2, "plain#2", worker="b")
    part = Part("t", 1)
    assert standings(two_blocks, journal) == {part: (Standing.HALF, "a"), Part("t", 2): (Standing.WHOLE, "b")}
    assert throw_away(two_blocks, journal, part, "a", "lost", unseen=3) == 4
    assert standings(two_blocks, journal)[part] == (Standing.MISSING, "")
    cell(journal, 1, "plain", worker="b", void="late")
    assert standings(two_blocks, journal)[part] == (Standing.WHOLE, "b")  # a void cell voids its row: the rest is passed over
    assert len(cells(journal)) == 3


def test_absolute_figures_are_of_the_fingerprint_with_most_blocks(tmp_path: Path, two_blocks: Plan) -> None:
    journal = Journal(tmp_path / "j")
    assert machines(two_blocks, journal, FAST).rows == ()
    for worker, fingerprint, blocks in (("a", FAST, [1]), ("b", SLOW, [2])):
        journal.append("machine", worker=worker, fingerprint=fingerprint)
        for block in blocks:
            cell(journal, block, "plain", worker=worker)
    found = machines(two_blocks, journal, FAST)
    assert found.pooled == {"a"}  # as many of each: the run's own
    cell(journal, 1, "plain#2", worker="a")
    throw_away(two_blocks, journal, Part("t", 1), "a", "lost")
    found = machines(two_blocks, journal, FAST)
    assert (found.fingerprint, found.pooled) == (SLOW, {"b"})
    assert [(row.worker, row.blocks, row.absolute, row.differs, row.lost) for row in found.rows] == [
        ("a", (), False, {"processor": "fast"}, (1,)),
        ("b", (2,), True, {}, ()),
    ]


def test_like_machines_share_a_rate_that_a_later_one_does_not_change(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for worker, fingerprint, maximum in (("a", FAST, 9000.0), ("b", FAST, 8000.0), ("c", SLOW, 1000.0)):
        journal.append("machine", worker=worker, fingerprint=fingerprint)
        journal.append("survey", worker=worker, scenario="http", arm="plain", maximum=maximum)
    assert fix(journal, ["http"], digest(FAST), digests(journal, FAST)) == {"http": 4000.0}
    assert fix(journal, ["http"], digest(SLOW), digests(journal, FAST)) == {"http": 500.0}
    journal.append("machine", worker="d", fingerprint=FAST)
    journal.append("survey", worker="d", scenario="http", arm="plain", maximum=2000.0)
    assert fix(journal, ["http"], digest(FAST), digests(journal, FAST)) == {"http": 4000.0}
