"""Cases about BackendTrafficPolicies: what the oracle takes from a case, and what it contradicts."""

from pathlib import Path

import pytest

from harness.campaign.conformance.features import needs, obstacle
from harness.campaign.conformance.oracles import consult
from harness.campaign.coverage.pairs import coverage
from harness.dataplanes.nftables import Nftables
from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.port import Feature
from harness.lab.addressing import plan
from harness.manifests.case import load_cases
from harness.model.case import Case

MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {tier: back}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: rpc, namespace: shop}
spec: {selector: {app: api}, ports: [{port: 80, targetPort: 9000}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: web, namespace: shop}
spec:
  targetRefs: [{group: "", kind: Service, name: web}, {group: "", kind: Service, name: rpc}]
"""
BREAKS = "  circuitBreaker: {maxParallelRequests: 2}\n"
LIMITS = "  rateLimit: {local: {rules: [{limit: {requests: 2, unit: Day}}]}}\n"
EJECTS = "  healthCheck: {passive: {}}\n"
ABORTS = "  faultInjection: {abort: {httpStatus: 503, percentage: 25}}\n"
DELAYS = "  faultInjection: {delay: {fixedDelay: 1s}}\n"
GRPC_ABORTS = "  faultInjection: {abort: {grpcStatus: 14}}\n"
PODS = "pods: [shop/api, shop/cart]"


def case(folder: Path, spec: str, request: str) -> Case:
    place = folder / "traffic" / "case"
    place.mkdir(parents=True)
    (place / "m.yaml").write_text(MANIFESTS + spec)
    (place / "scenario.yaml").write_text(
        "title: t\nwhy: w\ntopology: mesh\napply: [m.yaml]\nexpect:\n  requests:\n"
        f"    - {{from: shop/client, port: 80, family: 4, {request}}}\n"
    )
    (found,) = load_cases([folder])
    return found


TO = "to: shop/web, http: {}"


@pytest.mark.parametrize(
    ("spec", "request_", "said"),
    [
        (BREAKS, f"{TO}, together: 4, shares: [{{{PODS}, count: 2}}, {{status: 503, count: 2}}]", ""),
        (BREAKS, f"{TO}, times: 4, shares: [{{{PODS}, count: 2}}, {{status: 503, count: 2}}]", "the case expects status 503"),
        (BREAKS, f"{TO}, together: 4, shares: [{{{PODS}, count: 2}}, {{status: 429, count: 2}}]", "expects status 429"),
        (
            BREAKS, f"{TO}, together: 4, shares: [{{pods: [data/db], count: 2}}, {{status: 503, count: 2}}]",
            "the case expects status 200, read by data/db",
        ),
        (
            BREAKS, f"{TO}, together: 4, shares: [{{{PODS}, weight: 1}}, {{status: 503, weight: 1}}]",
            "what becomes of it depends on others; write count instead of weight",
        ),
        (LIMITS, f"{TO}, times: 4, shares: [{{{PODS}, count: 2}}, {{status: 429, count: 2}}]", ""),
        (LIMITS, f"{TO}, times: 4, shares: [{{{PODS}, count: 2}}, {{status: 503, count: 2}}]", "the case expects status 503"),
        (EJECTS, f"{TO}, times: 4, pods: [shop/cart]", ""),
        (EJECTS, f"{TO}, times: 4, pods: [shop/cart], status: 500", "no pod answers so"),
        (EJECTS, f"{TO}, times: 4, pods: [shop/cart], tries: 2", "no pod answers so"),
        (ABORTS, f"{TO}, times: 400, shares: [{{{PODS}, weight: 3}}, {{status: 503, weight: 1}}]", ""),
        (ABORTS, f"{TO}, times: 400, shares: [{{{PODS}, weight: 1}}, {{status: 503, weight: 1}}]", "the oracle says 0.25"),
        (ABORTS, f"{TO}, {PODS}", "the oracles also say status 503, read by nobody (aborted by"),
        (DELAYS, f"{TO}, {PODS}, atLeast: 1", ""),
        (DELAYS, f"{TO}, {PODS}, atLeast: 1.5", "after 1.5 s at least, the oracle says after 1 s"),
        (DELAYS, f"{TO}, {PODS}, before: 1", "before 1 s, the oracle says after 1 s"),
        ("", f"{TO}, {PODS}, atLeast: 1", "after 1 s at least, the oracle says after 0 s"),
        (GRPC_ABORTS, "to: shop/rpc, grpc: {method: a.B/C}, status: UNAVAILABLE", ""),
        (GRPC_ABORTS, f"{TO}, status: 503", "which status a request of HTTP has that grpcStatus aborts is left open"),
        (
            ABORTS.replace(", percentage: 25", "").replace("503", "404"),
            "to: shop/rpc, grpc: {method: a.B/C}, status: UNIMPLEMENTED", "",
        ),
        ("  retry: {numRetries: 1}\n", f"{TO}, {PODS}, server: {{status: 503}}, tries: 2", ""),
        ("  retry: {numRetries: 1}\n", f"{TO}, {PODS}, server: {{status: 503}}, tries: 3", "the oracles say status 503"),
        ("  timeout: {http: {requestTimeout: 1s}}\n", f"{TO}, {PODS}, server: {{delay: 2}}, status: 504", ""),
    ],
)  # fmt: skip
def test_the_oracle_checks_what_it_can_determine(tmp_path: Path, spec: str, request_: str, said: str) -> None:
    written = case(tmp_path, spec, request_)
    against = "\n".join(consult(written, plan(written.topology).topology).contradictions)
    assert said in against
    assert bool(said) is bool(against), against


def test_a_case_under_a_policy_needs_a_plane_that_puts_it_in_force(tmp_path: Path) -> None:
    written = case(tmp_path, BREAKS, f"{TO}, {PODS}")
    assert str(needs(written)[Feature.L7_TRAFFIC]).endswith("m.yaml:13")
    assert obstacle(written, NodeProxy()) is None
    found = obstacle(written, Nftables())
    assert found is not None
    assert found[1].startswith("l7-routing: ")


def test_what_a_policy_holds_is_covered(tmp_path: Path) -> None:
    (covered,) = coverage(
        [case(tmp_path, LIMITS, f"{TO}, times: 2, shares: [{{{PODS}, count: 2}}, {{status: 429, count: 0}}]")], ()
    )
    (about,) = [pair for pair in covered.own if pair.field == "traffic policy"]
    assert about.value.startswith(
        "rate_limits.requests, rate_limits.unit Day of Service for HTTP GET, several times and counted: "
    )
