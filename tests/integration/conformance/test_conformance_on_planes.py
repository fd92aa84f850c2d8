"""Real labs: cases written here, so that what is tested is the judge, not the shipped cases."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.main import app

TOPOLOGY = Path(__file__).parents[3] / "scenarios" / "topologies" / "pair.yaml"
POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: shop}
spec:
  podSelector: {matchLabels: {app: server}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}]}]
"""
SCENARIO = """\
title: The server admits the client
why: A selector without a namespace means the policy's own.
topology: %s
apply: [policy.yaml]
expect:
  flows:
    - {from: shop/client, to: shop/server, port: 8080, verdict: forwarded}
    - {from: evil/stranger, to: shop/server, port: 8080, verdict: %s}
"""


def written(folder: Path, name: str, verdict: str = "denied") -> Path:
    case = folder / "policy" / name
    case.mkdir(parents=True)
    (case / "policy.yaml").write_text(POLICY)
    (case / "scenario.yaml").write_text(SCENARIO % (TOPOLOGY, verdict))
    return case


@pytest.mark.parametrize("plane", ["ebpf", "node-proxy", "node-l4", "sidecar-mtls"])
def test_a_case_passes_with_the_planes_own_record(tmp_path: Path, plane: str) -> None:
    written(tmp_path, "admits")
    out = tmp_path / "out.json"
    ended = CliRunner().invoke(app, ["conform", str(tmp_path), "--dataplane", plane, "--json", str(out)], standalone_mode=False)
    assert ended.return_value == 0, ended.output
    (row,) = json.loads(out.read_text())["results"]
    assert (row["case"], row["dataplane"], row["outcome"], row["expected"]) == ("policy/admits", plane, "pass", True)
    assert row["evidence"]
    assert row["rule"].endswith("policy.yaml:2")


def test_a_manner_that_the_plane_does_not_deny_in_is_a_failure_unless_it_is_listed(tmp_path: Path) -> None:
    written(tmp_path, "refuses", verdict="rejected")
    listed = tmp_path / "expectations.yaml"
    listed.write_text("outcomes: [{case: policy/refuses, dataplane: ebpf, outcome: fail, reason: it drops in silence}]\n")
    asked = ["conform", str(tmp_path), "--dataplane", "ebpf"]
    ended = CliRunner().invoke(app, asked, standalone_mode=False)
    assert ended.return_value == 1
    assert "expected rejected, observed dropped" in ended.output
    assert "refuses --dataplane ebpf --keep" in ended.output
    ended = CliRunner().invoke(app, [*asked, "--expectations", str(listed)], standalone_mode=False)
    assert ended.return_value == 0, ended.output
