"""A pair of nodes, its server, and sidecars on it, for each of the two planes."""

import dataclasses
from collections.abc import Iterator

import pytest
from sidecar_clients import PLANES, PORT

from harness.dataplanes.port import Attachment
from harness.lab import netns
from harness.lab.port import Lab, LabPod
from harness.model.topology import ContainerPort, Topology
from harness.traffic import nginx


@pytest.fixture(scope="module")
def pair_lab(root: None, pair: Topology) -> Iterator[Lab]:
    """The pair, whose pods also declare a port that is TCP by its name."""
    line = ContainerPort("tcp-line", 2525)
    pods = tuple(dataclasses.replace(pod, ports=(*pod.ports, line)) for pod in pair.pods)
    with netns.up(dataclasses.replace(pair, pods=pods)) as lab:
        yield lab


@pytest.fixture(scope="module")
def server(pair_lab: Lab) -> Iterator[LabPod]:
    """The pod ``shop/server``, with nginx on it."""
    pod = pair_lab.pod("shop/server")
    with nginx.serve(pod, PORT, pair_lab.folder):
        yield pod


@pytest.fixture(scope="module", params=list(PLANES))
def plane(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def attached(plane: str, pair_lab: Lab, server: LabPod) -> Iterator[Attachment]:
    with PLANES[plane].attach(pair_lab) as attachment:
        yield attachment


@pytest.fixture
def unrestricted(attached: Attachment) -> Attachment:
    """The sidecars without any policy, whatever the last test left."""
    attached.apply(())
    return attached
