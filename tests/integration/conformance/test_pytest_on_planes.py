"""Real labs under the pytest plugin: one case as it should be, one that no data plane can satisfy."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

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


def test_items_report_what_became_of_them_in_shared_labs(pytester: pytest.Pytester) -> None:
    for name, verdict in (("drops", "denied"), ("rejects", "rejected")):
        case = pytester.path / "policy" / name
        case.mkdir(parents=True)
        (case / "policy.yaml").write_text(POLICY)
        (case / "scenario.yaml").write_text(SCENARIO % (TOPOLOGY, verdict))
    result = pytester.runpytest_subprocess("--meshproof", "-v", "--dataplane", "nftables", "--dataplane", "ebpf", timeout=120)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines([
        "policy/drops/scenario.yaml::nftables PASSED*", "policy/drops/scenario.yaml::ebpf PASSED*",
        "policy/rejects/scenario.yaml::nftables FAILED*", "policy/rejects/scenario.yaml::ebpf FAILED*",
        "policy/rejects on nftables: fail, where nothing lists it as other than a pass",
        "*evil/stranger -> shop/server:8080/TCP*: expected rejected, observed dropped*deciding rule: *policy.yaml:2*",
    ])  # fmt: skip
