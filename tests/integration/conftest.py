"""Labs for tests that need a kernel: network namespaces, BPF, Envoy."""

import os
from collections.abc import Iterator

import pytest

from harness.lab import netns
from harness.lab.port import Lab
from harness.model.topology import ContainerPort, Namespace, Pod, Topology


@pytest.fixture(scope="session", autouse=True)
def root() -> None:
    """Fail, never skip: a run that tested nothing must not look like one that passed."""
    if os.geteuid() != 0:
        pytest.fail("these tests make network namespaces and load BPF programs: run them as root, `sudo ./toxw -e integration`")


def _pod(namespace: str, name: str, node: str) -> Pod:
    return Pod(name, namespace, node, labels={"app": name}, ports=(ContainerPort("http", 8080),))


PAIR = Topology(
    name="pair",
    nodes=("n1", "n2"),
    namespaces=(Namespace("shop", {"team": "web"}), Namespace("evil", {"team": "other"})),
    pods=(
        _pod("shop", "client", "n1"),
        _pod("shop", "server", "n2"),
        _pod("shop", "neighbour", "n1"),
        _pod("evil", "stranger", "n1"),
    ),
)
"""A client with a server on the other node, a server beside it, and somebody of another namespace."""


@pytest.fixture(scope="session")
def pair() -> Topology:
    return PAIR


@pytest.fixture(scope="module")
def pair_lab(root: None) -> Iterator[Lab]:
    """PAIR, up for all tests of a module. Whoever attaches a data plane to it detaches it again."""
    with netns.up(PAIR) as lab:
        yield lab
