"""Connections outlive the data plane that joined their sockets, and the process that attached it."""

import os
import signal
from collections.abc import Iterator

import pytest
from same_node import TOPOLOGY, Connect, receive, sent_by_tcp

from harness.dataplanes.ebpf_sockmap import EbpfSockmap
from harness.lab import netns
from harness.lab.port import Lab


@pytest.fixture(scope="module")
def sockmap_lab(root: None) -> Iterator[Lab]:
    """A lab of this module's own, which no data plane is attached to."""
    with netns.up(TOPOLOGY) as lab:
        yield lab


def test_detaching_loses_no_byte_and_no_connection(sockmap_lab: Lab, connect: Connect) -> None:
    with EbpfSockmap().attach(sockmap_lab):
        connection = connect()
        connection.join()
        connection.client.send(b"queued before, ")
    before = sent_by_tcp(connection.client)
    connection.client.send(b"sent after")
    assert sent_by_tcp(connection.client) - before == len(b"sent after")
    assert receive(connection.server, 25) == b"queued before, sent after"
    assert connection.ping_for(10) == 20
    assert not list(sockmap_lab.bpffs.glob("sockmap*"))


def test_sockets_of_a_detached_mesh_go_on_under_the_next_one(sockmap_lab: Lab, connect: Connect) -> None:
    with EbpfSockmap().attach(sockmap_lab):
        old = connect()
        old.join()
    with EbpfSockmap().attach(sockmap_lab):
        assert old.ping_for(10) == 20
        new = connect()
        new.join()
        assert new.ping_for(10) == 0


def test_path_goes_on_when_its_process_is_killed(connect: Connect, sockmap_lab: Lab) -> None:
    ready, attached = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with EbpfSockmap().attach(sockmap_lab):
                os.write(attached, b"!")
                signal.pause()
        finally:
            os._exit(1)  # whatever happens, nothing of the test run is to be taken down by this process
    try:
        os.close(attached)
        assert os.read(ready, 1) == b"!"
        open_before = connect()
        open_before.join()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
    assert open_before.ping_for(10) == 0
    opened_after = connect()
    opened_after.join()
    assert opened_after.ping_for(10) == 0
