"""Which addresses, interface names and MAC addresses a topology gets: a pure function of the topology.

Every node owns ``10.N.0.0/16`` and ``fd00:10:N::/64`` (N counts from 1). The first host address of each is the
node's own; pods follow in the order in which they are written. A pod that already carries an address keeps it.
The IPv6 prefix is unique local (RFC 4193) without the random part, since it never leaves the lab's namespaces
and a reader recognises it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from harness.lab.port import LabError
from harness.model.topology import OutsideHost, Pod, Topology

FAMILIES = (4, 6)
GATEWAYS = {4: "169.254.1.1", 6: "fe80::1"}
"""Next hop of every default route and of every wire; link-local, resolved by permanent neighbour entries only."""

POD_IFNAME = "eth0"
POD_IFINDEX = 2
MAX_NODES = 255
IFNAME_LENGTH = 15

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Wire:
    """One node's end of the veth to another node."""

    peer: str
    ifname: str
    ifindex: int
    mac: str


@dataclass(frozen=True, slots=True)
class Port:
    """The veth of one pod: ``eth0`` with ``mac`` inside, ``host_*`` in the node's namespace.

    ``number`` is the pod's own on its node for as long as the lab is up: names, indices and MAC addresses are made of it.
    """

    pod: Pod
    number: int
    mac: str
    host_ifname: str
    host_ifindex: int
    host_mac: str


