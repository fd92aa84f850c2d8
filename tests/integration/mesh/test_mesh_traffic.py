"""Real packets between real pods, for each way of attaching: what policy says, and what routing would have done."""

import socket
import struct
import time

import pytest
from pair_policies import EVERYTHING_CLOSED, HTTP, closed, server_for
from pod_sockets import SILENCE, arrives, connection, connects, datagram_arrives, flood, in_pod

from harness.dataplanes.ebpf import EbpfAttachment
from harness.dataplanes.port import RestartKind
from harness.lab.port import Lab
from harness.model.flow import Flow

FAMILIES = pytest.mark.parametrize("family", [4, 6])
BOTH = pytest.mark.parametrize("there", ["shop/server", "shop/neighbour"], ids=["cross node", "same node"])
IP_RECVERR, IPV6_RECVERR = 11, 25


@FAMILIES
@BOTH
def test_a_policy_tells_the_allowed_from_the_others(pair_lab: Lab, mesh: EbpfAttachment, family: int, there: str) -> None:
    client, stranger, server = (pair_lab.pod(ref) for ref in ("shop/client", "evil/stranger", there))
    assert connects(client, server, family)
    assert connects(stranger, server, family)
    mesh.apply([EVERYTHING_CLOSED, server_for("client", HTTP)])
    assert connects(client, server, family) is (there == "shop/server")
    assert not connects(stranger, server, family)
    assert not connects(client, server, family, 8081)
    evidence = mesh.evidence(Flow("evil/stranger", there, 8080, family=family))
    assert evidence is not None
    assert (evidence.plane, evidence.reason, evidence.rule) == ("ebpf", "policy_ingress", "shop.yaml:3")
    assert mesh.evidence(Flow("evil/stranger", there, 9999, family=family)) is None


@FAMILIES
@BOTH
def test_revocation_reaches_an_open_connection_and_its_return_revives_it(
    pair_lab: Lab, mesh: EbpfAttachment, family: int, there: str
) -> None:
    with connection(pair_lab.pod("shop/client"), pair_lab.pod(there), family) as (near, far):
        assert arrives(near, far, b"before")
        mesh.apply([closed("server"), closed("neighbour")])
        assert not arrives(near, far, b"during")
        mesh.apply([])
        far.settimeout(10.0)
        assert far.recv(6) == b"during", "TCP sends again what was dropped"
        assert arrives(far, near, b"after")


@FAMILIES
def test_a_connection_that_stays_allowed_goes_on_through_changes(pair_lab: Lab, mesh: EbpfAttachment, family: int) -> None:
    with connection(pair_lab.pod("shop/client"), pair_lab.pod("shop/server"), family) as (near, far):
        for policies in ([server_for("client", HTTP)], [server_for("client")], [closed("client")], []):
            mesh.apply(policies)
            assert arrives(near, far, b"request")
            assert arrives(far, near, b"response")


@FAMILIES
@BOTH
def test_programs_are_replaced_under_an_open_connection(pair_lab: Lab, mesh: EbpfAttachment, family: int, there: str) -> None:
    mesh.apply([server_for("client", HTTP)])
    with connection(pair_lab.pod("shop/client"), pair_lab.pod(there), family) as (near, far):
        before = mesh.components()[0].programs
        mesh.restart("bpf", RestartKind.HOT)
        after = mesh.components()[0].programs
        assert len(after) == len(before)
        assert not set(after) & set(before)
        assert arrives(near, far, b"request")
        assert arrives(far, near, b"response")
    assert not connects(pair_lab.pod("evil/stranger"), pair_lab.pod("shop/server"), family)


@FAMILIES
@BOTH
def test_datagrams_pass_whole_and_in_fragments(pair_lab: Lab, mesh: EbpfAttachment, family: int, there: str) -> None:
    client, server = pair_lab.pod("shop/client"), pair_lab.pod(there)
    assert datagram_arrives(client, server, family)
    assert datagram_arrives(client, server, family, size=5000)
    mesh.apply([EVERYTHING_CLOSED])
    assert not datagram_arrives(client, server, family)
    assert not datagram_arrives(client, server, family, size=5000)


@FAMILIES
@BOTH
def test_a_closed_port_answers_an_allowed_client(pair_lab: Lab, mesh: EbpfAttachment, family: int, there: str) -> None:
    """The ICMP error about a datagram comes back through a closed client's door."""
    mesh.apply([closed("client")])
    with in_pod(pair_lab.pod("shop/client"), family, socket.SOCK_DGRAM) as near:
        near.connect((pair_lab.pod(there).pod.ip(family), 7))
        near.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            near.recv(1)


def offender(client: socket.socket, family: int) -> tuple[int, str]:
    """ICMP type of, and who sent, the error that waits for a datagram socket."""
    _, ancillary, _, _ = client.recvmsg(2048, 1024, socket.MSG_ERRQUEUE)
    (data,) = (data for level, kind, data in ancillary if kind in (IP_RECVERR, IPV6_RECVERR))
    kind = data[5]  # ee_type of struct sock_extended_err, after which the offender's sockaddr follows
    if family == 4:
        return kind, socket.inet_ntop(socket.AF_INET, data[20:24])
    return kind, socket.inet_ntop(socket.AF_INET6, data[24:40])


