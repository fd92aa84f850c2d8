"""How a node reaches every address of the cluster, as the hops that its programs forward to."""

import fcntl
import re
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import count
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
    """One way out of a node. Without host routing its ``mtu`` is 0: nothing fits, and the node's stack sends it."""

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

    hops: Mapping[int, Hop]
    places: Mapping[str, Place]


def routes(node: LabNode, lab: Lab, host_routing: bool, former: Routes | None = None) -> Routes:
    """The routes of ``node`` as the lab is now; a hop that is among the ``former`` keeps its index. Raises RoutesError.

    An index of the former hops is given to no other: programs may still be looking there.
    """
    found = {0: Hop(0, HOP_STACK, 0, bytes(6), bytes(6))}
    with node.entered():
        for local in node.pods:
            mtu = _mtu(local.host_ifname) if host_routing else 0
            found[local.host_ifindex] = Hop(local.host_ifindex, HOP_POD, mtu, _mac(local.mac), _mac(local.host_mac))
        own = {peer: (ifname, _own_mac(ifname), _mtu(ifname)) for peer, (ifname, _) in node.wires.items()}
        places = {ip: Place(None, 0, ENDPOINT_HOST) for ip in _own_addresses()}
    for peer, (_, ifindex) in node.wires.items():
        far = _mac(lab.node(peer).wire_mac(node.name))
        _, near, mtu = own[peer]
        found[ifindex] = Hop(ifindex, HOP_WIRE, mtu if host_routing else 0, far, near)
    index = _numbered(found, {hop.ifindex: number for number, hop in former.hops.items()} if former else {})
    for local in node.pods:
        places |= {_canonical(ip): Place(local.pod.ref, index[local.host_ifindex], ENDPOINT_LOCAL) for ip in local.pod.ips}
    for remote in lab.pods:
        if remote.node.name != node.name:
            _, ifindex = node.wires.get(remote.node.name, ("", 0))
            places |= {_canonical(ip): Place(remote.pod.ref, index[ifindex], 0) for ip in remote.pod.ips}
    if max(index.values()) >= HOPS:
        raise RoutesError(f"node {node.name} has {len(index)} pods and wires; the mesh numbers at most {HOPS} on a node")
    return Routes({index[ifindex]: hop for ifindex, hop in found.items()}, places)


def _numbered(ifindexes: Iterable[int], former: Mapping[int, int]) -> dict[int, int]:
    """An index for each interface: its former one, else the lowest that nobody has or had."""
    taken = set(former.values())
    free = (number for number in count() if number not in taken)
    return {ifindex: former[ifindex] if ifindex in former else next(free) for ifindex in ifindexes}


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
