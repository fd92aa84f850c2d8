"""The shipped ledger and classes of workload name only what there is, and leave out no claim."""

from collections.abc import Iterator
from functools import cache

import pytest

from harness.dataplanes import find
from harness.dataplanes.port import Feature
from harness.judge.evidence import Evidence
from harness.manifests.bench import load_bench
from harness.manifests.claims import load_claims
from harness.manifests.fixed import case_names, digests
from harness.manifests.maturity import load_maturity
from harness.manifests.place import SCENARIOS
from harness.manifests.workloads import load_workloads
from harness.model.bench import BenchScenario, LoadKind
from harness.model.claim import Cases, Column, Endpoint, Features, Figure, Growth, Ratio, Slope, Total, Unasked
from harness.report.metrics import METRICS

IDS = (
    "PERF-1", "PERF-2", "PERF-3", "PERF-4", "PERF-5", "OPS-1", "OPS-2", "OPS-3", "OPS-4", "SEC-1", "SEC-2", "SEC-3", "SEC-4",
    "L7-1", "L7-2", "L7-3", "L7-4", "OBS-1", "OBS-2", "SVC-1", "MESH-1", "ECO-1", "VERDICT",
)  # fmt: skip
PUBLISHED = (
    "PUB-ISTIO-SIDECAR", "PUB-ISTIO-WAYPOINT", "PUB-ISTIO-ZTUNNEL", "PUB-MESHINSIGHT-LATENCY", "PUB-MESHINSIGHT-CPU", "PUB-XLB",
    "PUB-TKE-L7", "PUB-TKE-IPTABLES", "PUB-MTLS-ISTIO", "PUB-MTLS-AMBIENT", "PUB-MTLS-LINKERD", "PUB-MTLS-CILIUM",
    "PUB-KMESH-LATENCY", "PUB-KMESH-OVERHEAD",
)  # fmt: skip

KINDS = {
    LoadKind.LATENCY: {"latency_p50", "latency_p90", "latency_p99", "errors"},
    LoadKind.COST: {"cpu_per_request", "pss", "bpf_memory", "errors"},
    LoadKind.TRACE: {"context_switches", "syscalls", "copies", "stack_traversals"},
    LoadKind.MAXIMUM: {"throughput", "cpu_per_request", "errors", "path_per_request"},
    LoadKind.CLOSED: {"throughput", "cpu_per_request", "errors"},
    LoadKind.BLOCKING: {"throughput", "cpu_per_request", "errors"},
    LoadKind.CONNECTIONS: {"throughput"},
    LoadKind.BULK: {"bulk"},
    LoadKind.CAPACITY: {"capacity"},
}
"""What a load of each kind gives that something may be decided by."""
FITTED = {
    ("memory", "pods"),
    ("idle_cpu", "pods"),
    ("packet_time_judged", "policy entries"),
    ("packet_time_known", "policy entries"),
}


@cache
def scenarios() -> dict[str, BenchScenario]:
    return {each.name: each for each in load_bench([SCENARIOS / "bench", SCENARIOS / "requests", SCENARIOS / "capacity"])}


def endpoints() -> Iterator[Endpoint]:
    ledger = load_claims()
    for claim in ledger.claims:
        for side in claim.columns.values():
            yield from side.endpoints
    for each in load_workloads([claim.id for claim in ledger.claims]):
        for group in (each.l4, each.l7):
            for needs in (group or {}).values():
                yield from needs.figures


def test_every_claim_is_there_in_its_order() -> None:
    assert [claim.id for claim in load_claims().claims] == [*IDS, *PUBLISHED]


