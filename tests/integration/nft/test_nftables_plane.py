"""The nftables plane on real packets: verdicts, revocation, and what it records of denials."""

import socket
import struct
from collections.abc import Iterator

import pytest
from pod_sockets import SILENCE, SO_RCVBUFFORCE, arrives, connection, connects, datagram_arrives, flood, in_pod, received

from harness.dataplanes import find
from harness.dataplanes.port import Attachment, DataPlaneError, NotConverged, RestartKind
from harness.lab.port import Lab, LabPod
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, ICMPField, PortRule
from harness.model.flow import ICMP, Flow
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Requirement, Rule

FAMILIES = pytest.mark.parametrize("family", [4, 6])
BOTH = pytest.mark.parametrize("there", ["shop/server", "shop/neighbour"], ids=["cross node", "same node"])
ECHO = {4: ICMP(8), 6: ICMP(128)}
RULE, DENY, SPEC = Origin("shop.yaml", 12), Origin("shop.yaml", 20), Origin("shop.yaml", 3)
CLIENT = LabelSelector({"app": "client"})
CLOSED = NetworkPolicy(SPEC, "closed", "shop", LabelSelector(), ("Ingress",))
HTTP_FROM_CLIENT = NetworkPolicy(
    SPEC, "http", "shop", LabelSelector(), ("Ingress",),
    (Rule(RULE, (Peer(RULE, CLIENT),), (PolicyPort(RULE, port="http"),)),),
)  # fmt: skip


@pytest.fixture(scope="module")
def attached(pair_lab: Lab) -> Iterator[Attachment]:
    with find("nftables").attach(pair_lab) as attachment:
        yield attachment


@pytest.fixture
def plane(attached: Attachment) -> Attachment:
    """Without policies."""
    attached.apply(())
    return attached


def cilium(*rules: CiliumRule, deny: tuple[CiliumRule, ...] = ()) -> CiliumPolicy:
    """Ingress of every pod of shop."""
    return CiliumPolicy(SPEC, "p", "shop", (CiliumSpec(SPEC, LabelSelector(), ingress=rules, ingress_deny=deny),))


def pings(client: LabPod, server: LabPod, family: int) -> bool:
    """Whether an echo request is answered."""
    kind, answer, protocol = (8, 0, socket.IPPROTO_ICMP) if family == 4 else (128, 129, socket.IPPROTO_ICMPV6)
    checksum = 0xFFFF - (kind << 8) - 7  # the kernel computes ICMPv6's
    with in_pod(client, family, socket.SOCK_RAW, protocol) as near:
        near.sendto(struct.pack(">BBHHH", kind, 0, checksum, 7, 0), (server.pod.ip(family), 0))
        try:
            while True:
                heard = near.recv(128)
                if heard[20 if family == 4 else 0] == answer:
                    return True
        except TimeoutError:
            return False


@FAMILIES
@BOTH
def test_a_policy_tells_the_allowed_from_the_others(pair_lab: Lab, plane: Attachment, family: int, there: str) -> None:
    client, stranger, server = (pair_lab.pod(ref) for ref in ("shop/client", "evil/stranger", there))
    assert connects(stranger, server, family)
    plane.apply([HTTP_FROM_CLIENT])
    assert connects(client, server, family)
    assert not connects(stranger, server, family)
    assert not connects(client, server, family, 8081)
    evidence = plane.evidence(Flow("evil/stranger", there, 8080, family=family))
    assert evidence is not None
    assert (evidence.plane, evidence.reason, evidence.rule) == ("nftables", "default_deny", "shop.yaml:3")
    assert plane.evidence(Flow("shop/client", there, 8080, family=family)) is None


@FAMILIES
@BOTH
def test_udp_is_judged_whole_and_in_fragments(pair_lab: Lab, plane: Attachment, family: int, there: str) -> None:
    client, server = pair_lab.pod("shop/client"), pair_lab.pod(there)
    assert datagram_arrives(client, server, family, size=5000)
    plane.apply([CLOSED])
    assert not datagram_arrives(client, server, family)
    assert not datagram_arrives(client, server, family, size=5000)
    evidence = plane.evidence(Flow("shop/client", there, 5353, "UDP", family))
    assert evidence is not None
    assert evidence.rule == "shop.yaml:3"


@FAMILIES
@BOTH
def test_echo_is_judged_by_type(pair_lab: Lab, plane: Attachment, family: int, there: str) -> None:
    client, server = pair_lab.pod("shop/client"), pair_lab.pod(there)
    flow = Flow("shop/client", there, 0, "ICMP", family, ECHO[family])
    echo = CiliumRule(RULE, icmps=((ICMPField(RULE, "EchoRequest", f"IPv{family}"),),))
    assert pings(client, server, family)
    plane.apply([HTTP_FROM_CLIENT])
    assert not pings(client, server, family)
    assert plane.evidence(flow) is not None
    plane.apply([cilium(echo)])
    assert pings(client, server, family)
    assert not connects(client, server, family)
    assert plane.evidence(flow) is None, "forgotten with the policy that denied it"


@FAMILIES
@BOTH
def test_a_denial_wins_and_names_its_rule(pair_lab: Lab, plane: Attachment, family: int, there: str) -> None:
    client, stranger, server = (pair_lab.pod(ref) for ref in ("shop/client", "evil/stranger", there))
    everyone = CiliumRule(RULE, entities=("all",))
    denial = CiliumRule(DENY, (CLIENT,), ports=(PortRule(DENY, (CiliumPort(DENY, "8080"),)),))
    plane.apply([HTTP_FROM_CLIENT, cilium(everyone, deny=(denial,))])
    assert not connects(client, server, family)
    assert connects(client, server, family, 8081)
    assert connects(stranger, server, family)
    evidence = plane.evidence(Flow("shop/client", there, 8080, family=family))
    assert evidence is not None
    assert (evidence.reason, evidence.rule) == ("policy_deny", "shop.yaml:20")


