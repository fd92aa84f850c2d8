"""Policies hold for requests to Services, as for requests to the pods that they are routed to."""

from contextlib import closing

import pytest
from http_ends import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from records import recorded
from request_policies import POLICY, egress, http, http_headers, ingress, rule
from route_strategies import http_calls, http_routes
from routed_checks import IN_A_LAB, check_against_oracles
from service_clients import ask, connection
from service_world import HERE, PORT, SERVICES

from harness.dataplanes.port import Attachment
from harness.envoy.request_denials import BODY
from harness.lab.port import Lab
from harness.model.cilium import HeaderMatch, Policy
from harness.model.flow import Flow
from harness.model.policy import LabelSelector, NetworkPolicy
from harness.model.request import HTTPRequest
from harness.model.route import (
    BackendObject,
    BackendRef,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    ValueMatch,
)
from harness.model.routing import Call, Routing

POLICIES: tuple[Policy, ...] = (
    ingress("v1", rule("client", http("/a.*"))),
    ingress("v2", rule("client"), rule("v1")),
    egress("client", rule("v1", http(None, "GET")), rule("v2")),
    NetworkPolicy(POLICY, "none", "shop", LabelSelector({"app": "v2"}), ingress=()),
    ingress("v1", rule("client"), deny=(rule("v2"),)),
    egress("v2", rule("v1", http("/b.*"))),
    ingress("v1", rule("client", http(None, None, "new[.]example"), http(None, None, None, "X-A: one"))),
)


@settings(IN_A_LAB, max_examples=20)
@given(
    routes=http_routes(),
    calls=st.lists(http_calls, min_size=15, max_size=15),
    policies=st.lists(st.sampled_from(POLICIES), min_size=1, max_size=3, unique_by=POLICIES.index),
)
def test_a_request_is_judged_as_its_backend_gets_it(
    routing_plane: Attachment,
    routed_lab: Lab,
    versions: dict[str, Backend],
    routes: tuple[HTTPRoute, ...],
    calls: list[Call],
    policies: list[Policy],
) -> None:
    check_against_oracles(routing_plane, routed_lab, versions, Routing(SERVICES, http_routes=routes), calls, policies)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_refused_request_to_a_service_proves_its_reason(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend], version: str, family: int
) -> None:
    """On the other node than the client, and on its own; what is named is the pod that would have had it."""
    routing_plane.apply([ingress(version, rule("client", http("/public")))], Routing(SERVICES))
    with closing(connection(routed_lab, "shop/client", SERVICES, f"shop/{version}", 80, family)) as opened:
        assert [ask(opened, path).status for path in ("/public", "/private")] == [200, 403]
    flow = Flow("shop/client", f"shop/{version}", PORT, family=family, request=HTTPRequest(path="/private"))
    found = recorded(routing_plane, flow)
    assert found is not None
    assert (found.plane, found.reason, found.rule) == ("node-proxy", "rbac_access_denied", str(POLICY))
    assert found.detail == "ingress on node n1: GET /private"


def test_policies_reach_open_connections_to_services(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]
) -> None:
    routing = Routing(SERVICES)
    routing_plane.apply((), routing)
    with closing(connection(routed_lab, "shop/client", SERVICES, "shop/v1", 80, 4)) as opened:
        assert ask(opened, "/a").status == 200
        routing_plane.apply([NetworkPolicy(POLICY, "none", "shop", LabelSelector({"app": "v1"}), ingress=())], routing)
        assert ask(opened, "/a").status == 403
        routing_plane.apply((), routing)
        assert ask(opened, "/a").status == 200


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_headers_are_changed_once_wherever_the_backend_is(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend], version: str
) -> None:
    adding = http_headers(HeaderMatch("X-Token", "42", "ADD"))
    routing_plane.apply([ingress(version, rule("client", adding))], Routing(SERVICES))
    versions[f"shop/{version}"].seen.clear()
    with closing(connection(routed_lab, "shop/client", SERVICES, f"shop/{version}", 80, 4)) as opened:
        assert ask(opened).status == 200
    (seen,) = versions[f"shop/{version}"].seen
    assert [line.lower() for line in seen.lines if line.lower().startswith(b"x-token")] == [b"x-token: 42"]


def test_a_request_whose_headers_were_changed_goes_where_it_was_judged_to_go(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend]
) -> None:
    """Not to the backend that the header would have chosen, and that the client may not ask."""
    v1, v2 = (BackendRef(BackendObject(HERE, name, port=80)) for name in ("v1", "v2"))
    match = HTTPRouteMatch(HERE, headers=(ValueMatch("X-Token", "42"),))
    rules = (HTTPRouteRule(HERE, None, (match,), backend_refs=(v2,)), HTTPRouteRule(HERE, backend_refs=(v1,)))
    route = HTTPRoute(HERE, "r", "shop", (ParentReference(HERE, "web", "", "Service"),), None, rules)
    adding = http_headers(HeaderMatch("X-Token", "42", "ADD"))
    routing_plane.apply([egress("client", rule("v1", adding))], Routing(SERVICES, http_routes=(route,)))
    for each in versions.values():
        each.seen.clear()
    with closing(connection(routed_lab, "shop/client", SERVICES, "shop/web", 80, 4)) as opened:
        assert ask(opened).body == "shop/v1"
        assert ask(opened, headers=[("X-Token", "42")]).body == BODY
    assert any(line.lower() == b"x-token: 42" for line in versions["shop/v1"].seen[0].lines)
    assert versions["shop/v2"].seen == []
