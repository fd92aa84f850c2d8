"""Hosts outside of the cluster: in topologies, and as clients of Gateways in cases."""

from pathlib import Path

import pytest

from harness.manifests.case import load_cases
from harness.manifests.errors import ManifestError
from harness.manifests.topology import load_topology
from harness.model.routed import RoutedExpectation
from harness.model.topology import OutsideHost

PODS = """
nodes: [n1, n2]
namespaces: {shop: {}}
pods: [{name: web, namespace: shop, labels: {app: web}, ips: [10.1.0.9]}]
"""
HOST = 'outside:\n  - {name: visitor, ips: ["2001:db8::7", 192.0.2.7]}\n'
MANIFESTS = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {gatewayClassName: c, listeners: [{name: a, port: 80, protocol: HTTP}]}
"""


def requests(folder: Path, request: str) -> tuple[RoutedExpectation, ...]:
    place = folder / "gateway" / "case"
    place.mkdir(parents=True)
    (place / "t.yaml").write_text(PODS + HOST)
    (place / "m.yaml").write_text(MANIFESTS)
    case = f"title: t\nwhy: w\ntopology: ./t.yaml\napply: [m.yaml]\nexpect:\n  requests:\n    - {request}\n"
    (place / "scenario.yaml").write_text(case)
    (loaded,) = load_cases([folder])
    return loaded.steps[0].requests


def test_a_topology_names_them_and_the_node_that_they_come_through(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(f"{PODS}{HOST}  - {{name: partner, node: n2, ips: [198.51.100.9, 2001:DB8::9]}}\n")
    assert load_topology(file).outside == (
        OutsideHost("visitor", "n1", ("2001:db8::7", "192.0.2.7")),
        OutsideHost("partner", "n2", ("198.51.100.9", "2001:db8::9")),
    )
    file.write_text(PODS)
    assert load_topology(file).outside == ()


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("{name: b, ips: [192.0.2.9]}", "t.yaml:6: outside[0].ips: "),
        ("{name: b, ips: [192.0.2.9, 192.0.2.8]}", "outside[0].ips[1]: two addresses of one family"),
        ('{name: b, node: n3, ips: [192.0.2.9, "2001:db8::9"]}', 'outside[0].node: no node "n3"'),
        ('{name: b, ips: [10.1.0.9, "2001:db8::9"]}', "outside[0].ips[0]: 10.1.0.9 is the address of shop/web already"),
        ('{name: b, ips: [192.0.2.9, "2001:db8::9"]}\n  - {name: b, ips: [192.0.2.8, "2001:db8::8"]}', '"b" is listed twice'),
        ('{name: b, ips: [192.0.2.9, "2001:db8::9"]}\n  - {name: c, ips: [192.0.2.9, "2001:db8::8"]}', "of host b already"),
    ],
)
def test_what_is_wrong_is_said_at_its_line(host: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(f"{PODS}outside:\n  - {host}\n")
    with pytest.raises(ManifestError) as caught:
        load_topology(file)
    assert said in str(caught.value)


ASKS = "to: {gateway: shop/edge}, port: 80, http: {host: shop.example}, status: 404"


def test_a_request_from_outside_is_asked_over_the_family_of_its_address(tmp_path: Path) -> None:
    (asked,) = [each.asked for each in requests(tmp_path, f'{{from: {{ip: "2001:db8:0::7"}}, {ASKS}}}')]
    assert (asked.call.source, asked.family, asked.call.place) == ("2001:db8::7", 6, "gateway shop/edge")


def test_a_pods_request_to_a_gateway_is_asked_over_both(tmp_path: Path) -> None:
    assert [each.asked.family for each in requests(tmp_path, f"{{from: shop/web, {ASKS}}}")] == [4, 6]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (f"{{from: {{ip: 192.0.2.8}}, {ASKS}}}", "requests[0].from: topology t has no host at 192.0.2.8"),
        (f"{{from: {{ip: 192.0.2.7}}, {ASKS}, family: 6}}", "requests[0].family: the client's address 192.0.2.7 is of another"),
        ("{from: {ip: 192.0.2.7}, to: shop/web, port: 80, http: {}, status: 404}", "requests[0].to: Services are for pods"),
    ],
)
def test_who_cannot_ask_is_refused_at_its_line(request_: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        requests(tmp_path, request_)
    assert f"scenario.yaml:7: {said}" in str(caught.value)
