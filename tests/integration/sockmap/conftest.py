"""A lab whose pods ask for the same-node path."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from same_node import TOPOLOGY, Connect, Connection, Counts, listen, pod_socket

from harness.dataplanes.ebpf_sockmap import EbpfSockmap, EbpfSockmapAttachment
from harness.lab import netns
from harness.lab.port import Lab


@pytest.fixture(scope="session")
def sockmap_lab(root: None) -> Iterator[Lab]:
    with netns.up(TOPOLOGY) as lab:
        yield lab


@pytest.fixture(scope="session")
def attachment(sockmap_lab: Lab) -> Iterator[EbpfSockmapAttachment]:
    """The data plane in force on the lab. Whoever applies a policy takes it back."""
    with EbpfSockmap().attach(sockmap_lab) as attached:
        yield attached


@pytest.fixture
def counts(attachment: EbpfSockmapAttachment) -> Counts:
    return Counts(attachment)


@pytest.fixture
def connect(sockmap_lab: Lab) -> Iterator[Connect]:
    """``connect(client, server, family=4, ports=(0, 0), …)``: a new connection between pods of namespace shop.

    It is non-blocking from the start; ``ports`` are the client's and the server's, 0 for any.
    """
    with ExitStack() as sockets:

        def make(
            client: str = "client",
            server: str = "server",
            *,
            family: int = 4,
            dual_stack: bool = False,
            ports: tuple[int, int] = (0, 0),
        ) -> Connection:
            from_pod, to_pod = sockmap_lab.pod(f"shop/{client}"), sockmap_lab.pod(f"shop/{server}")
            listener = sockets.enter_context(listen(to_pod, 6 if dual_stack else family, ports[1], dual_stack))
            near = sockets.enter_context(pod_socket(from_pod, family))
            near.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            near.bind((from_pod.pod.ip(family), ports[0]))
            near.setblocking(False)
            near.connect_ex((to_pod.pod.ip(family), listener.getsockname()[1]))
            far = sockets.enter_context(listener.accept()[0])
            far.setblocking(False)
            listener.close()
            return Connection(near, far)

        yield make
