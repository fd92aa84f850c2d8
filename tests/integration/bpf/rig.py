"""The mesh's programs on a bench: a packet in, and out comes what they did with it and why. Nothing is attached."""

from collections.abc import Sequence
from dataclasses import dataclass

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from harness.lab.build import BPF_SOURCES, bpf_object
from harness.mesh.drops import reasons
from harness.mesh.events import Drop, EventRing
from harness.mesh.grants import Cluster
from harness.mesh.identity import identities
from harness.mesh.layout import ENDPOINT_HOST, ENDPOINT_LOCAL, HOP_POD, HOP_STACK, HOP_WIRE, HOST_IDENTITY, U32
from harness.mesh.objects import load
from harness.mesh.policy import granted, tables_of
from harness.mesh.routes import Hop
from harness.mesh.tables import Endpoint, Tables
from harness.model.cilium import Policy
from harness.model.origin import Origin
from harness.model.topology import ContainerPort, Namespace, Pod, Topology

POD_MAC, GATEWAY_MAC = "02:00:00:00:00:0a", "00:00:00:00:00:00"
"""The gateway has the address of the loopback interface, by which the kernel has packets of a test run come in."""
A_IF, B_IF, WIRE_IF, OTHER_WIRE_IF = 11, 12, 21, 22
TC_ACT_OK, TC_ACT_SHOT, TC_ACT_REDIRECT = 0, 2, 7
_ACTIONS = {TC_ACT_OK: "stack", TC_ACT_SHOT: "drop", TC_ACT_REDIRECT: "redirect"}

A, B, REMOTE, HOST, OUTSIDE = (
    {4: "10.0.0.1", 6: "fd00::1"},
    {4: "10.0.0.2", 6: "fd00::2"},
    {4: "10.0.1.1", 6: "fd00:1::1"},
    {4: "10.0.0.254", 6: "fd00::fe"},
    {4: "192.0.2.7", 6: "2001:db8::7"},
)
"""Two pods of this node (a has port "http" 8080), one of another, this node, and somebody outside."""


def _pod(name: str, node: str, addresses: dict[int, str]) -> Pod:
    ports = (ContainerPort("http", 8080),)
    return Pod(name, "shop", node, {"app": name}, ports=ports, ips=tuple(addresses.values()))