@dataclass(frozen=True, slots=True)
class NodePlan:
    """Everything of one node that is decided before it is made. ``outside``: of the hosts that are reached through it."""

    name: str
    addresses: Mapping[int, str]
    prefixes: Sequence[str]
    wires: Sequence[Wire]
    ports: Sequence[Port]
    outside: Sequence[Port] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A topology whose pods carry addresses, and its nodes."""

    topology: Topology
    nodes: Sequence[NodePlan]


def plan(topology: Topology, numbers: Mapping[str, int] | None = None) -> Plan:
    """Decide all names and addresses of ``topology``; raises LabError for one that cannot be laid out.

    ``numbers`` of pods (see Port) by ``namespace/name``; without, pods of a node are counted as they are written.
    """
    _check_names(topology)
    if len(topology.nodes) > MAX_NODES:
        raise LabError(f"topology {topology.name} has {len(topology.nodes)} nodes; a lab holds at most {MAX_NODES}")
    taken: dict[str, str] = {}
    for pod in topology.pods:
        for text in pod.ips:
            _take(taken, _canonical(pod, text), f"pod {pod.ref}")
    for host in topology.outside:
        for text in host.ips:
            _take(taken, _outer(topology, host, text), f"host {host.name}")
    nodes = tuple(_node(topology, number, taken, numbers or {}) for number in range(1, len(topology.nodes) + 1))
    placed = {port.pod.ref: port.pod for node in nodes for port in node.ports}
    pods = tuple(placed[pod.ref] for pod in topology.pods)
    return Plan(replace(topology, pods=pods), nodes)


def _check_names(topology: Topology) -> None:
    seen: set[str] = set()
    names = [*((f"node {node}", node) for node in topology.nodes)]
    names += [(f"namespace of pod {pod.ref}", pod.namespace) for pod in topology.pods]
    names += [(f"pod {pod.ref}", pod.name) for pod in topology.pods]
    names += [(f"host {host.name}", host.name) for host in topology.outside]
    for subject, name in names:
        if not _NAME.fullmatch(name):
            raise LabError(f"topology {topology.name}, {subject}: {name!r} is not a DNS-1123 name (a-z, 0-9, - and .)")
    subjects = [*(f"node {node}" for node in topology.nodes), *(f"pod {pod.ref}" for pod in topology.pods)]
    for subject in [*subjects, *(f"host {host.name}" for host in topology.outside)]:
        if subject in seen:
            raise LabError(f"topology {topology.name} names {subject} twice")
        seen.add(subject)
    for pod in topology.pods:
        if pod.node not in topology.nodes:
            raise LabError(f"topology {topology.name}: pod {pod.ref} is placed on node {pod.node!r}, which is not listed")
    for host in topology.outside:
        if host.node not in topology.nodes:
            raise LabError(f"topology {topology.name}: host {host.name} is behind node {host.node!r}, which is not listed")


def _canonical(pod: Pod, text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise LabError(f"pod {pod.ref}: {text!r} is not an IP address") from None


def _outer(topology: Topology, host: OutsideHost, text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise LabError(f"host {host.name}: {text!r} is not an IP address") from None
    for number, node in enumerate(topology.nodes, start=1):
        if any(address in network for network in _networks(number).values()):
            raise LabError(f"host {host.name} has the address {address}, which is node {node}'s to give; write another")
    return str(address)


def _take(taken: dict[str, str], address: str, owner: str) -> None:
    if address in taken:
        raise LabError(f"address {address} is given to both {taken[address]} and {owner}")
    taken[address] = owner


def _node(topology: Topology, number: int, taken: dict[str, str], numbers: Mapping[str, int]) -> NodePlan:
    name = topology.nodes[number - 1]
    networks = _networks(number)
    free = {family: _hosts(network) for family, network in networks.items()}
    addresses = {family: next(free[family]) for family in FAMILIES}
    for address in addresses.values():
        _take(taken, address, f"node {name}")

    def assigned(pod: Pod) -> Pod:
        ips = [_canonical(pod, text) for text in pod.ips]
        for family in FAMILIES:
            if not any((":" in ip) == (family == 6) for ip in ips):
                address = next((address for address in free[family] if address not in taken), None)
                if address is None:
                    raise LabError(f"node {name} has no IPv{family} address left in {networks[family]} for pod {pod.ref}")
                _take(taken, address, f"pod {pod.ref}")
                ips.append(address)
        if len(ips) != len(FAMILIES):
            raise LabError(f"pod {pod.ref} has the addresses {', '.join(ips)}; it can have one IPv4 and one IPv6 address")
        return replace(pod, ips=tuple(sorted(ips, key=lambda ip: ":" in ip)))

    wires = _wires(topology.nodes, number)
    hosts = [host for host in topology.outside if host.node == name]
    outside = tuple(_outer_port(host, number, index, POD_IFINDEX + len(wires)) for index, host in enumerate(hosts))
    first = POD_IFINDEX + len(wires) + len(outside)
    pods = [assigned(pod) for pod in topology.pods if pod.node == name]
    ports = tuple(
        Port(
            pod,
            index,
            mac=_mac(0x0A58, number, index),
            host_ifname=_ifname(f"p{index}-{pod.name}"),
            host_ifindex=first + index,
            host_mac=_mac(0x0E58, number, index),
        )
        for position, pod in enumerate(pods)
        for index in (numbers.get(pod.ref, position),)
    )
    owned = NodePlan(name, addresses, tuple(str(network) for network in networks.values()), wires, ports, outside)
    ends = [*pods, *(port.pod for port in outside)]
    return replace(owned, prefixes=(*owned.prefixes, *(prefix for pod in ends for prefix in strays(owned, pod))))


def _outer_port(host: OutsideHost, number: int, index: int, first: int) -> Port:
    """A host outside is made as a pod is, of no namespace: a name that no pod has."""
    ips = tuple(sorted((str(ip_address(text)) for text in host.ips), key=lambda ip: ":" in ip))
    if [":" in ip for ip in ips] != [False, True]:
        raise LabError(f"host {host.name} has the addresses {', '.join(ips)}; give it one IPv4 and one IPv6 address")
    pod = Pod(host.name, "", host.node, ips=ips)
    return Port(
        pod,
        index,
        mac=_mac(0x0A56, number, index),
        host_ifname=_ifname(f"o{index}-{host.name}"),
        host_ifindex=first + index,
        host_mac=_mac(0x0E56, number, index),
    )


def _networks(number: int) -> dict[int, IPv4Network | IPv6Network]:
    return {4: IPv4Network(f"10.{number}.0.0/16"), 6: IPv6Network(f"fd00:10:{number:x}::/64")}


def strays(node: NodePlan, pod: Pod) -> list[str]:
    """Those addresses of a pod, as prefixes, that lie outside the two networks which its node owns."""
    owned = [ip_network(prefix) for prefix in node.prefixes[: len(FAMILIES)]]
    return [f"{ip}/{128 if ':' in ip else 32}" for ip in pod.ips if not any(ip_address(ip) in network for network in owned)]


def unused(topology: Topology, node: str, taken: Iterable[str]) -> tuple[str, ...]:
    """One address of each family that the next pod of ``node`` can have: nobody's in ``topology`` and not among ``taken``."""
    networks = _networks(topology.nodes.index(node) + 1)
    known = {*taken, *(ip for pod in topology.pods for ip in pod.ips), *(str(network[1]) for network in networks.values())}
    return tuple(next(host for host in _hosts(networks[family]) if host not in known) for family in FAMILIES)


def _hosts(network: IPv4Network | IPv6Network) -> Iterator[str]:
    return (str(network[host]) for host in range(1, 0xFFFF))


def _wires(nodes: Sequence[str], number: int) -> tuple[Wire, ...]:
    others = [(other, name) for other, name in enumerate(nodes, start=1) if other != number]
    return tuple(
        Wire(name, _ifname(f"w{other}-{name}"), POD_IFINDEX + index, _mac(0x0A57, number, other))
        for index, (other, name) in enumerate(others)
    )


def _ifname(text: str) -> str:
    return text[:IFNAME_LENGTH].rstrip("-.")


def _mac(prefix: int, first: int, second: int) -> str:
    """A locally administered unicast address that holds two numbers: who owns it can be read in a capture."""
    return (prefix << 32 | first << 16 | second).to_bytes(6, "big").hex(":")
