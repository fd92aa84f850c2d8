"""The mesh on the pair, by each way of attaching and forwarding."""

from collections.abc import Iterator

import pytest
from mesh_ways import WAYS

from harness.dataplanes.ebpf import EbpfAttachment
from harness.lab.port import Lab
from harness.mesh.mesh import attached


@pytest.fixture(scope="module", params=list(WAYS))
def every_way(request: pytest.FixtureRequest, pair_lab: Lab) -> Iterator[EbpfAttachment]:
    """In force for all tests of a module, once for each of WAYS."""
    with attached(pair_lab, WAYS[request.param]) as mesh:
        yield EbpfAttachment(mesh)


@pytest.fixture
def mesh(every_way: EbpfAttachment) -> EbpfAttachment:
    """Without policies."""
    every_way.apply(())
    return every_way
