"""Requests under traffic policies in a real lab: what is not as it should be is found, also where only numbers differ."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.manifests.place import SCENARIOS

SERVICES = SCENARIOS / "conformance" / "routing" / "services.yaml"
POLICIES = """\
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: v1, namespace: shop}
spec:
  targetRefs: [{group: "", kind: Service, name: v1}]
  circuitBreaker: {maxParallelRequests: 3, maxRequestsPerConnection: 4}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: v2, namespace: shop}
spec:
  targetRefs: [{group: "", kind: Service, name: v2}]
  rateLimit: {local: {rules: [{limit: {requests: 3, unit: Hour}}]}}
"""
V1, V2 = (f"from: shop/client, to: shop/{name}, port: 80, family: 4, http: {{}}" for name in ("v1", "v2"))
BURST = f"{V1}, together: 8, server: {{delay: 2}}"
RIGHT = f"""
    - {{{BURST}, shares: [{{pods: [shop/v1], count: 3}}, {{status: 503, count: 5}}]}}
    - {{{V1}, times: 9, pods: [shop/v1], perConnection: 4}}
    - {{{V2}, times: 8, shares: [{{pods: [shop/v2], count: [2, 3]}}, {{status: 429, count: [5, 6]}}]}}
"""
FOUR = "shares: [{pods: [shop/v1], count: 4}, {status: 503, count: 4}]"
ALL = "shares: [{pods: [shop/v2], count: 8}, {status: 429, count: 0}]"
WRONG = {
    f"{BURST}, {FOUR}": "expected 4 of 8 with status 200, read by shop/v1, observed 3",
    f"{V1}, times: 9, pods: [shop/v1], perConnection: 3": "expected at most 3 over one connection, observed 4 by shop/v1",
    f"{V2}, times: 8, {ALL}": "expected 8 of 8 with status 200, read by shop/v2, observed 3",
}


def conform(folder: Path, requests: str, *planes: str) -> tuple[int, list[dict[str, Any]]]:
    case = folder / "traffic" / "case"
    case.mkdir(parents=True)
    for name, text in (("services.yaml", SERVICES.read_text()), ("policies.yaml", POLICIES)):
        (case / name).write_text(text)
    topology = SCENARIOS / "topologies" / "services.yaml"
    (case / "scenario.yaml").write_text(
        f"title: t\nwhy: w\ntopology: {topology}\napply: [services.yaml, policies.yaml]\nexpect:\n  requests:{requests}"
    )
    out = folder / "out.json"
    argv = ["conform", str(folder), "--json", str(out)]
    ended = CliRunner().invoke(app, [*argv, *(f"--dataplane={plane}" for plane in planes)], standalone_mode=False)
    assert out.exists(), ended.output
    return ended.return_value, json.loads(out.read_text())["results"]


def test_planes_with_traffic_policies_pass_and_others_say_why_not(tmp_path: Path) -> None:
    status, rows = conform(tmp_path, RIGHT, "node-proxy", "ebpf-l7", "nftables")
    assert {row["dataplane"]: row["outcome"] for row in rows} == {
        "node-proxy": "pass",
        "ebpf-l7": "pass",
        "nftables": "unsupported",
    }, rows
    assert status == 0


@pytest.mark.parametrize("request_", WRONG)
def test_what_differs_in_number_alone_fails(tmp_path: Path, request_: str) -> None:
    status, (row,) = conform(tmp_path, f"\n    - {{{request_}}}\n", "node-proxy")
    assert (status, row["outcome"]) == (1, "fail")
    assert WRONG[request_] in row["reason"]
