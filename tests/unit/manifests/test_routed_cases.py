"""Requests to Services in conformance cases, as users write them."""

from pathlib import Path

import pytest

from harness.manifests.case import load_cases
from harness.manifests.errors import ManifestError
from harness.model.call import GRPCCall
from harness.model.case import Step
from harness.model.request import HTTPRequest
from harness.model.routed import Asked, Copies, Told

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {tier: back}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: quiet, namespace: shop}
spec: {selector: {tier: back}, clusterIP: None, ports: [{port: 80}]}
"""
ASKED = "from: shop/client, to: shop/web, port: 80, http: {}"
ONE = f"{{{ASKED}, pods: [shop/api]}}"


def step(folder: Path, *requests: str, manifests: str = SERVICES, more: str = "") -> Step:
    case = folder / "routing" / "case"
    case.mkdir(parents=True)
    (case / "m.yaml").write_text(manifests)
    lines = "".join(f"    - {each}\n" for each in requests)
    listed = f"  requests:\n{lines}" if requests else ""
    (case / "scenario.yaml").write_text(f"title: t\nwhy: w\ntopology: mesh\n{more}apply: [m.yaml]\nexpect:\n{listed}")
    ((found,),) = [one.steps for one in load_cases([folder])]
    return found


def test_a_request_is_expected_over_both_families_and_names_its_host(tmp_path: Path) -> None:
    found = step(tmp_path, ONE).requests
    assert [each.asked.family for each in found] == [4, 6]
    assert found[0].asked.call.request == HTTPRequest(host="web.shop.svc.cluster.local")
    assert [(share.pods, share.status, share.weight, share.tries) for share in found[0].shares] == [
        (("shop/api",), 200, None, 1)
    ]
    assert str(found[0].origin).endswith("scenario.yaml:7")


def test_services_and_routes_are_read_beside_policies(tmp_path: Path) -> None:
    assert [each.ref for each in step(tmp_path, ONE).routing.services] == ["shop/web", "shop/quiet"]


def test_without_requests_services_are_bystanders(tmp_path: Path) -> None:
    case = tmp_path / "policy" / "case"
    case.mkdir(parents=True)
    (case / "m.yaml").write_text(SERVICES)
    expect = "expect: {flows: [{from: shop/client, to: shop/api, port: 8080, verdict: forwarded}]}"
    (case / "scenario.yaml").write_text(f"title: t\nwhy: w\ntopology: mesh\napply: [m.yaml]\n{expect}\n")
    (found,) = load_cases([tmp_path])
    assert (found.steps[0].routing.services, found.not_judged) == ((), {"Service": 2})


def test_all_that_may_become_of_a_request_is_kept(tmp_path: Path) -> None:
    server = "server: {status: 503, first: 1, delay: 0.5, headers: {X-A: one}}"
    shares = """
        - pods: [shop/api, shop/cart]
          weight: 3
          arrives: {path: /b, host: h, headers: {X-Gone: null, X-Set: one}}
          returns: {X-R: two}
        - {status: 404, weight: 1}"""
    copies = "copies: [{pods: [data/db]}, {pods: [data/cache], numerator: 1, denominator: 4}]"
    request = f"""from: shop/client
      to: shop/web
      port: 80
      http: {{path: "/a?b", host: "web:81"}}
      family: 6
      times: 400
      {server}
      {copies}
      shares:{shares}"""
    (found,) = step(tmp_path, request).requests
    assert found.asked == Asked(
        found.asked.call, 6, 400, Told(503, (("X-A", "one"),), 0.5, 1)
    )  # fmt: skip
    first, second = found.shares
    assert (first.path, first.host, first.headers) == ("/b", "h", (("X-Gone", None), ("X-Set", "one")))
    assert (first.returns, first.status, first.weight) == ((("X-R", "two"),), 200, 3)
    assert (second.pods, second.status, second.weight) == ((), 404, 1)
    assert [(each.pods, each.numerator, each.denominator, each.always) for each in found.copies] == [
        (("data/db",), 1, 1, True),
        (("data/cache",), 1, 4, False),
    ]
    assert isinstance(found.copies[0], Copies)
    assert found.weighted


def test_what_a_server_is_told_each_time_is_what_its_client_gets(tmp_path: Path) -> None:
    always = f"{{{ASKED}, family: 4, pods: [shop/api], server: {{status: 500}}}}"
    once = f"{{{ASKED}, family: 6, pods: [shop/api], server: {{status: 500, first: 1}}}}"
    assert [each.shares[0].status for each in step(tmp_path, always, once).requests] == [500, 200]


def test_calls_have_statuses_of_grpc(tmp_path: Path) -> None:
    call = "{from: shop/client, to: shop/web, port: 80, family: 4, grpc: {method: a.B/C, answer: NOT_FOUND}, pods: [shop/api]}"
    gone = "{from: shop/client, to: shop/web, port: 80, family: 4, grpc: {method: a.B/D}, status: UNIMPLEMENTED}"
    found = step(tmp_path, call, gone).requests
    assert [each.shares[0].status for each in found] == ["NOT_FOUND", "UNIMPLEMENTED"]
    assert isinstance(found[0].asked.call.request, GRPCCall)


TO_WEB = "from: shop/client, to: shop/web, port: 80"
GRPC = f"{TO_WEB}, grpc: {{method: a.B/C}}"
SHARES = "shares: [{pods: [shop/api], weight: 1}, {pods: [shop/cart], weight: 1}]"


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (f"{{{ASKED}}}", "pods: missing; write the pods of which one answers, a status, or shares"),
        (f"{{{ASKED}, pods: []}}", "pods: empty; write at least one"),
        (f"{{{ASKED}, pods: [shop/apy]}}", 'requests[0].pods[0]: no pod "shop/apy" (did you mean "shop/api"?)'),
        (f"{{{ASKED}, pods: [shop/api], copies: [{{pods: [shop/no]}}]}}", 'copies[0].pods[0]: no pod "shop/no"'),
        (f"{{{ASKED}, times: 9, shares: [{{pods: [shop/no]}}, {{status: 404}}]}}", 'shares[0].pods[0]: no pod "shop/no"'),
        (f"{{{ASKED}, status: 600}}", "status: want a status, 200 to 599"),
        (f"{{{ASKED}, status: UNAVAILABLE}}", "status: want a number"),
        (f"{{{GRPC}, status: 404}}", "status: want a status of gRPC such as OK"),
        (f"{{{GRPC}, status: UNAVAILABL}}", '(did you mean "UNAVAILABLE"?)'),
        (f"{{{ASKED}, status: 404, tries: 2}}", "pods: missing; what nobody reads neither arrives nor is tried"),
        (f"{{{ASKED}, status: 404, arrives: {{path: /}}}}", "pods: missing; what nobody reads"),
        (f"{{{ASKED}, pods: [shop/api], weight: 1}}", "weight: the only answer has no share"),
        (f"{{{ASKED}, pods: [shop/api], times: 9, {SHARES}}}", "pods: beside shares; write it inside them"),
        (f"{{{ASKED}, {SHARES}}}", "times: 1 request has no shares; write how many are asked"),
        (f"{{{ASKED}, times: 9, shares: [{{pods: [shop/api]}}]}}", "shares: want at least two"),
        (f"{{{ASKED}, times: 9, shares: [{{pods: [shop/api], weight: 1}}, {{status: 500}}]}}", "shares[1].weight: missing"),
        (f"{{{ASKED}, times: 9, shares: [{{pods: [shop/api]}}, {{weight: 1}}]}}", "shares[1].pods: missing"),
        (f"{{{ASKED}, pods: [shop/api], times: 1001}}", "times: want at most 1000"),
        (f"{{{ASKED}, pods: [shop/api], copies: [{{pods: [shop/api]}}]}}", "copies[0].pods: answers the request too"),
        (f"{{{ASKED}, pods: [shop/api], copies: [{{pods: [data/db], numerator: 2}}]}}", "numerator: more than the"),
        (f"{{{ASKED}, pods: [shop/api], copies: [{{pods: [data/db], denominator: 2}}]}}", "times: 1 request has no part"),
        (f"{{{ASKED}, pods: [shop/api], server: {{}}}}", "server: tells nothing"),
        (f"{{{ASKED}, pods: [shop/api], server: {{first: 1}}}}", "first: neither status nor delay beside it"),
        (f"{{{ASKED}, pods: [shop/api], server: {{status: 204}}}}", "server.status: want at least 400"),
        (f"{{{ASKED}, pods: [shop/api], server: {{headers: {{A: 'b|c'}}}}}}", 'server.headers: "|" cannot be told'),
        (f"{{{GRPC}, pods: [shop/api], server: {{delay: 1}}}}", "server: a server of gRPC is told by answer"),
        (f"{{{TO_WEB}, grpc: {{method: a.B/C, connection: shared}}, pods: [shop/api]}}", "grpc.connection"),
        (f"{{{TO_WEB}, http: {{headers: {{Probe: a}}}}, pods: [shop/api]}}", "headers.Probe: the lab's own"),
        ("{from: shop/client, to: shop/web, port: 81, http: {}, pods: [shop/api]}", 'Service "shop/web" has no TCP port 81'),
        ("{from: shop/client, to: shop/wep, port: 80, http: {}, pods: [shop/api]}", 'no Service "shop/wep" in the manifests'),
        ("{from: shop/client, to: shop/quiet, port: 80, http: {}, pods: [shop/api]}", 'Service "shop/quiet" is headless'),
        ("{from: {ip: 192.0.2.1}, to: shop/web, port: 80, http: {}, pods: [shop/api]}", "no host at 192.0.2.1"),
        ("{from: {ip: 192.0.2.1}, to: shop/web, port: 80, http: {}, pods: [shop/api]}", "to: Services are for pods"),
        ("{from: {ip: 192.0.2.1}, to: shop/web, port: 80, http: {}, family: 6, pods: [shop/api]}", "family: the client"),
        ("{from: shop/client, to: {gateway: shop/edge}, port: 80, http: {host: a}, status: 404}", 'no Gateway "shop/edge"'),
        ("{from: shop/client, to: {gateway: shop/edge}, port: 80, http: {}, pods: [shop/api]}", "a Gateway has no name that"),
        ("{from: shop/client, to: shop/web, port: 80, pods: [shop/api]}", "http: missing; write what is asked"),
        (f"{ONE}\n    - {{{ASKED}, family: 4, status: 404}}", "is listed already at"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_line(request_: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        step(tmp_path, request_)
    assert said in str(caught.value)
    assert "scenario.yaml:" in str(caught.value)


GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: ship}
spec: {gatewayClassName: c, listeners: [{name: a, port: 80, protocol: HTTP}]}
"""


@pytest.mark.parametrize(
    ("manifests", "said"),
    [
        (
            f"{SERVICES}---{GATEWAY}",
            'm.yaml:13: metadata.namespace: no namespace "ship" in topology mesh (did you mean "shop"?)',
        ),
        (SERVICES.replace("namespace: shop", "namespace: ship"), 'no namespace "ship" in topology mesh (did you mean "shop"?)'),
    ],
)
def test_objects_that_no_lab_has_a_place_for_are_refused_by_their_line(manifests: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        step(tmp_path, ONE, manifests=manifests)
    assert said in str(caught.value)


def test_requests_are_judged_where_no_way_around_policy_is_tried(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="exchanges and requests are judged where no way around policy is tried"):
        step(tmp_path, ONE, more="technique: exempt uid\n")
