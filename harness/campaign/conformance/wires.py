"""What went over the wires between nodes: bytes that another node's pod answered must have been there, and no others."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from harness.judge.conformance import Sight
from harness.lab.port import Lab
from harness.model.case import Step
from harness.model.flow import Flow, Verdict
from harness.model.peers import Peers
from harness.model.topology import Topology

_ALL = 0x0003  # ETH_P_ALL
_AT = {0x0800: (26, 4), 0x86DD: (22, 16)}
"""Where in a frame the source's address is, and how long it is, by EtherType; the destination's follows."""

ROOM = 8 << 20
SO_RCVBUFFORCE = 33


class Wires:
    """The wires of one node, listened to since this was made."""

    def __init__(self, sockets: Sequence[socket.socket], topology: Topology, here: frozenset[str]) -> None:
        self._sockets = sockets
        self._topology = topology
        self._here = here

    def faults(self, step: Step, seen: Sequence[Sight], peers: Peers) -> list[str]:
        """What contradicts the wires, at any node, of what was ``seen`` of the step's flows."""
        pairs = self._pairs()
        told = {}
        flows = list(dict.fromkeys(sight.expectation.flow for sight in seen if sight.observed is Verdict.FORWARDED))
        for number, flow in enumerate(flows):
            for node in self._here:
                if fault := self._fault(flow, node, pairs):
                    told[f"{node} {number}"] = f"{step.origin}: {flow}: {fault}"
        return list(peers.together(told).values())

    def _fault(self, flow: Flow, node: str, pairs: set[tuple[bytes, bytes]]) -> str:
        source, destination = self._topology.pod(flow.source), self._topology.pod(flow.destination)
        kind = socket.AF_INET if flow.family == 4 else socket.AF_INET6
        there = tuple(socket.inet_pton(kind, pod.ip(flow.family)) for pod in (source, destination)) in pairs
        if source.node != destination.node and node in (source.node, destination.node) and not there:
            return f"it was answered, but no packet of it was on the wire at node {node}"
        if source.node == destination.node and there:
            return f"both its ends are on node {source.node}, but packets of it were on the wire at node {node}"
        return ""

    def _pairs(self) -> set[tuple[bytes, bytes]]:
        """Source and destination of each IP packet that went by until now."""
        found = set()
        for each in self._sockets:
            try:
                while frame := each.recv(128):
                    at, size = _AT.get(int.from_bytes(frame[12:14], "big"), (0, 0))
                    if size:
                        found.add((frame[at : at + size], frame[at + size : at + 2 * size]))
            except BlockingIOError:
                continue
        return found


@contextmanager
def on_wires(lab: Lab) -> Iterator[Wires]:
    """Listen to all wires of the nodes that are here."""
    with ExitStack() as stack:
        sockets = []
        for node in lab.nodes:
            with node.entered():
                for ifname, _ in node.wires.values():
                    opened = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)))
                    opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
                    opened.setblocking(False)
                    opened.bind((ifname, _ALL))
                    sockets.append(opened)
        yield Wires(sockets, lab.topology, frozenset(node.name for node in lab.nodes))
