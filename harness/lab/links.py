"""How pods and nodes are joined: routed veths without a bridge, as messages for the kernel.

Each pod has one address of /32 and /128 and a default route to a gateway that exists only as a permanent neighbour
entry; its node has a host route to it. Nodes are joined pairwise by wires and route each other's prefixes over them.
Nothing is resolved by ARP or neighbour discovery, so neither is ever part of what is measured.
"""

from collections.abc import Mapping

from harness.lab.addressing import FAMILIES, GATEWAYS, POD_IFINDEX, POD_IFNAME, NodePlan, Port, strays
from harness.lab.netlink import End, Message, address, link_up, neighbour, no_route, route, veth

LOOPBACK = 1
_HOST = {4: 32, 6: 128}
_ANY = {4: "0.0.0.0/0", 6: "::/0"}

POD_SYSCTLS = {
    "net/ipv4/ip_forward": "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv6/conf/default/addr_gen_mode": "1",  # no link-local address, so no multicast chatter in captures
}
"""Set before links are made. IPv4 values of a new namespace come from the machine's own, hence the explicit zeros."""

NODE_SYSCTLS = {
    **POD_SYSCTLS,
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv6/conf/all/forwarding": "1",
}


def pod_messages(port: Port, node_namespace: int) -> list[Message]:
    """For a socket inside the pod's namespace: its veth into the node's namespace (a descriptor), addresses and routes."""
    messages = [
        link_up(LOOPBACK),
        veth(End(POD_IFNAME, POD_IFINDEX, port.mac), End(port.host_ifname, port.host_ifindex, port.host_mac), node_namespace),
    ]
    for family in FAMILIES:
        messages += [
            address(POD_IFINDEX, f"{port.pod.ip(family)}/{_HOST[family]}"),
            neighbour(POD_IFINDEX, GATEWAYS[family], port.host_mac),
            route(_ANY[family], POD_IFINDEX, gateway=GATEWAYS[family]),
        ]
    return messages


def node_messages(node: NodePlan) -> list[Message]:
    """For a socket inside the node's namespace, before its wires and pods are there."""
    return [link_up(LOOPBACK), *(address(LOOPBACK, f"{node.addresses[family]}/{_HOST[family]}") for family in FAMILIES)]


def wire_message(here: NodePlan, there: NodePlan, there_namespace: int) -> Message:
    """For a socket inside ``here``: the veth to the node ``there``."""
    ends = [next(wire for wire in node.wires if wire.peer == other.name) for node, other in ((here, there), (there, here))]
    near, far = (End(wire.ifname, wire.ifindex, wire.mac) for wire in ends)
    return veth(near, far, there_namespace)


def wire_routes(node: NodePlan, nodes: Mapping[str, NodePlan]) -> list[Message]:
    """For a socket inside the node, when its wires are there: everything that lies behind them."""
    messages = []
    for wire in node.wires:
        peer = nodes[wire.peer]
        far = next(back for back in peer.wires if back.peer == node.name)
        messages.append(link_up(wire.ifindex))
        messages += [neighbour(wire.ifindex, GATEWAYS[family], far.mac) for family in FAMILIES]
        for prefix in peer.prefixes:
            family = 6 if ":" in prefix else 4
            messages.append(route(prefix, wire.ifindex, gateway=GATEWAYS[family], source=node.addresses[family]))
    return messages


def port_routes(node: NodePlan) -> list[Message]:
    """For a socket inside the node, when the veths are there of its pods and of hosts outside: a host route to each."""
    messages = []
    for port in (*node.ports, *node.outside):
        messages.append(link_up(port.host_ifindex))
        for family in FAMILIES:
            ip = port.pod.ip(family)
            messages += [
                neighbour(port.host_ifindex, ip, port.mac),
                route(f"{ip}/{_HOST[family]}", port.host_ifindex, source=node.addresses[family]),
            ]
    return messages


def stray_routes(node: NodePlan, other: NodePlan, port: Port) -> list[Message]:
    """For a socket inside ``node``: to those addresses of a pod of ``other`` that lie outside what ``other`` owns."""
    wire = next(wire for wire in node.wires if wire.peer == other.name)
    return [
        route(prefix, wire.ifindex, gateway=GATEWAYS[family], source=node.addresses[family])
        for prefix in strays(other, port.pod)
        for family in (6 if ":" in prefix else 4,)
    ]


def no_stray_routes(node: NodePlan, other: NodePlan, port: Port) -> list[Message]:
    """Takes back what ``stray_routes`` makes."""
    wire = next(wire for wire in node.wires if wire.peer == other.name)
    return [no_route(prefix, wire.ifindex) for prefix in strays(other, port.pod)]
