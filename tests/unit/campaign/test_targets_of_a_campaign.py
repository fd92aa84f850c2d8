"""Which targets a campaign judges: those of loads that it was to measure."""

import json
from pathlib import Path

from harness.campaign.folder import begin
from harness.campaign.plan import Mode, plan
from harness.campaign.summary import summarise
from harness.dataplanes import find
from harness.model.bench import BenchScenario, LoadKind, LoadPoint
from harness.model.origin import Origin
from harness.model.target import Target
from harness.model.topology import Namespace, Pod, Topology

PLANES = ("plain", "nftables")


def target(name: str, load: str, against_load: str | None = None) -> Target:
    return Target(
        name, "", Origin("t.yaml", 1), "http", load, "latency_p50", "nftables", "plain", "at most", 2, None, None, against_load
    )


def test_targets_of_loads_that_were_left_out_are_left_out_and_not_void(tmp_path: Path) -> None:
    topology = Topology("t", ("n",), (Namespace("b", {}),), (Pod("client", "b", "n"), Pod("server", "b", "n")))
    loads = tuple(LoadPoint(name, LoadKind.LATENCY, 2, 0.5, rate=1000) for name in ("slow", "fast"))
    scenario = BenchScenario("http", "", "", Origin("s.yaml", 1), topology, "b/client", "b/server", 80, (), (), loads)
    campaign = plan([scenario], PLANES, Mode.DEFAULT, blocks=2, seed=1, only=["slow"])
    journal = begin(tmp_path, campaign, {}, ["meshproof", "bench"])
    for arm in campaign.arms:
        journal.append(
            "cell", block=1, scenario="http", load="slow", load_kind="latency", rate=1000, arm=arm.name,
            dataplane=arm.dataplane, attempt=1, void=None, metrics=[["latency_p50", "", "s", 1e-3]], attachments={},
        )  # fmt: skip
    targets = [target("measured", "slow"), target("left out", "fast"), target("against it", "slow", "fast")]
    summarise(tmp_path, campaign, journal, targets, {name: find(name) for name in PLANES})
    journal.close()
    judged = json.loads((tmp_path / "run.json").read_text())["targets"]
    assert [(row["id"], row["outcome"]) for row in judged] == [("measured", "void")]  # a block too few for an interval
