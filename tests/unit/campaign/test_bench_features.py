"""Which data planes a benchmark scenario is measured on."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness.campaign.bench_features import lacking, routes, unsupported
from harness.campaign.folder import begin, resume
from harness.campaign.plan import Mode, Unsupported, plan
from harness.campaign.rig import asked_at, put_in_force
from harness.dataplanes import find
from harness.dataplanes.port import NO_ROUTING, Feature, No, Revision, Support, Yes
from harness.lab.addressing import plan as laid_out
from harness.manifests.bench import load_bench
from harness.manifests.place import SCENARIOS
from harness.model.bench import BenchScenario
from harness.model.cilium import Policy
from harness.model.routing import Routing


class Plane:
    """One that claims what it is told to, and nothing else."""

    name = "claims"
    title = "Claims"

    def __init__(self, *features: Feature) -> None:
        self._features = features

    def supports(self, feature: Feature) -> Support:
        return Yes() if feature in self._features else No(f"no {feature} here")


class Attachment:
    def __init__(self) -> None:
        self.applied: list[tuple[Sequence[Policy], Routing]] = []

    def apply(self, policies: Sequence[Policy], routing: Routing = NO_ROUTING) -> Revision:
        self.applied.append((policies, routing))
        return Revision(1, 0.0)


@pytest.fixture(scope="module")
def scenarios() -> Mapping[str, BenchScenario]:
    return {scenario.name: scenario for scenario in load_bench([SCENARIOS / "requests", SCENARIOS / "bench"])}


POLICY = (Feature.POLICY_TCP, Feature.POLICY_CILIUM)


@pytest.mark.parametrize(
    ("name", "features", "found"),
    [
        ("http-same-node", POLICY[:1], None),
        ("requests-same-node", POLICY, "policy-http: no policy-http here (asked for at "),
        (
            "requests-same-node",
            (Feature.POLICY_TCP, Feature.POLICY_HTTP),
            "policy-cilium: no policy-cilium here (asked for at ",
        ),
        ("requests-same-node", (*POLICY, Feature.POLICY_HTTP), None),
        ("routes-same-node", (*POLICY, Feature.POLICY_HTTP), "l7-routing: no l7-routing here (asked for at "),
        ("routes-same-node", (*POLICY, Feature.POLICY_HTTP, Feature.L7_ROUTING), None),
        ("routes-same-node", (), None),  # a control has no policy at all
    ],
)
def test_a_plane_that_lacks_what_a_scenario_asks_is_left_out(
    scenarios: Mapping[str, BenchScenario], name: str, features: tuple[Feature, ...], found: str | None
) -> None:
    said = lacking(scenarios[name], Plane(*features))  # type: ignore[arg-type] # a part of a plane
    assert (said is None) == (found is None)
    assert found is None or str(said).startswith(found)


def test_the_control_and_the_planes_that_route_run_all_scenarios(scenarios: Mapping[str, BenchScenario]) -> None:
    planes = {name: find(name) for name in ("plain", "node-proxy", "ebpf-l7")}
    assert unsupported(list(scenarios.values()), planes) == ()


def test_the_service_is_asked_where_there_are_services_and_the_server_elsewhere(scenarios: Mapping[str, BenchScenario]) -> None:
    scenario = scenarios["routes-same-node"]
    topology = laid_out(scenario.topology).topology

    class Lab:
        """What is asked of one here."""

        def __init__(self) -> None:
            self.topology = topology

        def pod(self, ref: str) -> object:
            return type("Made", (), {"pod": topology.pod(ref)})()

    for plane, service in ((find("plain"), False), (find("node-proxy"), True)):
        assert routes(plane) is service
        attachment = Attachment()
        put_in_force(attachment, scenario, plane)  # type: ignore[arg-type] # a part of one
        assert attachment.applied == [(scenario.policies, scenario.routing if service else NO_ROUTING)]
        for family in (4, 6):
            address, port = asked_at(Lab(), scenario, plane, family)  # type: ignore[arg-type] # a part of one
            server = topology.pod(scenario.server).ip(family)
            assert (address != server, port) == (service, 80 if service else 8080)
            assert (":" in address) == (family == 6)


def test_what_was_left_out_is_left_out_when_a_run_goes_on(scenarios: Mapping[str, BenchScenario], tmp_path: Path) -> None:
    left_out = (Unsupported("rules-1", "sidecar", "no"),)
    given = [scenarios["rules-1"]]
    campaign = plan(given, ["plain", "sidecar"], Mode.DEFAULT, blocks=6, seed=2, unsupported=left_out)
    begin(tmp_path / "run", campaign, {}, []).close()
    journal, again = resume(tmp_path / "run", given, {}, [])
    journal.close()
    assert again == campaign
