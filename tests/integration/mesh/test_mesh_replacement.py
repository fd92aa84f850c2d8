"""Programs and policies change under traffic: nothing that is allowed is lost, nothing that is denied gets through."""

import socket
from collections.abc import Callable

import pytest
from pair_policies import server_for
from pod_sockets import SO_RCVBUFFORCE, flood, in_pod, received

from harness.dataplanes.ebpf import EbpfAttachment
from harness.dataplanes.port import RestartKind
from harness.lab.port import Lab

PORT = 5353


def replace_programs(mesh: EbpfAttachment) -> None:
    mesh.restart("bpf", RestartKind.HOT)


def change_policies(mesh: EbpfAttachment) -> None:
    for number in range(40):
        mesh.apply([server_for("client")] * (1 + number % 2))


@pytest.mark.parametrize("change", [replace_programs, change_policies])
@pytest.mark.parametrize("family", [4, 6])
def test_no_packet_slips_through_a_change_and_none_is_lost(
    pair_lab: Lab, mesh: EbpfAttachment, family: int, change: Callable[[EbpfAttachment], None]
) -> None:
    client, stranger, server = (pair_lab.pod(ref) for ref in ("shop/client", "evil/stranger", "shop/server"))
    address = (server.pod.ip(family), PORT)
    mesh.apply([server_for("client")])
    with (
        in_pod(server, family, socket.SOCK_DGRAM) as far,
        in_pod(client, family, socket.SOCK_DGRAM) as allowed,
        in_pod(stranger, family, socket.SOCK_DGRAM) as denied,
    ):
        far.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        far.bind(address)
        with flood(denied, address, lambda _: b"denied") as refused, flood(allowed, address, b"%d".__mod__) as sent:
            change(mesh)
        assert refused[0] > 100
        assert sent[0] > 100
        assert received(far) == [b"%d" % number for number in range(sent[0])]
