"""Requests to Services through node proxies, and that they go where the oracle says."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from http_ends import Backend, backend
from service_clients import ask, connection
from service_world import ROUTED, services

from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.port import Attachment
from harness.lab import netns
from harness.lab.port import Lab
from harness.model.routing import Routing

FAMILIES = pytest.mark.parametrize("family", [4, 6])


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
    plane.apply((), Routing(services=services()))
    backends[f"shop/{name}"].seen.clear()
    with closing(connection(lab, client, services(), f"shop/{name}", 80, family)) as opened:
        answer = ask(opened)
    assert (answer.status, answer.body) == (200, f"shop/{name}")
    assert len(backends[f"shop/{name}"].seen) == 1