@FAMILIES
def test_egress_is_judged_at_the_senders_node(pair_lab: Lab, plane: Attachment, family: int) -> None:
    client, server, neighbour = (pair_lab.pod(ref) for ref in ("shop/client", "shop/server", "shop/neighbour"))
    block = IPBlock(f"{server.pod.ip(family)}/{32 if family == 4 else 128}")
    rule = Rule(RULE, (Peer(RULE, ip_block=block),))
    plane.apply([NetworkPolicy(SPEC, "out", "shop", CLIENT, ("Egress",), None, (rule,))])
    assert connects(client, server, family)
    assert connects(server, client, family), "what others began is answered"
    assert not connects(client, neighbour, family)
    evidence = plane.evidence(Flow("shop/client", "shop/neighbour", 8080, family=family))
    assert evidence is not None
    assert evidence.detail.startswith("egress on node n1")


@FAMILIES
@BOTH
def test_revocation_reaches_an_open_connection_and_its_return_revives_it(
    pair_lab: Lab, plane: Attachment, family: int, there: str
) -> None:
    with connection(pair_lab.pod("shop/client"), pair_lab.pod(there), family) as (near, far):
        assert arrives(near, far, b"before")
        plane.apply([CLOSED])
        assert not arrives(far, near, b"answer"), "in neither direction"
        assert not arrives(near, far, b"during")
        plane.apply([HTTP_FROM_CLIENT])
        near.settimeout(10.0)
        far.settimeout(10.0)
        assert far.recv(6) == b"during", "TCP sends again what was dropped"
        assert near.recv(6) == b"answer"


@FAMILIES
def test_a_connection_that_stays_allowed_goes_on_through_changes(pair_lab: Lab, plane: Attachment, family: int) -> None:
    with connection(pair_lab.pod("shop/client"), pair_lab.pod("shop/server"), family) as (near, far):
        for policies in ([HTTP_FROM_CLIENT], [HTTP_FROM_CLIENT, CLOSED], []):
            plane.apply(policies)
            assert arrives(near, far, b"request")
            assert arrives(far, near, b"response")


@FAMILIES
@BOTH
def test_a_closed_port_answers_an_allowed_client(pair_lab: Lab, plane: Attachment, family: int, there: str) -> None:
    """The ICMP error about a datagram comes back to a client that nobody else may reach."""
    closed_client = NetworkPolicy(SPEC, "closed", "shop", CLIENT, ("Ingress",))
    plane.apply([closed_client])
    with in_pod(pair_lab.pod("shop/client"), family, socket.SOCK_DGRAM) as near:
        near.connect((pair_lab.pod(there).pod.ip(family), 7))
        near.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            near.recv(1)


def test_a_pod_cannot_send_in_anothers_name(pair_lab: Lab, plane: Attachment) -> None:
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
    evidence = plane.evidence(Flow("shop/client", "shop/server", 5353, "UDP"))
    assert evidence is not None
    assert (evidence.reason, evidence.rule) == ("spoofed_source", None)


@FAMILIES
def test_a_node_reaches_its_closed_pods(pair_lab: Lab, plane: Attachment, family: int) -> None:
    nothing_out = NetworkPolicy(SPEC, "out", "shop", LabelSelector(), ("Ingress", "Egress"))
    plane.apply([nothing_out])
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


def test_a_policy_that_is_refused_leaves_the_last_one_in_force(pair_lab: Lab, plane: Attachment) -> None:
    plane.apply([CLOSED])
    with pytest.raises(NotConverged, match=r"shop\.yaml:12: entity 'init'"):
        plane.apply([cilium(CiliumRule(RULE, entities=("init",)))])
    assert not connects(pair_lab.pod("shop/client"), pair_lab.pod("shop/server"), 4)


def test_it_is_attached_once_at_a_time(pair_lab: Lab, plane: Attachment) -> None:
    with pytest.raises(DataPlaneError, match="did not take the rules"), find("nftables").attach(pair_lab):
        pass
    assert connects(pair_lab.pod("shop/client"), pair_lab.pod("shop/server"), 4)
    with pytest.raises(DataPlaneError, match="no process"):
        plane.restart("rules", RestartKind.KILL)


def test_no_packet_slips_through_a_change_and_none_is_lost(pair_lab: Lab, plane: Attachment) -> None:
    """Two neighbours' addresses are a range: a set of ranges would be empty for a moment after it came into force."""
    client, stranger, server = (pair_lab.pod(ref) for ref in ("shop/client", "evil/stranger", "shop/server"))
    both = LabelSelector(match_expressions=(Requirement("app", "In", ("client", "neighbour")),))
    admits = NetworkPolicy(SPEC, "two", "shop", LabelSelector(), ("Ingress",), (Rule(RULE, (Peer(RULE, both),)),))
    address = (server.pod.ip(4), 5353)
    plane.apply([admits])
    with (
        in_pod(server, 4, socket.SOCK_DGRAM) as far,
        in_pod(client, 4, socket.SOCK_DGRAM) as allowed,
        in_pod(stranger, 4, socket.SOCK_DGRAM) as denied,
    ):
        far.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        far.bind(address)
        with flood(denied, address, lambda _: b"denied"), flood(allowed, address, b"%d".__mod__) as sent:
            for _ in range(60):
                plane.apply([admits])
        assert received(far) == [b"%d" % number for number in range(sent[0])]
