"""The files that are shipped load, fit one another, and keep to the time and the pods that a campaign can bear."""

import re
from pathlib import Path

import pytest

from harness.manifests.bench import load_bench
from harness.manifests.place import SCENARIOS
from harness.manifests.schemas import FOLDER, SHAPES, schema
from harness.manifests.targets import load_targets
from harness.manifests.topology import load_topology
from harness.model.bench import LoadKind
from harness.model.flow import Verdict

BILLED = {LoadKind.COST, LoadKind.MAXIMUM, LoadKind.CLOSED, LoadKind.BLOCKING}
KINDS_OF_METRIC = {
    "latency_p50": {LoadKind.LATENCY},
    "service_time_p50": {LoadKind.CLOSED},
    "cpu_per_request": BILLED,
    "throughput": BILLED - {LoadKind.COST},
    "bulk": {LoadKind.BULK},
}


def test_each_target_names_a_load_that_measures_its_metric() -> None:
    scenarios = load_bench([SCENARIOS / "bench", SCENARIOS / "requests"])
    loads = {(scenario.name, load.name): load.kind for scenario in scenarios for load in scenario.loads}
    for target in load_targets():
        kinds = KINDS_OF_METRIC[target.metric]
        assert loads[target.scenario, target.load] in kinds, target.id
        against = (target.against_scenario or target.scenario, target.against_load or target.load)
        assert loads[against] is loads[target.scenario, target.load], target.id


def test_targets_about_requests_are_not_of_the_default_campaign() -> None:
    default = {scenario.name for scenario in load_bench()}
    for target in load_targets():
        about_requests = "node-proxy" in target.against or target.dataplane == "ebpf-l7"
        assert (target.scenario in default) is not about_requests, target.id


def test_all_loads_together_leave_a_default_campaign_within_its_time() -> None:
    # 6 arms in 6 blocks within 15 minutes leave 25 s each; attaching, probing and reporting need theirs.
    seconds = sum(load.seconds + load.warmup for scenario in load_bench() for load in scenario.loads)
    assert seconds <= 18


def test_one_scenario_is_quick_and_both_placements_are_measured() -> None:
    scenarios = {scenario.name: scenario for scenario in load_bench()}
    assert [name for name, scenario in scenarios.items() if scenario.quick] == ["http-cross-node"]
    assert {name: scenario.same_node for name, scenario in scenarios.items()} == {
        "http-cross-node": False,
        "http-same-node": True,
    }


def test_each_scenario_measures_a_path_that_its_policy_allows_and_probes_denials() -> None:
    for scenario in load_bench():
        verdicts = {each.flow: each.verdict for each in scenario.expectations}
        for family in (4, 6):
            (measured,) = [
                verdict
                for flow, verdict in verdicts.items()
                if (flow.source, flow.destination, flow.port, flow.family)
                == (scenario.client, scenario.server, scenario.port, family)
            ]
            assert measured is Verdict.FORWARDED
        assert Verdict.DENIED in verdicts.values()


def test_topologies_stay_small_enough_for_a_proxy_beside_every_pod() -> None:
    for file in (SCENARIOS / "topologies").glob("*.yaml"):
        assert len(load_topology(file).pods) <= 6


@pytest.mark.parametrize("name", SHAPES)
def test_the_committed_schema_is_what_the_loader_accepts(name: str) -> None:
    committed = (FOLDER / f"{name}.schema.json").read_text()
    assert committed == schema(name), "run: python -m harness.manifests.schemas"


@pytest.mark.parametrize(
    "file", sorted(SCENARIOS.glob("*.yaml")) + sorted(SCENARIOS.glob("*/*.yaml")), ids=lambda file: file.name
)
def test_every_shipped_file_names_its_schema_for_editors(file: Path) -> None:
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", file.read_text())
    assert named is not None
    assert (file.parent / named[1]).resolve().is_relative_to(FOLDER)
    assert (file.parent / named[1]).is_file()
