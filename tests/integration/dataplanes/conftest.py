"""Nodes with node proxies, and backends on both: of pods that are asked themselves, and of Services."""

from collections.abc import Iterator

import pytest
from http_ends import Backend, backend
from service_world import ROUTED

from harness.dataplanes.ebpf_l7 import EbpfL7
from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.port import Attachment
from harness.lab import netns
from harness.lab.port import Lab, LabPod


@pytest.fixture(scope="module")
def client(pair_lab: Lab) -> LabPod:
    return pair_lab.pod("shop/client")


@pytest.fixture(scope="module")
def backends(pair_lab: Lab) -> Iterator[dict[str, Backend]]:
    """By app: ``server`` on the other node than the client, ``neighbour`` on its own."""
    with backend(pair_lab.pod("shop/server")) as server, backend(pair_lab.pod("shop/neighbour")) as neighbour:
        yield {"server": server, "neighbour": neighbour}


@pytest.fixture(scope="module", params=[NodeProxy(), EbpfL7()], ids=lambda plane: plane.name)
def attached(pair_lab: Lab, backends: dict[str, Backend], request: pytest.FixtureRequest) -> Iterator[Attachment]:
    """Both data planes that judge requests: what one does, the other does."""
    with request.param.attach(pair_lab) as attachment:
        yield attachment


@pytest.fixture
def plane(attached: Attachment, backends: dict[str, Backend]) -> Attachment:
    """Without policies, and nothing seen, whatever the last test left."""
    attached.apply(())
    for each in backends.values():
        each.seen.clear()
    return attached


@pytest.fixture(scope="module")
def routed_lab(root: None) -> Iterator[Lab]:
    with netns.up(ROUTED) as lab:
        yield lab


@pytest.fixture(scope="module")
def versions(routed_lab: Lab) -> Iterator[dict[str, Backend]]:
    """The backends of Services, by pod."""
    with backend(routed_lab.pod("shop/v1")) as v1, backend(routed_lab.pod("shop/v2")) as v2:
        yield {"shop/v1": v1, "shop/v2": v2}


@pytest.fixture(scope="module")
def routing_plane(routed_lab: Lab, versions: dict[str, Backend]) -> Iterator[Attachment]:
    with NodeProxy().attach(routed_lab) as attachment:
        yield attachment
