"""Cases that call gRPC, written here, in real labs: what is tested is the judge, not the shipped cases."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.main import app

TOPOLOGY = Path(__file__).parents[3] / "scenarios" / "topologies" / "pair.yaml"
POLICY = """\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: server, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: server}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: client}}]
      toPorts:
        - ports: [{port: "8080", protocol: TCP}]
          rules: {http: [{path: /a.B/Get}]}
"""
SCENARIO = """\
title: Who calls what
why: A refusal that reaches nobody, or everybody.
topology: %s
apply: [policy.yaml]
expect:
  flows:
    - {from: shop/client, to: shop/server, port: 8080, grpc: {method: a.B/Get, kind: bidi}, verdict: forwarded}
    - {from: shop/client, to: shop/server, port: 8080, grpc: {method: a.B/Drop}, verdict: rejected}
    - {from: shop/client, to: shop/server, port: 8080, http: {path: /a.B/Get}, verdict: forwarded}
    - {from: evil/stranger, to: shop/server, port: 8080, grpc: {method: a.B/Get}, verdict: denied}
"""


@pytest.mark.parametrize(
    ("plane", "outcome", "reason"),
    [("node-proxy", "pass", ""), ("ebpf", "unsupported", "policy-http: "), ("sidecar-mtls", "pass", "")],
)
def test_calls_are_judged_where_requests_are(tmp_path: Path, plane: str, outcome: str, reason: str) -> None:
    case = tmp_path / "grpc" / "who"
    case.mkdir(parents=True)
    (case / "policy.yaml").write_text(POLICY)
    (case / "scenario.yaml").write_text(SCENARIO % TOPOLOGY)
    out = tmp_path / "out.json"
    ended = CliRunner().invoke(app, ["conform", str(tmp_path), "--dataplane", plane, "--json", str(out)], standalone_mode=False)
    assert ended.return_value == 0, ended.output
    (row,) = json.loads(out.read_text())["results"]
    assert (row["outcome"], row["expected"]) == (outcome, True)
    assert row["reason"].startswith(reason)
