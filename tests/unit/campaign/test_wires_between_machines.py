"""What was answered across nodes must have been on the wires, and what was answered within one must not."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from harness.campaign.conformance.wires import Wires
from harness.judge.conformance import Sight
from harness.model.bench import Expectation
from harness.model.case import Step
from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin
from harness.model.peers import ALONE
from harness.model.topology import Namespace, Pod, Topology

HERE = Origin("case.yaml", 3)
TOPOLOGY = Topology(
    "pair",
    ("n1", "n2"),
    (Namespace("shop"),),
    (
        Pod("client", "shop", "n1", ips=("10.1.0.2", "fd00::2")),
        Pod("neighbour", "shop", "n1", ips=("10.1.0.3", "fd00::3")),
        Pod("server", "shop", "n2", ips=("10.2.0.2", "fd00:1::2")),
    ),
)
STEP = Step(HERE, (), ())


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, Wires]]:
    """What a wire of node n1 carries, and who listens to it."""
    with ExitStack() as stack:
        near, far = map(stack.enter_context, socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
        near.setblocking(False)
        yield far, Wires([near], TOPOLOGY, frozenset({"n1"}))


def seen(destination: str, verdict: Verdict = Verdict.FORWARDED, family: int = 4) -> Sight:
    flow = Flow("shop/client", f"shop/{destination}", 80, family=family)
    return Sight(Expectation(HERE, flow, verdict), verdict, "status 200")


def frame(packet: Packet) -> bytes:
    return bytes(Ether() / packet)


@pytest.mark.parametrize("packet", [IP(src="10.1.0.2", dst="10.2.0.2") / TCP(), IPv6(src="fd00::2", dst="fd00:1::2") / TCP()])
def test_an_answer_across_nodes_that_was_on_the_wire_is_right(wire: tuple[socket.socket, Wires], packet: Packet) -> None:
    carried, wires = wire
    carried.send(frame(packet))
    assert wires.faults(STEP, [seen("server", family=4 if IP in packet else 6)], ALONE) == []


def test_an_answer_across_nodes_that_was_on_no_wire_is_a_fault(wire: tuple[socket.socket, Wires]) -> None:
    carried, wires = wire
    for other in (ARP(), IP(src="10.2.0.2", dst="10.1.0.2") / TCP(), IP(src="10.1.0.3", dst="10.2.0.2") / TCP()):
        carried.send(frame(other))
    (fault,) = wires.faults(STEP, [seen("server")], ALONE)
    assert fault.startswith("case.yaml:3: ")
    assert fault.endswith("it was answered, but no packet of it was on the wire at node n1")


def test_an_answer_within_a_node_that_was_on_a_wire_is_a_fault(wire: tuple[socket.socket, Wires]) -> None:
    carried, wires = wire
    carried.send(frame(IP(src="10.1.0.2", dst="10.1.0.3") / TCP()))
    (fault,) = wires.faults(STEP, [seen("neighbour")], ALONE)
    assert "both its ends are on node n1" in fault


def test_what_was_not_answered_need_not_have_been_on_a_wire(wire: tuple[socket.socket, Wires]) -> None:
    _, wires = wire
    assert wires.faults(STEP, [seen("server", Verdict.DROPPED), seen("neighbour")], ALONE) == []
