"""Requests to Services: what the oracles make of a case, which flows stand for them on the control, and who is asked."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.campaign.conformance import routed
from harness.campaign.conformance.calls import callers
from harness.campaign.conformance.features import needs, obstacle
from harness.campaign.conformance.oracles import consult
from harness.campaign.conformance.routed import direct_flows, judge_requests_on
from harness.campaign.coverage.pairs import coverage
from harness.dataplanes.nftables import Nftables
from harness.dataplanes.plain import Plain
from harness.dataplanes.port import Feature
from harness.lab.addressing import plan
from harness.manifests.case import load_cases
from harness.model.case import Case, CaseOutcome
from harness.model.flow import Evidence, Flow
from harness.model.routed import Asked, RoutedAnswer

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {tier: back}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{port: 80, targetPort: http}]}
"""
ROUTE = """---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web}]
  rules:
    - matches: [{path: {value: /api}}]
      filters:
        - {type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /v2}}}
        - {type: RequestMirror, requestMirror: {backendRef: {name: cart, port: 80}}}
      backendRefs: [{name: api, port: 80}]
    - matches: [{path: {value: /late}}]
      timeouts: {backendRequest: 1s}
      retry: {codes: [503], attempts: 1}
      backendRefs: [{name: api, port: 80}]
    - matches: [{path: {value: /split}}]
      backendRefs: [{name: web, port: 80, weight: 1}, {name: api, port: 80, weight: 1}]
"""
NO_API = """---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: api, namespace: shop}
spec: {podSelector: {matchLabels: {app: api}}, ingress: []}
"""
PATHS = """---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: api}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: client}}]
      toPorts: [{ports: [{port: "8080", protocol: TCP}], rules: {http: [{path: "/v2.*"}]}}]
"""


def case(folder: Path, *requests: str, manifests: str = SERVICES) -> Case:
    place = folder / "routing" / "case"
    place.mkdir(parents=True)
    (place / "m.yaml").write_text(manifests)
    lines = "".join(f"    - {{from: shop/client, port: 80, family: 4, {each}}}\n" for each in requests)
    (place / "scenario.yaml").write_text(
        f"title: t\nwhy: w\ntopology: mesh\napply: [m.yaml]\nexpect:\n  requests:\n{lines}"
    )  # fmt: skip
    (found,) = load_cases([folder])
    return found


def against(written: Case) -> str:
    return "\n".join(consult(written, plan(written.topology).topology).contradictions)


API = "to: shop/web, http: {path: /api/x}, pods: [shop/api], arrives: {path: /v2/x}, copies: [{pods: [shop/cart]}]"
HALF = "shares: [{pods: [shop/cart], weight: 1}, {status: 403, weight: 1}]"
MANY = "shares: [{pods: [shop/api, shop/cart], weight: 1}, {pods: [shop/api], weight: 1}]"


@pytest.mark.parametrize(
    ("manifests", "request_", "said"),
    [
        (SERVICES, "to: shop/web, http: {}, pods: [shop/api, shop/cart]", ""),
        (SERVICES, "to: shop/web, http: {}, pods: [shop/api]", "the oracles say status 200, read by shop/api or shop/cart"),
        (SERVICES + ROUTE, API, ""),
        (SERVICES + ROUTE, "to: shop/web, http: {path: /no}, status: 404", ""),
        (SERVICES + ROUTE, API.replace("/v2/x", "/x"), "expects the path /x to arrive, the oracle says /v2/x"),
        (SERVICES + ROUTE, API.partition(", copies")[0], "expects copies for nobody, the oracle says shop/cart of 1"),
        (SERVICES + ROUTE + NO_API, "to: shop/web, http: {path: /api}, status: 403", ""),
        (SERVICES + ROUTE + NO_API, API, "the oracles say status 403, read by nobody (isolated, and no rule allows"),
        (SERVICES + ROUTE + PATHS, API, ""),
        (SERVICES + PATHS, "to: shop/api, http: {path: /v2}, pods: [shop/api]", ""),
        (SERVICES + PATHS, "to: shop/api, http: {path: /x}, status: 403", ""),
        (SERVICES + NO_API, "to: shop/web, times: 9, http: {}, shares: [{pods: [shop/cart]}, {status: 403}]", ""),
        (
            SERVICES + NO_API, f"to: shop/web, times: 200, http: {{}}, {HALF}",
            "how a Service's pods share its requests is left open; write no weights",
        ),
        (
            SERVICES + ROUTE, "to: shop/web, http: {path: /late}, pods: [shop/api], server: {delay: 2}, status: 504",
            "whether a try that took too long is done again is left open",
        ),
        (SERVICES + ROUTE, f"to: shop/web, times: 200, http: {{path: /split}}, {MANY}", ""),
    ],
)  # fmt: skip
def test_a_case_follows_from_routes_and_policies_or_is_contradicted(
    manifests: str, request_: str, said: str, tmp_path: Path
) -> None:
    found = against(case(tmp_path, request_, manifests=manifests))
    assert bool(found) is bool(said)
    assert said in found


