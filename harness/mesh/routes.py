"""How a node reaches every address of the cluster, as the hops that its programs forward to."""

import fcntl
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from harness.lab.port import Lab, LabNode
from harness.mesh.errors import MeshError
from harness.mesh.layout import ENDPOINT_HOST, ENDPOINT_LOCAL, HOP, HOP_POD, HOP_STACK, HOP_WIRE, HOPS

_SIOCGIFMTU, _SIOCGIFHWADDR = 0x8921, 0x8927
_OWN_NET = Path("/proc/thread-self/net")
_LOCAL_V4 = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")


class RoutesError(MeshError):
    """The node has more ways than the programs can number."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One way out of a node. Without host routing its kind is HOP_STACK, and ``ifindex`` only tells where packets come from."""

    ifindex: int
    kind: int
    mtu: int
    destination_mac: bytes
    source_mac: bytes

    def pack(self) -> bytes:
        """The value of the map ``hops``."""
        return HOP.pack(self.ifindex, self.kind, self.mtu, self.destination_mac, self.source_mac)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address is, seen from a node; ``pod`` is None for the node's own addresses."""

    pod: str | None
    hop: int
    flags: int


@dataclass(frozen=True, slots=True)
class Routes:
    """All hops of a node by index, and the place of each address of the cluster and of the node itself."""

    hops: tuple[Hop, ...]
    places: dict[str, Place]


def routes(node: LabNode, lab: Lab, host_routing: bool) -> Routes:
    """The routes of ``node`` as the lab made them. Raises RoutesError."""
    hops = [Hop(0, HOP_STACK, 0, bytes(6), bytes(6))]
    places: dict[str, Place] = {}
    by_node: dict[str, int] = {}
    with node.entered():
        for local in node.pods:
            kind = HOP_POD if host_routing else HOP_STACK
            hops.append(Hop(local.host_ifindex, kind, _mtu(local.host_ifname), _mac(local.mac), _mac(local.host_mac)))
            for ip in local.pod.ips:
                places[_canonical(ip)] = Place(local.pod.ref, len(hops) - 1, ENDPOINT_LOCAL)
        own = {peer: (ifname, _own_mac(ifname), _mtu(ifname)) for peer, (ifname, _) in node.wires.items()}
        places |= {ip: Place(None, 0, ENDPOINT_HOST) for ip in _own_addresses()}
    for peer, (_, ifindex) in node.wires.items():
        with lab.node(peer).entered():
            far = _own_mac(lab.node(peer).wires[node.name][0])
        kind = HOP_WIRE if host_routing else HOP_STACK
        _, near, mtu = own[peer]
        hops.append(Hop(ifindex, kind, mtu, far, near))
        by_node[peer] = len(hops) - 1
    for remote in lab.pods:
        if remote.node.name != node.name:
            for ip in remote.pod.ips:
                places[_canonical(ip)] = Place(remote.pod.ref, by_node.get(remote.node.name, 0), 0)
    if len(hops) > HOPS:
        raise RoutesError(f"node {node.name} has {len(hops)} pods and wires; the mesh numbers at most {HOPS} on a node")
    return Routes(tuple(hops), places)


def _canonical(ip: str) -> str:
    return str(ip_address(ip))


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _interface(ifname: str, request: int) -> bytes:
    """A question to the kernel about an interface of the calling thread's namespace (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        return fcntl.ioctl(control, request, struct.pack("16s24x", ifname.encode()))


def _mtu(ifname: str) -> int:
    return int(struct.unpack_from("=i", _interface(ifname, _SIOCGIFMTU), 16)[0])


def _own_mac(ifname: str) -> bytes:
    return _interface(ifname, _SIOCGIFHWADDR)[18:24]


def _own_addresses() -> Iterator[str]:
    """The addresses of the calling thread's namespace, loopback's left out."""
    found = set(_LOCAL_V4.findall((_OWN_NET / "fib_trie").read_text(encoding="ascii")))
    six = _OWN_NET / "if_inet6"
    if six.exists():  # not where IPv6 is switched off
        found |= {str(ip_address(bytes.fromhex(line.split()[0]))) for line in six.read_text(encoding="ascii").splitlines()}
    return (ip for ip in sorted(found) if not ip_address(ip).is_loopback)
