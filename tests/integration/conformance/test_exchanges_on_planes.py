"""Messages byte for byte in real labs: what servers read is found, also where the client was refused."""

from pathlib import Path

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
    - fromEndpoints: [{}]
      toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{path: "/public.*"}]}}]
"""
SCENARIO = r"""
title: The server's public paths
why: A path that is judged as it came.
topology: %s
apply: [policy.yaml]
expect:
  exchanges:
    - from: shop/client
      to: shop/server
      port: 8080
      sends: in turn
      messages:
        - {raw: "GET /public HTTP/1.1\r\nHost: a\r\n\r\n", verdict: forwarded}
        - {raw: "GET /public/../admin HTTP/1.1\r\nHost: a\r\n\r\n", verdict: rejected, status: 403}
"""


def test_what_a_server_reads_and_may_not_is_found(tmp_path: Path) -> None:
    case = tmp_path / "l7" / "paths"
    case.mkdir(parents=True)
    (case / "policy.yaml").write_text(POLICY)
    (case / "scenario.yaml").write_text(SCENARIO % TOPOLOGY)
    planes = ["--dataplane", "node-proxy", "--dataplane", "node-proxy@normalize_path=false", "--dataplane", "ebpf"]
    ended = CliRunner().invoke(app, ["conform", str(tmp_path), *planes], standalone_mode=False)
    assert ended.return_value == 1
    assert "node-proxy: 1 case: 1 pass" in ended.output
    assert "node-proxy@normalize_path=false: 1 case: 1 fail" in ended.output
    assert "ebpf: 1 case: 1 unsupported" in ended.output
    assert "the server of shop/server read GET /public/../admin (rejected: no rule about requests allows it" in ended.output
    assert "message 2, GET /admin: expected rejected with status 403, observed status 200" in ended.output
