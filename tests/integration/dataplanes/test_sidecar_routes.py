"""Requests to Services through sidecars go where the oracle says, are judged as their backend gets them, and are encrypted."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from http_ends import Backend, raw
from hypothesis import given, settings
from hypothesis import strategies as st
from records import recorded
from request_policies import POLICY, egress, http, ingress, rule
from route_strategies import http_calls, http_routes
from routed_checks import IN_A_LAB, check_against_oracles
from service_clients import ask, connection
from service_world import HERE, PORT, SERVICES
from test_node_proxy_routed_policies import POLICIES

from harness.dataplanes.port import Attachment
from harness.dataplanes.sidecar import DATA_PLANES
from harness.lab.port import Lab
from harness.model.cilium import Policy
from harness.model.flow import Flow
from harness.model.request import HTTPRequest
from harness.model.route import BackendObject, BackendRef, HTTPRoute, HTTPRouteMatch, HTTPRouteRule, ParentReference, PathMatch
from harness.model.routing import Call, Routing

FAMILIES = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture(scope="module", params=DATA_PLANES, ids=lambda each: each.name)
def plane(routed_lab: Lab, versions: dict[str, Backend], request: pytest.FixtureRequest) -> Iterator[Attachment]:
    with request.param.attach(routed_lab) as attachment:
        yield attachment


def routes(*paths: tuple[str, str]) -> Routing:
    """Requests to the Service ``web`` whose path begins so go to another Service; no others go anywhere."""
    rules = tuple(
        HTTPRouteRule(
            HERE,
            matches=(HTTPRouteMatch(HERE, path=PathMatch("PathPrefix", path)),),
            backend_refs=(BackendRef(BackendObject(HERE, name, port=80)),),
        )
        for path, name in paths
    )
    parent = ParentReference(HERE, name="web", group="", kind="Service")
    return Routing(SERVICES, http_routes=(HTTPRoute(HERE, "r", "shop", parent_refs=(parent,), rules=rules),))


@FAMILIES
@pytest.mark.parametrize("client", ["shop/client", "shop/v1"])
def test_a_service_without_routes_leads_to_its_pods(
    routed_lab: Lab, plane: Attachment, versions: dict[str, Backend], client: str, family: int
) -> None:
    """On the other node than the client, on its own, and to the client itself, whatever policies say of others."""
    plane.apply([ingress("v1", rule("client"))], Routing(services=SERVICES))
    with closing(connection(routed_lab, client, SERVICES, "shop/v1", 80, family)) as opened:
        answer = ask(opened)
    assert (answer.status, answer.body) == (200, "shop/v1")


@settings(IN_A_LAB, max_examples=6)
@given(
    routes=http_routes(),
    calls=st.lists(http_calls, min_size=15, max_size=15),
    policies=st.lists(st.sampled_from(POLICIES), max_size=3, unique_by=POLICIES.index),
)
def test_requests_go_where_the_oracle_says_and_are_judged_as_their_backend_gets_them(
    plane: Attachment,
    routed_lab: Lab,
    versions: dict[str, Backend],
    routes: tuple[HTTPRoute, ...],
    calls: list[Call],
    policies: list[Policy],
) -> None:
    check_against_oracles(plane, routed_lab, versions, Routing(SERVICES, http_routes=routes), calls, policies)


def test_routes_change_for_requests_on_an_open_connection(routed_lab: Lab, plane: Attachment) -> None:
    plane.apply((), routes(("/a", "v1"), ("/b", "v2")))
    with closing(connection(routed_lab, "shop/client", SERVICES, "shop/web", 80, 4)) as opened:
        assert [ask(opened, path).body for path in ("/a", "/b")] == ["shop/v1", "shop/v2"]
        plane.apply((), routes(("/a", "v2")))
        assert ask(opened, "/a").body == "shop/v2"
        assert ask(opened, "/b").status == 404


@pytest.mark.parametrize("way", ["ingress", "egress"])
def test_a_change_of_policy_reaches_routed_requests_on_an_open_connection(
    routed_lab: Lab, plane: Attachment, versions: dict[str, Backend], way: str
) -> None:
    def policy(path: str) -> Policy:
        return ingress("v1", rule("client", http(path))) if way == "ingress" else egress("client", rule("v1", http(path)))

    plane.apply([policy("/a")], routes(("/", "v1")))
    with closing(connection(routed_lab, "shop/client", SERVICES, "shop/web", 80, 4)) as opened:
        assert [ask(opened, path).status for path in ("/a", "/b")] == [200, 403]
        plane.apply([policy("/b")], routes(("/", "v1")))
        versions["shop/v1"].seen.clear()
        assert [ask(opened, path).status for path in ("/a", "/b")] == [403, 200]
    assert versions["shop/v1"].targets() == ["/b"]
    found = recorded(plane, Flow("shop/client", "shop/v1", PORT, request=HTTPRequest(path="/a")))
    assert found is not None
    assert (found.reason, found.rule) == ("rbac_access_denied", str(POLICY))


@FAMILIES
def test_other_ports_of_a_service_are_refused(routed_lab: Lab, plane: Attachment, family: int) -> None:
    plane.apply((), Routing(services=SERVICES))
    with closing(connection(routed_lab, "shop/client", SERVICES, "shop/web", 81, family)) as opened, pytest.raises(OSError):
        ask(opened)


def test_a_backend_takes_requests_of_services_as_it_takes_all_others(
    routed_lab: Lab, plane: Attachment, request: pytest.FixtureRequest
) -> None:
    """With mutual TLS in TLS alone, also where they are judged: its node, which has no certificate, is refused."""
    plane.apply([ingress("v1", rule("client", http("/a")))], Routing(services=SERVICES))
    with closing(connection(routed_lab, "shop/client", SERVICES, "shop/v1", 80, 4)) as opened:
        assert ask(opened, "/a").status == 200
    node, v1 = routed_lab.node("n2"), routed_lab.pod("shop/v1")
    assert b"200 OK" not in raw(node, v1, b"GET /a HTTP/1.1\r\nHost: v1\r\n\r\n")  # type: ignore[arg-type] # a place is enough
