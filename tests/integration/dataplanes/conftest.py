"""A pair of nodes with node proxies, and backends on both."""

from collections.abc import Iterator

import pytest
from http_ends import Backend, backend

from harness.dataplanes.ebpf_l7 import EbpfL7
from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.port import Attachment
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
