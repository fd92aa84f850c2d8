"""Cases that ask Kafka, written here, in real labs: what is tested is the judge, not the shipped cases."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.dataplanes import find
from harness.dataplanes.port import Feature, Yes

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
        - ports: [{port: "9092", protocol: TCP}]%s
"""
RULES = """
          rules: {kafka: [{topic: orders}]}"""
FLOWS = """\
    - from: shop/client
      to: shop/server
      port: 9092
      kafka: {api: produce, version: 9, topic: orders, sends: bytewise}
      verdict: forwarded
    - {from: shop/client, to: shop/neighbour, port: 9092, kafka: {api: metadata, topic: orders}, verdict: forwarded}
    - {from: evil/stranger, to: shop/server, port: 9092, kafka: {api: produce, version: 9, topic: orders}, verdict: denied}
"""
REFUSED = """\
    - {from: shop/client, to: shop/server, port: 9092, kafka: {api: metadata, topic: [orders, bills]}, verdict: rejected}
    - {from: shop/client, to: shop/neighbour, port: 9092, kafka: {api: fetch, version: 12, topic: bills}, verdict: rejected}
"""
SCENARIO = f"""\
title: Who asks what
why: A refusal that reaches nobody, or everybody.
topology: {TOPOLOGY}
apply: [policy.yaml]
expect:
  flows:
"""


def judged(folder: Path, plane: str, scenario: str, **policies: str) -> tuple[int, dict[str, str]]:
    """The exit status, and the row of the case."""
    case = folder / "kafka" / "who"
    case.mkdir(parents=True)
    for name, policy in policies.items():
        (case / f"{name}.yaml").write_text(policy)
    (case / "scenario.yaml").write_text(scenario)
    out = folder / "out.json"
    ended = CliRunner().invoke(app, ["conform", str(folder), "--dataplane", plane, "--json", str(out)], standalone_mode=False)
    (row,) = json.loads(out.read_text())["results"]
    return ended.return_value, row


@pytest.mark.parametrize("plane", ["node-proxy", "ebpf-l7", "ebpf", "nftables"])
def test_requests_are_judged_where_a_plane_claims_to_judge_them(tmp_path: Path, plane: str) -> None:
    claimed = isinstance(find(plane).supports(Feature.POLICY_KAFKA), Yes)
    status, row = judged(tmp_path, plane, SCENARIO + FLOWS + REFUSED, policy=POLICY % RULES)
    assert (status, row["outcome"]) == (0, "pass" if claimed else "unsupported"), row
    assert row["reason"].startswith("" if claimed else "policy-kafka: packets are judged by addresses and ports")


def test_a_plane_without_ciliums_policies_says_so(tmp_path: Path) -> None:
    status, row = judged(tmp_path, "node-l4", SCENARIO + FLOWS + REFUSED, policy=POLICY % RULES)
    assert (status, row["outcome"]) == (0, "unsupported")
    assert row["reason"].startswith("policy-cilium: ")


def test_sidecars_judge_requests_of_http_alone(tmp_path: Path) -> None:
    status, row = judged(tmp_path, "sidecar-mtls", SCENARIO + FLOWS + REFUSED, policy=POLICY % RULES)
    assert (status, row["outcome"]) == (0, "unsupported")
    assert row["reason"].startswith("policy-kafka: ")


def test_requests_are_asked_of_planes_that_judge_connections(tmp_path: Path) -> None:
    status, row = judged(tmp_path, "ebpf", SCENARIO + FLOWS, policy=POLICY % "")
    assert (status, row["outcome"]) == (0, "pass"), row


CLIENTS, STRANGERS = POLICY % "", POLICY.replace("{app: client}", '{"k8s:io.kubernetes.pod.namespace": evil}') % ""
STEPS = f"""\
title: Who may go on
why: A connection that outlives its permission.
topology: {TOPOLOGY}
steps:
  - apply: [policy.yaml]
    expect:
      flows:
        - {{from: shop/client, to: shop/server, port: 9092, kafka: {{api: metadata}}, verdict: forwarded}}
        - {{from: shop/client, to: shop/neighbour, port: 9092, kafka: {{api: metadata}}, verdict: forwarded}}
  - apply: [later.yaml]
    expect:
      flows:
        - {{from: shop/client, to: shop/server, port: 9092, kafka: {{api: metadata}}, opened: earlier, verdict: denied}}
        - {{from: shop/client, to: shop/neighbour, port: 9092, kafka: {{api: metadata}}, opened: earlier, verdict: denied}}
        - {{from: evil/stranger, to: shop/server, port: 9092, kafka: {{api: metadata}}, verdict: forwarded}}
"""


def test_older_connections_are_asked_over_after_a_change(tmp_path: Path) -> None:
    status, row = judged(tmp_path, "ebpf", STEPS, policy=CLIENTS, later=STRANGERS)
    assert (status, row["outcome"]) == (0, "pass"), row
