"""What a scaling run measures, in which order, and what its clusters are made of."""

import dataclasses

from harness.campaign.plan import Mode, Unsupported
from harness.campaign.scaling.fits import fit_id
from harness.campaign.scaling.plan import ScalingPlan, scaling_plan, twice_measured
from harness.campaign.scaling.run import unsupported
from harness.campaign.scaling.world import ASKED, RULES_OF_A_ROUTE, admitting, cluster, pod, services
from harness.dataplanes import find
from harness.dataplanes.routed import Fronts, routed
from harness.envoy.service_resources import service_clusters
from harness.envoy.tuning import BEST
from harness.lab.addressing import plan as addressed
from harness.lab.service_addresses import service_addresses
from harness.manifests.scaling import load_scaling
from harness.mesh.grants import Cluster
from harness.mesh.identity import identities
from harness.mesh.policy import granted
from harness.model.flow import Flow
from harness.model.origin import Origin
from harness.model.scaling import Measured, ScalingScenario, Varied
from harness.oracle.direct.judgement import answer

PODS = ScalingScenario(
    "pods", "t", "w", Origin("pods.yaml", 1), Varied.PODS, (2, 10, 40), ("sidecar", "ebpf"), (Measured.MEMORY,), 3, 100, (2, 4)
)
COMPARED = ScalingScenario(
    "compared", "t", "w", Origin("c.yaml", 1), Varied.DATAPLANE, (), ("ebpf", "plain"), (Measured.REQUESTS,), 6
)


def test_every_point_is_measured_in_every_block_once_and_in_another_order() -> None:
    plan = scaling_plan([PODS, COMPARED], Mode.DEFAULT, seed=3)
    spots = plan.spots()
    keys = [(spot.block, str(spot)) for spot in spots]
    assert len(set(keys)) == len(keys) == 3 * (3 * 2) + 6 * 2
    orders = [[str(spot).partition(" ")[2].partition(" ")[2] for spot in spots if spot.block == block] for block in (1, 2, 3)]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(orders[2])
    assert len({tuple(order) for order in orders}) == 3
    assert [spot.block for spot in spots] == sorted(spot.block for spot in spots)
    assert spots == scaling_plan([PODS, COMPARED], Mode.DEFAULT, seed=3).spots()
    assert spots != scaling_plan([PODS, COMPARED], Mode.DEFAULT, seed=4).spots()


def test_a_quick_run_takes_quick_points_twice_and_leaves_the_rest_out() -> None:
    plan = scaling_plan([PODS, COMPARED], Mode.QUICK, seed=1)
    assert {(spot.scenario.name, spot.point) for spot in plan.spots()} == {("pods", 2), ("pods", 4)}
    assert len(plan.spots()) == 2 * 2 * 2
    named = scaling_plan([COMPARED], Mode.QUICK, seed=1, named=True)
    assert {spot.load for spot in named.spots()} == {"requests"}


def test_a_plane_without_services_is_unsupported_where_clusters_are_asked_for() -> None:
    plan = scaling_plan([PODS], Mode.DEFAULT, seed=1)
    (found,) = unsupported(plan, {name: find(name) for name in PODS.dataplanes})
    assert (found.scenario, found.dataplane) == ("pods", "ebpf")
    without = dataclasses.replace(PODS, clusters=0)
    assert unsupported(scaling_plan([without], Mode.DEFAULT, seed=1), {name: find(name) for name in PODS.dataplanes}) == ()
    left = ScalingPlan(Mode.DEFAULT, (PODS,), 1, unsupported=(found,))
    assert left.planes_of(PODS) == ["sidecar"]
    assert isinstance(found, Unsupported)


def test_two_scenarios_whose_lines_would_share_an_id_are_found() -> None:
    other = dataclasses.replace(PODS, name="other", points=(2, 4, 6))
    assert twice_measured(scaling_plan([PODS, COMPARED, other], Mode.DEFAULT, seed=1)) == (PODS, other)
    for apart in (
        dataclasses.replace(other, clusters=10),
        dataclasses.replace(other, dataplanes=("node-proxy",)),
        dataclasses.replace(other, measure=(Measured.IDLE_CPU,)),
    ):
        assert twice_measured(scaling_plan([PODS, apart], Mode.DEFAULT, seed=1)) is None
    assert twice_measured(scaling_plan(load_scaling(), Mode.DEFAULT, seed=1)) is None


def test_fits_are_found_by_ids_that_say_what_they_are_of() -> None:
    assert fit_id("memory", PODS, "sidecar") == "memory-per-pod/sidecar/100-clusters"
    entries = dataclasses.replace(PODS, vary=Varied.POLICY_ENTRIES, points=(10, 1000, 100_000), clusters=0)
    assert fit_id("packet_time_judged", entries, "ebpf") == "packet-time-judged-per-entry/ebpf/262144-places"
    assert fit_id("packet_time_judged", entries, "nftables") == "packet-time-judged-per-entry/nftables/one-set"
    ports = dataclasses.replace(entries, measure=(Measured.REQUESTS,))
    assert fit_id("cpu_per_request", ports, "ebpf") == "cpu-per-request-per-entry/ebpf/one-policy"
    larger = dataclasses.replace(entries, points=(10, 1000, 500_000))
    assert fit_id("memory", larger, "ebpf") == "memory-per-entry/ebpf/2097152-places"


def test_an_envoy_is_told_of_as_many_clusters_as_the_scenario_says() -> None:
    topology = addressed(cluster(4)).topology
    for wanted in (10, 100):
        routing = services(wanted, 4)
        assert all(len(route.rules or ()) <= RULES_OF_A_ROUTE for route in routing.http_routes)
        known = Cluster.of(topology, identities(topology))
        fronts = Fronts(routing, service_addresses(routing.services, topology))
        told = routed(fronts, topology, topology.pods[:1], granted([], known), known)
        assert len({each["name"] for each in service_clusters(told.rules(1), BEST)}) == wanted
    assert services(0, 4).services == ()


def test_the_policies_admit_the_asking_pod_or_not_and_one_more_pod_as_the_asking_one() -> None:
    topology = addressed(cluster(5)).topology
    later = pod(8)
    assert later.labels["half"] == topology.pod(ASKED.source).labels["half"] == "0"
    flow = Flow(ASKED.source, ASKED.destination, ASKED.port)
    verdicts = [answer(flow, [admitting(half)], topology).verdict for half in ("0", "1")]
    assert verdicts == ["forwarded", "dropped"]
    assert topology.pod(ASKED.source).node != topology.pod(ASKED.destination).node
