"""Requests to Services through node proxies, and that they go where the oracle says."""

from contextlib import closing

import pytest
from http_ends import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from route_strategies import grpc_calls, grpc_routes, http_calls, http_routes
from routed_checks import IN_A_LAB, check_against_oracles
from service_clients import ask, connection
from service_world import SERVICES

from harness.dataplanes.port import Attachment
from harness.envoy.transparent import HAIRPIN
from harness.lab.port import Lab
from harness.model.route import GRPCRoute, HTTPRoute
from harness.model.routing import Call, Routing

FAMILIES = pytest.mark.parametrize("family", [4, 6])


@FAMILIES
@pytest.mark.parametrize("client", ["shop/client", "shop/v1", "shop/v2"])
@pytest.mark.parametrize("name", ["v1", "v2"])
def test_a_service_without_routes_leads_to_its_pods(
    routed_lab: Lab, routing_plane: Attachment, versions: dict[str, Backend], name: str, client: str, family: int
) -> None:
    """On the other node than the client, on its own, and to the client itself."""
    routing_plane.apply((), Routing(services=SERVICES))
    versions[f"shop/{name}"].seen.clear()
    with closing(connection(routed_lab, client, SERVICES, f"shop/{name}", 80, family)) as opened:
        answer = ask(opened)
    assert (answer.status, answer.body) == (200, f"shop/{name}")
    (seen,) = versions[f"shop/{name}"].seen
    assert seen.peer == (HAIRPIN[family] if client == f"shop/{name}" else routed_lab.pod(client).pod.ip(family))


@settings(IN_A_LAB, max_examples=30)
@given(routes=http_routes(), calls=st.lists(http_calls, min_size=20, max_size=20))
def test_requests_of_http_go_where_the_oracle_says(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend], routes: tuple[HTTPRoute, ...], calls: list[Call]
) -> None:
    check_against_oracles(routing_plane, routed_lab, versions, Routing(SERVICES, http_routes=routes), calls)


@settings(IN_A_LAB, max_examples=20)
@given(routes=grpc_routes(), calls=st.lists(grpc_calls | http_calls, min_size=15, max_size=15))
def test_calls_of_grpc_go_where_the_oracle_says(
    routing_plane: Attachment, routed_lab: Lab, versions: dict[str, Backend], routes: tuple[GRPCRoute, ...], calls: list[Call]
) -> None:
    check_against_oracles(routing_plane, routed_lab, versions, Routing(SERVICES, grpc_routes=routes), calls)