@FAMILIES
def test_each_node_on_the_way_is_seen_by_traceroute(pair_lab: Lab, mesh: EbpfAttachment, family: int) -> None:
    client, server = pair_lab.pod("shop/client"), pair_lab.pod("shop/server")
    level, option, errors = (
        (socket.IPPROTO_IP, socket.IP_TTL, IP_RECVERR)
        if family == 4
        else (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, IPV6_RECVERR)
    )
    seen = []
    for hops in (1, 2):
        with in_pod(client, family, socket.SOCK_DGRAM) as near:
            near.setsockopt(level, errors, 1)
            near.setsockopt(level, option, hops)
            near.sendto(b"x", (server.pod.ip(family), 33434))
            with pytest.raises(OSError, match="No route to host"):
                near.recv(1)
            seen.append(offender(near, family))
    exceeded = 11 if family == 4 else 3
    assert [kind for kind, _ in seen] == [exceeded, exceeded]
    assert len({address for _, address in seen}) == 2, "two nodes"
    with in_pod(server, family, socket.SOCK_DGRAM) as far, in_pod(client, family, socket.SOCK_DGRAM) as near:
        far.bind((server.pod.ip(family), 33434))
        near.setsockopt(level, option, 3)
        near.sendto(b"x", (server.pod.ip(family), 33434))
        assert far.recv(1) == b"x", "three hops are enough, as without a mesh"


def test_a_pod_cannot_send_in_anothers_name(pair_lab: Lab, mesh: EbpfAttachment) -> None:
    stranger, client, server = (pair_lab.pod(ref) for ref in ("evil/stranger", "shop/client", "shop/server"))
    with (
        in_pod(server, 4, socket.SOCK_DGRAM) as far,
        in_pod(stranger, 4, socket.SOCK_RAW, socket.IPPROTO_RAW) as near,
    ):
        far.bind((server.pod.ip(4), 5353))
        for source, heard in ((stranger, True), (client, False)):
            udp = struct.pack(">HHHH", 1000, 5353, 9, 0) + b"x"
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
            addresses = socket.inet_aton(source.pod.ip(4)) + socket.inet_aton(server.pod.ip(4))
            near.sendto(ip + addresses + udp, (server.pod.ip(4), 0))
            if heard:
                assert far.recv(1) == b"x"
            else:
                with pytest.raises(TimeoutError):
                    far.recv(1)
    evidence = mesh.evidence(Flow("shop/client", "shop/server", 5353, "UDP"))
    assert evidence is not None
    assert evidence.reason == "spoofed_source"


@FAMILIES
def test_what_goes_to_another_node_is_on_the_wire(pair_lab: Lab, mesh: EbpfAttachment, family: int) -> None:
    node = pair_lab.node("n1")
    ifname, _ = node.wires["n2"]
    with node.entered():
        capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    capture.settimeout(SILENCE)
    with capture, connection(pair_lab.pod("shop/client"), pair_lab.pod("shop/server"), family) as (near, far):
        capture.bind((ifname, 3))
        assert arrives(near, far, b"a mark on the wire")
        frames = []
        while not any(b"a mark on the wire" in frame for frame in frames):
            frames.append(capture.recv(4096))


@FAMILIES
def test_a_node_reaches_its_closed_pods(pair_lab: Lab, mesh: EbpfAttachment, family: int) -> None:
    mesh.apply([EVERYTHING_CLOSED, closed("client", "Egress")])
    client = pair_lab.pod("shop/client")
    with pair_lab.node("n1").entered():
        near = socket.socket({4: socket.AF_INET, 6: socket.AF_INET6}[family], socket.SOCK_DGRAM)
    near.settimeout(SILENCE)
    with near, in_pod(client, family, socket.SOCK_DGRAM) as far:
        far.bind((client.pod.ip(family), 10250))
        near.sendto(b"probe", (client.pod.ip(family), 10250))
        heard, sender = far.recvfrom(9)
        far.sendto(heard, sender)
        assert near.recv(9) == b"probe"


def test_a_drop_is_told_of_though_many_came_before_it(pair_lab: Lab, mesh: EbpfAttachment) -> None:
    """More than the ring of events holds, while nobody asks."""
    client, stranger, server = (pair_lab.pod(ref) for ref in ("shop/client", "evil/stranger", "shop/server"))
    mesh.apply([EVERYTHING_CLOSED])
    with in_pod(stranger, 4, socket.SOCK_DGRAM) as denied:
        for _ in range(8):
            with flood(denied, (server.pod.ip(4), 5353), lambda _: b"denied") as sent:
                while sent[0] < 3000:
                    time.sleep(0.01)
    assert not connects(client, server, 4)
    assert mesh.evidence(Flow("shop/client", "shop/server", 8080)) is not None