def test_every_scenario_load_and_metric_that_decides_is_there() -> None:
    for endpoint in endpoints():
        subject = endpoint.subject
        if not isinstance(subject, Ratio | Total | Figure):
            continue
        metrics = subject.metrics if isinstance(subject, Total) else (subject.metric,)
        others = [subject.against_scenario] if isinstance(subject, Ratio) and subject.against_scenario else []
        for name in (subject.scenario, *others):
            scenario = scenarios().get(name)
            assert scenario is not None, f"{endpoint.origin}: no scenario is called {name}"
            load = next((load for load in scenario.loads if load.name == subject.load), None)
            assert load is not None, f"{endpoint.origin}: {name} has no load {subject.load}"
            assert set(metrics) <= KINDS[load.kind], f"{endpoint.origin}: {subject.load} gives no {' '.join(metrics)}"
        assert set(metrics) <= METRICS.keys(), endpoint.origin


def test_every_fitted_figure_is_one_that_is_fitted() -> None:
    for endpoint in endpoints():
        if isinstance(endpoint.subject, Slope | Growth):
            assert (endpoint.subject.metric, endpoint.subject.x) in FITTED, endpoint.origin


def test_every_pattern_means_some_case_and_every_feature_is_one_of_the_matrix() -> None:
    shipped = Evidence((), case_names())
    features = {feature.name for feature in load_maturity()}
    ledger = load_claims()
    patterns = [pattern for lack in ledger.lacks for pattern in lack.cases]
    named = [name for lack in ledger.lacks for name in lack.features]
    for endpoint in endpoints():
        if isinstance(endpoint.subject, Cases):
            patterns += endpoint.subject.names
        if isinstance(endpoint.subject, Features):
            named += endpoint.subject.names
    for workload in load_workloads([claim.id for claim in ledger.claims]):
        for group in (workload.l4, workload.l7):
            patterns += [pattern for needs in (group or {}).values() for pattern in needs.cases]
    assert patterns
    assert [pattern for pattern in patterns if not shipped.named([pattern])] == []
    assert set(named) <= features


def test_every_data_plane_that_is_named_is_registered_and_has_a_subject() -> None:
    ledger = load_claims()
    for name in ledger.subjects:
        find(name)
    for workload in load_workloads([claim.id for claim in ledger.claims]):
        planes = {workload.rival} | {plane for each in workload.candidates.values() for plane in (each.l4, each.l7)}
        assert planes <= ledger.subjects.keys()
        for group in (workload.l4, workload.l7):
            for needs in (group or {}).values():
                assert set(needs.supports) <= {str(feature) for feature in Feature}
    for endpoint in endpoints():
        assert getattr(endpoint.subject, "dataplane", "plain") in ledger.subjects, endpoint.origin
        assert getattr(endpoint.subject, "against", "plain") in ledger.subjects, endpoint.origin


@pytest.mark.parametrize("metrics", [("latency_p50", "latency_p90", "latency_p99"), ("cpu_per_request",)])
def test_latency_and_cpu_are_asked_at_both_offered_loads_where_there_are_both(metrics: tuple[str, ...]) -> None:
    asked: dict[tuple[object, ...], set[str]] = {}
    for endpoint in endpoints():
        subject = endpoint.subject
        if not isinstance(subject, Ratio) or subject.metric not in metrics or subject.against_scenario:
            continue
        if subject.load.startswith(("latency", "cost")):
            key = (endpoint.origin, endpoint.condition, subject.scenario, subject.metric, subject.dataplane)
            asked.setdefault(key, set()).add(subject.load)
    assert asked
    for key, loads in asked.items():
        kind = next(iter(loads)).partition("-")[0]
        if f"{kind}-half" in {load.name for load in scenarios()[str(key[2])].loads}:
            assert f"{kind}-half" in loads and len(loads) == 2, key


def test_each_claim_that_nothing_measures_says_so_for_each_part() -> None:
    for claim in load_claims().claims:
        for column in Column:
            side = claim.columns[column]
            for endpoint in side.endpoints:
                if isinstance(endpoint.subject, Unasked):
                    assert len(endpoint.subject.reason) > 20, endpoint.origin


def test_the_files_that_decide_are_hashed() -> None:
    found = digests()
    assert sorted(found) == ["scenarios/claims.yaml", "scenarios/targets.yaml", "scenarios/workloads.yaml"]
    assert all(len(each) == 64 for each in found.values())
