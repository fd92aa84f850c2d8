from pathlib import Path
from typing import Any

import pytest

from harness.campaign.journal import Journal
from harness.campaign.plan import Mode, plan
from harness.campaign.samples import gather
from harness.campaign.summary import is_void
from harness.model.bench import BenchScenario, LoadKind, LoadPoint
from harness.model.origin import Origin
from harness.model.topology import Topology

LOADS = (LoadPoint("late", LoadKind.LATENCY, 1, 0, rate=1000), LoadPoint("maximum", LoadKind.MAXIMUM, 1, 0))


@pytest.mark.parametrize(
    ("mode", "metrics", "void"),
    [
        (Mode.DEFAULT, [["latency_p50", "", "s", 1.0]], True),
        (Mode.QUICK, [["latency_p50", "", "s", 1.0]], False),
        (Mode.QUICK, [], True),  # a load that gave nothing at all
    ],
)
def test_a_late_generator_voids_a_campaign_but_not_a_quick_one(
    tmp_path: Path, mode: Mode, metrics: list[Any], void: bool
) -> None:
    scenario = BenchScenario("http", "", "", Origin("s", 1), Topology("t", (), (), ()), "a/b", "a/c", 80, (), (), LOADS)
    journal = Journal(tmp_path / "j")
    for load, reason, found in (
        ("late", "the generator was late", metrics),
        ("maximum", None, [["throughput", "", "1/s", 9.0]]),
    ):
        journal.append(
            "cell", block=1, scenario="http", load=load, load_kind="latency", rate=1000, arm="plain", dataplane="plain",
            attempt=1, void=reason, metrics=found, attachments={},
        )  # fmt: skip
    assert is_void(plan([scenario], ["plain"], mode, blocks=1, seed=1), gather(journal)) is void