def test_where_grpc_is_called_nothing_else_is_asked(tmp_path: Path) -> None:
    call, request = "to: shop/api, grpc: {method: a.B/C}, pods: [shop/api]", "to: shop/api, http: {}, pods: [shop/api]"
    assert "gRPC is called at its pods' port" in against(case(tmp_path, call, request))


def test_on_the_control_each_client_asks_each_pod_that_may_get_its_request_or_a_copy(tmp_path: Path) -> None:
    written = case(tmp_path, API, "to: shop/web, http: {path: /no}, status: 404", manifests=SERVICES + ROUTE)
    assert [str(flow) for flow in direct_flows(written)] == [
        "shop/client -> shop/api:8080/TCP (IPv4)",
        "shop/client -> shop/cart:8081/TCP (IPv4)",
    ]


def test_pods_that_policy_shuts_are_asked_on_the_control_too(tmp_path: Path) -> None:
    written = case(tmp_path, "to: shop/api, http: {}, status: 403", manifests=SERVICES + NO_API)
    assert [flow.destination for flow in direct_flows(written)] == ["shop/api"]


def test_a_case_with_calls_needs_their_programs(tmp_path: Path) -> None:
    written = case(tmp_path, "to: shop/api, grpc: {method: a.B/C}, pods: [shop/api]")
    assert callers(written)
    assert not callers(case(tmp_path / "plain", API, manifests=SERVICES + ROUTE))


def test_planes_without_services_declare_such_cases_unsupported(tmp_path: Path) -> None:
    written = case(tmp_path, API, manifests=SERVICES + ROUTE)
    assert Feature.L7_ROUTING in needs(written)
    for plane in (Plain(), Nftables()):
        found = obstacle(written, plane)
        assert found is not None
        assert found[0] is CaseOutcome.UNSUPPORTED
        assert found[1].startswith("l7-routing: ")
    assert "scenario.yaml:7" in str(obstacle(written, Plain()))


def test_a_request_is_a_class_of_its_own_by_what_decides_about_it(tmp_path: Path) -> None:
    (found,) = coverage([case(tmp_path, API, manifests=SERVICES + ROUTE)], ())
    asked = {"request to a Service", "route matches", "route filters", "route backendRefs"}
    assert {pair.field for pair in found.pairs} >= asked
    assert any(pair.value == "PathPrefix of 1 for HTTP GET" for pair in found.pairs)


class _Lab(SimpleNamespace):
    """A lab without pods in it: what clients see is given."""


def _judged(
    written: Case, monkeypatch: pytest.MonkeyPatch, answer: RoutedAnswer, evidence: Evidence | None = None
) -> tuple[Sequence[str], list[Flow]]:
    """The faults where every request gets ``answer`` and no server reads anything, and the flows that evidence was asked of."""
    asked: list[Flow] = []

    def said(flow: Flow) -> Evidence | None:
        asked.append(flow)
        return evidence

    def answered(requests: Sequence[Asked], *rest: Any) -> list[list[tuple[int, RoutedAnswer]]]:
        return [[(number, answer)] for number, _ in enumerate(requests, 1)]

    monkeypatch.setattr(routed, "ask", answered)
    lab = _Lab(topology=plan(written.topology).topology)
    attachment: Any = SimpleNamespace(evidence=said)
    return judge_requests_on(written.steps[0], lab, {}, attachment, None).faults, asked  # type: ignore[arg-type]


def test_a_refusal_is_proved_by_the_record_of_the_pod_that_would_have_got_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = case(tmp_path, "to: shop/api, http: {path: /x}, status: 403", manifests=SERVICES + PATHS)
    faults, asked = _judged(written, monkeypatch, RoutedAnswer(403), Evidence("p", "denied"))
    assert (faults, [str(flow) for flow in asked]) == ((), ["shop/client -> shop/api:8080/TCP GET /x (IPv4)"])
    faults, _ = _judged(written, monkeypatch, RoutedAnswer(403))
    assert "of which the data plane has no record" in faults[0]


def test_nothing_is_asked_of_a_plane_about_what_it_does_not_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = case(tmp_path, "to: shop/web, http: {path: /no}, status: 404", manifests=SERVICES + ROUTE)
    assert _judged(written, monkeypatch, RoutedAnswer(404)) == ((), [])


def test_copies_that_never_come_are_waited_for_no_longer_than_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routed, "COPY_SECONDS", 0.05)
    faults, _ = _judged(case(tmp_path, API, manifests=SERVICES + ROUTE), monkeypatch, RoutedAnswer(200, "shop/api"))
    assert "read by nobody" in faults[0]
    assert "expected one copy for shop/cart, observed 0" in faults[1]
