"""Requests to Services in real labs: who reads them is found, and what arrives is compared."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.manifests.place import SCENARIOS

SERVICES = SCENARIOS / "conformance" / "routing" / "services.yaml"
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web}]
  rules:
    - matches: [{path: {value: /split}}]
      backendRefs: [{name: v1, port: 80, weight: 3}, {name: v2, port: 80, weight: 1}]
    - matches: [{path: {value: /copied}}]
      filters:
        - {type: RequestMirror, requestMirror: {backendRef: {name: v3, port: 80}}}
        - {type: URLRewrite, urlRewrite: {hostname: inner.example, path: {type: ReplaceFullPath, replaceFullPath: /new}}}
        - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: X-R, value: mesh}]}}
      backendRefs: [{name: v1, port: 80}]
    - matches: [{path: {value: /tried}}]
      timeouts: {request: 2s}
      retry: {codes: [503], attempts: 2, backoff: 10ms}
      backendRefs: [{name: v1, port: 80}]
    - matches: [{path: {value: /shut}}]
      backendRefs: [{name: v2, port: 80}]
    - matches: [{path: {value: /missing}}]
      backendRefs: [{name: missing, port: 80}]
"""
POLICY = """\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: v2, namespace: shop}
spec:
  endpointSelector: {matchLabels: {version: v2}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: client}}]
      toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{path: /split}]}}]
"""
ASK = "from: shop/client, to: shop/web, port: 80"
RIGHT = """
    - {ASK, http: {path: /tried}, pods: [shop/v1], server: {status: 503, first: 2}, tries: 3}
    - {ASK, family: 4, http: {path: /tried}, pods: [shop/v1], server: {delay: 5}, status: 504}
    - {ASK, http: {path: /shut}, status: 403}
    - {ASK, http: {path: /missing}, status: 500}
    - {from: shop/client, to: shop/grpc-v1, port: 9000, grpc: {method: a.B/C}, pods: [shop/v1]}
    - from: shop/client
      to: shop/web
      port: 80
      http: {path: /copied, headers: {X-A: kept}}
      server: {headers: {X-R: server}}
      pods: [shop/v1]
      arrives: {path: /new, host: inner.example, headers: {X-A: kept}}
      returns: {X-R: "server,mesh"}
      copies: [{pods: [shop/v3]}]
    - from: shop/client
      to: shop/web
      port: 80
      http: {path: /split}
      times: 400
      shares: [{pods: [shop/v1], weight: 3}, {pods: [shop/v2], weight: 1}]
"""
MADE_A_CALL = """
    - {ASK, family: 4, http: {path: /tried}, pods: [shop/v1]}
    - from: shop/client
      to: shop/web
      port: 80
      family: 4
      http: {path: /missing, method: POST, headers: {Content-Type: application/grpc}}
      status: 500
"""
"""A node proxy answers what looks like a call of gRPC as one, whatever the route is (docs/node-proxy.md)."""


def conform(folder: Path, requests: str, *planes: str) -> tuple[int, list[dict[str, Any]]]:
    case = folder / "routing" / "case"
    case.mkdir(parents=True)
    for name, text in (("services.yaml", SERVICES.read_text()), ("route.yaml", ROUTE), ("policy.yaml", POLICY)):
        (case / name).write_text(text)
    topology = SCENARIOS / "topologies" / "services.yaml"
    apply = "apply: [services.yaml, route.yaml, policy.yaml]"
    (case / "scenario.yaml").write_text(
        f"title: t\nwhy: w\ntopology: {topology}\n{apply}\nexpect:\n  requests:{requests.replace('ASK', ASK)}"
    )  # fmt: skip
    out = folder / "out.json"
    argv = ["conform", str(folder), "--json", str(out)]
    ended = CliRunner().invoke(app, [*argv, *(f"--dataplane={plane}" for plane in planes)], standalone_mode=False)
    assert out.exists(), ended.output
    return ended.return_value, json.loads(out.read_text())["results"]


def test_requests_are_judged_where_they_are_routed(tmp_path: Path) -> None:
    status, rows = conform(tmp_path, RIGHT, "node-proxy", "ebpf-l7", "ebpf")
    assert {row["dataplane"]: (row["outcome"], row["reason"]) for row in rows if row["outcome"] != "unsupported"} == {
        "node-proxy": ("pass", ""),
        "ebpf-l7": ("pass", ""),
    }
    (without,) = [row for row in rows if row["outcome"] == "unsupported"]
    assert without["dataplane"] == "ebpf"
    assert without["reason"].startswith(("l7-routing: ", "policy-http: "))
    assert status == 0


@pytest.mark.parametrize("plane", ["node-proxy"])
def test_what_a_plane_makes_of_a_request_against_its_route_is_found(tmp_path: Path, plane: str) -> None:
    status, (row,) = conform(tmp_path, MADE_A_CALL, plane)
    assert (status, row["outcome"]) == (1, "fail")
    assert "expected status 500, read by nobody, observed status 200, read by nobody" in row["reason"]
    assert "route.yaml:" in row["rule"]