TOPOLOGY = Topology(
    "rig", ("n1", "n2"), (Namespace("shop"),), (_pod("a", "n1", A), _pod("b", "n1", B), _pod("remote", "n2", REMOTE))
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``action`` is stack, redirect or drop; ``reason`` is the drop's name; ``packet`` is the frame afterwards.

    ``mark`` is what rules of the node's stack may tell the packet by.
    """

    action: str
    reason: str | None
    packet: Packet
    event: Drop | None
    mark: int

    @property
    def passed(self) -> bool:
        """Whether it went on, by whatever way."""
        return self.action in ("stack", "redirect")


class Rig:
    """One node's programs and maps. ``fresh`` forgets flows and events."""

    def __init__(self) -> None:
        self._loaded = load(bpf_object(BPF_SOURCES / "mesh.bpf.c"))
        self.maps = self._loaded.maps
        numbered = identities(TOPOLOGY)
        self._cluster = Cluster.of(TOPOLOGY, numbered)
        macs = bytes.fromhex(POD_MAC.replace(":", "")), bytes.fromhex(GATEWAY_MAC.replace(":", ""))
        hops = [(0, HOP_STACK), (A_IF, HOP_POD), (B_IF, HOP_POD), (WIRE_IF, HOP_WIRE)]
        packed = {U32.pack(n): Hop(ifindex, kind, 1500, *macs).pack() for n, (ifindex, kind) in enumerate(hops)}
        self.maps["hops"].put_many(packed)
        endpoints = {}
        for ref, hop, flags in (("shop/a", 1, ENDPOINT_LOCAL), ("shop/b", 2, ENDPOINT_LOCAL), ("shop/remote", 3, 0)):
            for ip in TOPOLOGY.pod(ref).ips:
                endpoints[ip] = Endpoint(numbered[ref].number, hop, flags)
        endpoints |= {ip: Endpoint(HOST_IDENTITY, 0, ENDPOINT_HOST) for ip in HOST.values()}
        self.tables = Tables(self.maps, endpoints, proxy=True)
        self._ring = EventRing(self.maps["events"])
        self.apply()

    def fresh(self) -> None:
        """Forget every flow, fragment and event; no policies."""
        self.forget_flows()
        self.maps["fragments"].remove_many(list(self.maps["fragments"].keys()))
        self._ring.drain()
        self.apply()

    def forget_flows(self) -> None:
        """As if every entry of conntrack had been pushed out by others."""
        for name in ("conntrack4", "conntrack6"):
            with self.maps[name].memory() as memory:
                memory[:] = bytes(len(memory))

    def apply(self, *policies: Policy) -> None:
        """Put exactly these policies in force."""
        self._compiled = tables_of(granted(policies, self._cluster), self._cluster)
        self.tables.stage(self._compiled)
        self.tables.flip()

    def rule(self, drop: Drop) -> Origin | None:
        """Where the rule was written that a drop under the policies in force names."""
        return self._compiled.rule(drop.rule)

    def from_pod(self, packet: Packet, ifindex: int = A_IF) -> Outcome:
        return self._run("from_pod", packet, ifindex)

    def to_pod(self, packet: Packet, ifindex: int = WIRE_IF) -> Outcome:
        return self._run("to_pod", packet, ifindex)

    def from_wire(self, packet: Packet, ifindex: int = WIRE_IF) -> Outcome:
        return self._run("from_wire", packet, ifindex)

    def raw(self, program: str, frame: bytes, ifindex: int = A_IF, gso_size: int = 0) -> Outcome:
        """A frame as bytes, for what scapy would not build."""
        done = self._loaded.programs[program].test_run(frame, ingress_ifindex=ifindex, gso_size=gso_size)
        events = self._ring.drain()
        event = events[-1] if events else None
        return Outcome(
            _ACTIONS[done.code], reasons()[event.reason].name if event else None, Ether(done.packet), event, done.mark
        )

    def flood(self, source: dict[int, str], destination: dict[int, str], flows: int) -> None:
        """So many datagram flows, all different, from a pod of this node."""
        frame = bytearray(bytes(udp(source, destination)))
        network = int.from_bytes(frame[30:34], "big")
        for number in range(flows):
            frame[30:34] = (network + (number >> 15)).to_bytes(4, "big")
            frame[34:36] = (number & 0x7FFF).to_bytes(2, "big")
            self._loaded.programs["from_pod"].test_run(bytes(frame), ingress_ifindex=A_IF)

    def fan_out(self, source: dict[int, str], destination: dict[int, str], flows: int) -> None:
        """So many datagram flows of the same ports from a pod of this node, each to another address."""
        frame = bytearray(bytes(udp(source, destination)))
        network = int.from_bytes(frame[30:34], "big")
        for number in range(flows):
            frame[30:34] = (network + number).to_bytes(4, "big")
            self._loaded.programs["from_pod"].test_run(bytes(frame), ingress_ifindex=A_IF)

    def repeat(self, program: str, packet: Packet, times: int) -> None:
        """The same packet from pod a many times over, nobody looking at what happens."""
        self._loaded.programs[program].test_run(bytes(packet), ingress_ifindex=A_IF, repeat=times)

    def _run(self, program: str, packet: Packet, ifindex: int) -> Outcome:
        return self.raw(program, bytes(packet), ifindex)

    def close(self) -> None:
        self._ring.close()
        self.tables.close()
        self._loaded.close()


def ip(source: dict[int, str], destination: dict[int, str], family: int = 4, **fields: object) -> Packet:
    """Ethernet and IP headers; ``fields`` are scapy's names for IPv4, of which ttl is translated."""
    frame = Ether(src=POD_MAC, dst=GATEWAY_MAC)
    if family == 4:
        return frame / IP(src=source[4], dst=destination[4], **fields)
    if "ttl" in fields:
        fields["hlim"] = fields.pop("ttl")
    return frame / IPv6(src=source[6], dst=destination[6], **fields)


def tcp(
    source: dict[int, str],
    destination: dict[int, str],
    flags: str = "S",
    ports: Sequence[int] = (40000, 8080),
    family: int = 4,
    **fields: object,
) -> Packet:
    return ip(source, destination, family, **fields) / TCP(sport=ports[0], dport=ports[1], flags=flags)


def udp(source: dict[int, str], destination: dict[int, str], ports: Sequence[int] = (40000, 53), family: int = 4) -> Packet:
    return ip(source, destination, family) / UDP(sport=ports[0], dport=ports[1]) / b"payload"


def unreachable(router: dict[int, str], quoted: Packet, **fields: object) -> Packet:
    """An ICMP error of ``router`` about the IPv4 packet ``quoted``, to whoever sent that."""
    frame = Ether(src=POD_MAC, dst=GATEWAY_MAC)
    return frame / IP(src=router[4], dst=quoted[IP].src) / ICMP(type=3, code=1, **fields) / bytes(quoted[IP])[:28]
