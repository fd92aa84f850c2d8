"""Requests to Services through node proxies, and that they go where the oracle says."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from http_ends import Backend, backend
from route_strategies import grpc_calls, grpc_routes, http_calls, http_routes
from routed_answers import agrees
from service_clients import ask, call, connection
from service_world import ROUTED, SERVICES

from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.port import Attachment
from harness.lab import netns
from harness.lab.port import Lab
from harness.model.route import GRPCRoute, HTTPRoute
from harness.model.routing import Call, Routing
from harness.oracle.routing import Router

FAMILIES = pytest.mark.parametrize("family", [4, 6])
IN_A_LAB = settings(
    deadline=None, derandomize=True, database=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def lab(root: None) -> Iterator[Lab]:
    with netns.up(ROUTED) as made:
        yield made


@pytest.fixture(scope="module")
def backends(lab: Lab) -> Iterator[dict[str, Backend]]:
    with backend(lab.pod("shop/v1")) as v1, backend(lab.pod("shop/v2")) as v2:
        yield {"shop/v1": v1, "shop/v2": v2}


@pytest.fixture(scope="module")
def plane(lab: Lab, backends: dict[str, Backend]) -> Iterator[Attachment]:
    with NodeProxy().attach(lab) as attachment:
        yield attachment


@FAMILIES
@pytest.mark.parametrize("client", ["shop/client", "shop/v1", "shop/v2"])
@pytest.mark.parametrize("name", ["v1", "v2"])
def test_a_service_without_routes_leads_to_its_pods(
    lab: Lab, plane: Attachment, backends: dict[str, Backend], name: str, client: str, family: int
) -> None:
    """On the other node than the client, on its own, and to the client itself."""
    plane.apply((), Routing(services=SERVICES))
    backends[f"shop/{name}"].seen.clear()
    with closing(connection(lab, client, SERVICES, f"shop/{name}", 80, family)) as opened:
        answer = ask(opened)
    assert (answer.status, answer.body) == (200, f"shop/{name}")
    assert len(backends[f"shop/{name}"].seen) == 1


def check(plane: Attachment, lab: Lab, backends: dict[str, Backend], routing: Routing, calls: Sequence[Call]) -> None:
    plane.apply((), routing)
    oracle = Router(routing, lab.topology)
    for number, asked in enumerate(calls):
        for each in backends.values():
            each.seen.clear()
        answer = call(lab, SERVICES, asked, 4 if number % 2 else 6)
        seen = [each for served in backends.values() for each in served.seen]
        assert len(seen) <= 1
        expected = oracle.answer(asked)
        assert agrees(expected, answer, seen[0] if seen else None), f"{asked}: {answer}, {seen}, not of {expected}"


@settings(IN_A_LAB, max_examples=30)
@given(routes=http_routes(), calls=st.lists(http_calls, min_size=20, max_size=20))
def test_requests_of_http_go_where_the_oracle_says(
    plane: Attachment, lab: Lab, backends: dict[str, Backend], routes: tuple[HTTPRoute, ...], calls: list[Call]
) -> None:
    check(plane, lab, backends, Routing(SERVICES, http_routes=routes), calls)


@settings(IN_A_LAB, max_examples=20)
@given(routes=grpc_routes(), calls=st.lists(grpc_calls | http_calls, min_size=15, max_size=15))
def test_calls_of_grpc_go_where_the_oracle_says(
    plane: Attachment, lab: Lab, backends: dict[str, Backend], routes: tuple[GRPCRoute, ...], calls: list[Call]
) -> None:
    check(plane, lab, backends, Routing(SERVICES, grpc_routes=routes), calls)
