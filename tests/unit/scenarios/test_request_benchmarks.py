"""The shipped scenarios about requests measure what their targets are about, and on each plane the same."""

import re
from collections.abc import Mapping

import pytest
import yaml

from harness.campaign.plan import Mode, plan
from harness.manifests.bench import load_bench
from harness.manifests.place import SCENARIOS
from harness.model.bench import BenchScenario, LoadKind, LoadPoint
from harness.model.flow import Flow, Verdict
from harness.model.request import HTTPRequest
from harness.model.routing import Call, Forwarded
from harness.oracle.direct import answer
from harness.oracle.routing import Router

POLICIES = SCENARIOS / "requests" / "policies"
RULES = 1000
SHARES = (0, 10, 100)


@pytest.fixture(scope="module")
def scenarios() -> Mapping[str, BenchScenario]:
    return {scenario.name: scenario for scenario in load_bench([SCENARIOS / "requests"])}


def forms(load: LoadPoint) -> list[tuple[float, HTTPRequest]]:
    """Per cent and request of each form of a load."""
    rest = 100 - sum(part.percent for part in load.mix)
    own = [(rest, HTTPRequest(path=load.path, headers=load.headers))] if rest else []
    return own + [(part.percent, HTTPRequest(path=part.path, headers=part.headers)) for part in load.mix]


def test_every_request_of_every_load_is_allowed_at_every_backend(scenarios: Mapping[str, BenchScenario]) -> None:
    for scenario in scenarios.values():
        backends = scenario.front.backends if scenario.front else (scenario.server,)
        for load in scenario.loads:
            for _, request in forms(load):
                for backend in backends:
                    flow = Flow(scenario.client, backend, scenario.port, family=load.family, request=request)
                    said = answer(flow, scenario.policies, scenario.topology)
                    assert said.verdict is Verdict.FORWARDED, f"{scenario.name}/{load.name}: {request}"


@pytest.mark.parametrize("where", ["same-node", "cross-node"])
@pytest.mark.parametrize("subject", ["slow-path", "routes"])
def test_the_share_that_a_rule_about_headers_allows_is_what_the_load_is_called(
    subject: str, where: str, scenarios: Mapping[str, BenchScenario]
) -> None:
    loads = {load.name: load for load in scenarios[f"{subject}-{where}"].loads}
    for kind in ("latency", "cost", "closed"):
        for share in SHARES:
            load = loads[f"{kind}-{share}"]
            assert str(load.kind) == kind
            slow = sum(percent for percent, request in forms(load) if dict(request.headers).get("X-Team"))
            assert slow == share
            assert all(("X-Team" in dict(request.headers)) == (request.path == "/audit/1k") for _, request in forms(load))


@pytest.mark.parametrize("where", ["same-node", "cross-node"])
def test_routes_lead_to_the_backends_that_are_billed_and_every_load_reaches_both(
    where: str, scenarios: Mapping[str, BenchScenario]
) -> None:
    scenario = scenarios[f"routes-{where}"]
    assert scenario.front is not None
    router = Router(scenario.routing, scenario.topology)
    for load in scenario.loads:
        reached = set()
        for _, request in forms(load):
            call = Call(scenario.client, scenario.front.service, scenario.front.port, request)
            for possible in router.answer(call):
                assert isinstance(possible, Forwarded)
                reached.add(possible.backend)
        assert reached == {"shop/web-a", "shop/web-b"}, load.name
    behind = {
        pod.ref
        for service in scenario.routing.services
        for pod in scenario.topology.pods
        if pod.namespace == service.namespace and (service.selector or {}).items() <= pod.labels.items()
    }
    assert behind == set(scenario.front.backends)
    node = scenario.topology.pod(scenario.client).node
    assert {scenario.topology.pod(ref).node == node for ref in behind} == {where == "same-node"}


def test_a_thousand_rules_differ_from_one_in_nothing_but_number(scenarios: Mapping[str, BenchScenario]) -> None:
    (one,) = yaml.safe_load_all((POLICIES / "one-rule.yaml").read_text())
    (many,) = yaml.safe_load_all((POLICIES / "thousand-rules.yaml").read_text())
    rules = many["spec"]["ingress"][0]["toPorts"][0]["rules"]
    (last,) = one["spec"]["ingress"][0]["toPorts"][0]["rules"]["http"]
    written = [{"method": "GET", "path": f"/items/{number:03}/.*"} for number in range(1, RULES)]
    assert rules["http"] == [*written, last]
    rules["http"] = [last]
    assert many == one
    assert scenarios["rules-1"].loads == scenarios["rules-1000"].loads
    assert not any(re.fullmatch(rule["path"], "/1k") for rule in written)


@pytest.mark.parametrize("where", ["same-node", "cross-node"])
def test_connections_and_sizes_are_a_whole_matrix(where: str, scenarios: Mapping[str, BenchScenario]) -> None:
    loads = scenarios[f"sizes-{where}"].loads
    assert {(load.connections, load.path) for load in loads} == {
        (connections, path) for connections in (1, 32, 256) for path in ("/100", "/1k", "/64k")
    }
    assert {load.kind for load in loads} == {LoadKind.LATENCY}


def test_one_campaign_of_all_of_them_ends_within_two_hours(scenarios: Mapping[str, BenchScenario]) -> None:
    planes = ["plain", "node-proxy", "ebpf-l7", "sidecar"]
    campaign = plan(list(scenarios.values()), planes, Mode.DEFAULT, blocks=None, seed=1)
    assert campaign.seconds < 2 * 60 * 60
