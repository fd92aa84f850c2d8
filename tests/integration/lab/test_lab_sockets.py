"""Connections that the kernel is asked to end."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from harness.lab.port import Lab, LabPod
from harness.lab.sockets import Held, end_marked

SO_MARK, MARK = 36, 77
FAMILIES = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


@pytest.fixture
def pod(pair_lab: Lab) -> LabPod:
    return pair_lab.pod("shop/client")


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connection(pod: LabPod, family: int, mark: int, opened: ExitStack) -> tuple[socket.socket, Held]:
    """The client's end of a connection to somebody who listens with ``mark``, and how the other end is to know it."""
    with pod.entered():
        listener = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
        client = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
    listener.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
    listener.bind((FAMILIES[socket.AddressFamily(family)], 0))
    listener.listen()
    client.settimeout(0.3)
    client.connect(listener.getsockname()[:2])
    opened.enter_context(listener.accept()[0])
    (address, port), (_, own) = listener.getsockname()[:2], client.getsockname()[:2]
    return client, Held(address, port, address, own)


@pytest.mark.parametrize("family", list(FAMILIES))
def test_of_the_marked_connections_the_unwanted_are_reset(pod: LabPod, opened: ExitStack, family: int) -> None:
    unwanted, doomed = connection(pod, family, MARK, opened)
    wanted, kept = connection(pod, family, MARK, opened)
    unmarked, _ = connection(pod, family, 0, opened)
    asked = set()

    def refused(held: Held) -> bool:
        asked.add(held)
        return held == doomed

    with pod.entered():
        end_marked(MARK, refused)
    assert asked == {doomed, kept}
    with pytest.raises(ConnectionResetError):
        unwanted.recv(1)
    for each in (wanted, unmarked):
        with pytest.raises(TimeoutError):
            each.recv(1)
