"""How cases ask requests at one time, after a while, and count what becomes of them."""

from pathlib import Path

import pytest

from harness.manifests.case import load_cases
from harness.manifests.errors import ManifestError
from harness.model.case import Step
from harness.model.routed import Told

MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {tier: back}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: BackendTrafficPolicy
metadata: {name: web, namespace: NAMESPACE}
spec:
  targetRefs: [{group: "", kind: Service, name: web}]
  circuitBreaker: {maxParallelRequests: 2}
"""
ASKED = "from: shop/client, to: shop/web, port: 80, family: 4"


def step(folder: Path, request: str, namespace: str = "shop") -> Step:
    case = folder / "traffic" / "case"
    case.mkdir(parents=True)
    (case / "m.yaml").write_text(MANIFESTS.replace("NAMESPACE", namespace))
    (case / "scenario.yaml").write_text(
        f"title: t\nwhy: w\ntopology: mesh\napply: [m.yaml]\nexpect:\n  requests:\n    - {{{ASKED}, {request}}}\n"
    )
    ((found,),) = [one.steps for one in load_cases([folder])]
    return found


def test_what_is_asked_at_one_time_is_counted(tmp_path: Path) -> None:
    request = "http: {}, together: 9, after: 2, perConnection: 3, server: {status: 503, only: shop/api}, "
    shares = "shares: [{pods: [shop/api], count: 2, atLeast: 0.5}, {status: 503, count: [3, 7], before: 4}]"
    found = step(tmp_path, request + shares)
    (each,) = found.requests
    assert (each.asked.times, each.asked.together, each.asked.after, each.per_connection) == (9, True, 2.0, 3)
    assert each.asked.told == Told(503, only="shop/api")
    assert [(share.count, share.at_least, share.before) for share in each.shares] == [((2, 2), 0.5, None), ((3, 7), None, 4.0)]
    assert [share.status for share in each.shares] == [200, 503]  # not what one of its servers alone is told
    assert not each.weighted
    assert [policy.ref for policy in found.routing.traffic_policies] == ["shop/web"]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ("http: {}, together: 1, pods: [shop/api]", "together: want at least 2, found the number 1"),
        ("http: {}, together: 101, pods: [shop/api]", "together: want at most 100"),
        ("http: {}, together: 4, times: 2, pods: [shop/api]", "together: times beside it; write one of them"),
        ("http: {}, times: 2, pods: [shop/api], count: 2", "count: the only answer has no share; remove it, or write shares"),
        (
            "http: {}, times: 2, shares: [{pods: [shop/api], count: 2, weight: 1}, {status: 503, weight: 1}]",
            "shares[0].count: weight beside it; write one of them in all shares",
        ),
        ("http: {}, pods: [shop/api], atLeast: 0", "atLeast: want more than 0, found the number 0"),
        ("grpc: {method: a/B}, pods: [shop/api], together: 3", "together: not supported of calls of gRPC; write http"),
        ("grpc: {method: a/B}, pods: [shop/api], before: 3", "before: not supported of calls of gRPC; write http"),
        ("http: {}, pods: [shop/api], server: {only: shop/api}", "server.only: neither status nor delay beside it"),
        ("http: {}, pods: [shop/api], server: {status: 503, only: shop/no}", 'server.only: no pod "shop/no"'),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, request_: str, said: str) -> None:
    with pytest.raises(ManifestError) as refused:
        step(tmp_path, request_)
    assert [each for each in map(str, refused.value.faults) if f"scenario.yaml:7: requests[0].{said}" in each], str(
        refused.value
    )


def test_a_policy_of_a_namespace_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r'm.yaml:8: metadata.namespace: no namespace "nowhere" in topology mesh'):
        step(tmp_path, "http: {}, pods: [shop/api]", "nowhere")
