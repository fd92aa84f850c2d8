"""Names and addresses that a topology gets."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from harness.lab.addressing import IFNAME_LENGTH, plan
from harness.lab.port import LabError
from harness.model.topology import Namespace, Pod, Topology


def topology(*pods: Pod, nodes: tuple[str, ...] = ("n1", "n2")) -> Topology:
    return Topology("t", nodes, (Namespace("shop"),), pods)


def test_every_pod_gets_one_address_of_each_family_from_its_node() -> None:
    planned = plan(topology(Pod("a", "shop", "n1"), Pod("b", "shop", "n2"), Pod("c", "shop", "n1")))
    assert [pod.ips for pod in planned.topology.pods] == [
        ("10.1.0.2", "fd00:10:1::2"),
        ("10.2.0.2", "fd00:10:2::2"),
        ("10.1.0.3", "fd00:10:1::3"),
    ]


def test_given_addresses_are_kept_and_not_given_again() -> None:
    planned = plan(topology(Pod("a", "shop", "n1"), Pod("b", "shop", "n1", ips=("10.1.0.2",))))
    first, second = planned.topology.pods
    assert first.ip(4) == "10.1.0.3"
    assert second.ips == ("10.1.0.2", "fd00:10:1::3")


def test_other_nodes_route_an_address_from_outside_the_nodes_prefix() -> None:
    planned = plan(topology(Pod("a", "shop", "n1", ips=("192.0.2.7",))))
    assert planned.nodes[0].prefixes == ("10.1.0.0/16", "fd00:10:1::/64", "192.0.2.7/32")


@pytest.mark.parametrize("count", [1, 3, 1000])
def test_addresses_interfaces_and_macs_are_unique(count: int) -> None:
    pods = tuple(Pod(f"a-very-long-name-{index}", "shop", f"n{index % 3 + 1}") for index in range(count))
    planned = plan(topology(*pods, nodes=("n1", "n2", "n3")))
    ips = [ip for pod in planned.topology.pods for ip in pod.ips] + [
        ip for node in planned.nodes for ip in node.addresses.values()
    ]
    assert len(ips) == len(set(ips)) == 2 * (count + 3)
    for node in planned.nodes:
        links = [(port.host_ifname, port.host_ifindex) for port in node.ports] + [(w.ifname, w.ifindex) for w in node.wires]
        for values in zip(*links, strict=True):
            assert len(values) == len(set(values))
        assert all(0 < len(name) <= IFNAME_LENGTH for name, _ in links)
        for port in node.ports:
            assert any(ip_address(port.pod.ip(4)) in ip_network(prefix) for prefix in node.prefixes)
    macs = [mac for node in planned.nodes for port in node.ports for mac in (port.mac, port.host_mac)]
    macs += [wire.mac for node in planned.nodes for wire in node.wires]
    assert len(macs) == len(set(macs))
    assert all(int(mac[:2], 16) & 3 == 2 for mac in macs), "locally administered, unicast"


def test_the_same_topology_is_always_laid_out_alike() -> None:
    asked = topology(Pod("a", "shop", "n1"), Pod("b", "shop", "n2"))
    assert plan(asked) == plan(asked)
    assert plan(plan(asked).topology) == plan(asked), "as when a lab is opened again from its record"


@pytest.mark.parametrize(
    ("pods", "said"),
    [
        ((Pod("a", "shop", "n9"),), "placed on node 'n9'"),
        ((Pod("a", "shop", "n1"), Pod("a", "shop", "n2")), "names pod shop/a twice"),
        ((Pod("A_b", "shop", "n1"),), "'A_b' is not a DNS-1123 name"),
        ((Pod("../x", "shop", "n1"),), "not a DNS-1123 name"),
        ((Pod("a", "shop", "n1", ips=("10.1.0.300",)),), "'10.1.0.300' is not an IP address"),
        ((Pod("a", "shop", "n1", ips=("10.1.0.1",)),), "10.1.0.1 is given to both pod shop/a and node n1"),
        ((Pod("a", "shop", "n1", ips=("10.9.0.1", "10.9.0.2")),), "one IPv4 and one IPv6"),
    ],
)
def test_what_cannot_be_laid_out_is_refused_by_name(pods: tuple[Pod, ...], said: str) -> None:
    with pytest.raises(LabError, match=said):
        plan(topology(*pods))


def test_two_nodes_of_one_name_are_refused() -> None:
    with pytest.raises(LabError, match="names node n1 twice"):
        plan(replace(topology(), nodes=("n1", "n1")))


def test_the_number_of_nodes_is_bounded() -> None:
    with pytest.raises(LabError, match="at most 255"):
        plan(topology(nodes=tuple(f"n{index}" for index in range(256))))
