"""How hosts outside of the cluster are laid out."""

from dataclasses import replace

import pytest

from harness.lab.addressing import plan
from harness.lab.port import LabError
from harness.model.topology import Namespace, OutsideHost, Pod, Topology

VISITOR = OutsideHost("visitor", "n1", ("2001:db8::7", "192.0.2.7"))
PARTNER = OutsideHost("partner", "n1", ("198.51.100.9", "2001:db8::9"))
TOPOLOGY = Topology(
    "t", ("n1", "n2"), (Namespace("shop"),), (Pod("a", "shop", "n1"), Pod("b", "shop", "n2")), (VISITOR, PARTNER)
)


def test_they_are_behind_their_node_and_other_nodes_have_a_route_there() -> None:
    first, second = plan(TOPOLOGY).nodes
    assert [port.pod.ips for port in first.outside] == [("192.0.2.7", "2001:db8::7"), ("198.51.100.9", "2001:db8::9")]
    assert {"192.0.2.7/32", "2001:db8::7/128"} <= set(first.prefixes)
    assert second.outside == ()
    assert len(second.prefixes) == 2


def test_they_are_no_pods_and_share_no_link_with_any() -> None:
    planned = plan(TOPOLOGY)
    (first, _) = planned.nodes
    assert {pod.ref for pod in planned.topology.pods} == {"shop/a", "shop/b"}
    ports = [*first.ports, *first.outside]
    for trait in ("host_ifindex", "host_ifname", "mac", "host_mac"):
        assert len({getattr(port, trait) for port in ports}) == len(ports), trait
    assert not {port.host_ifindex for port in ports} & {wire.ifindex for wire in first.wires}


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (replace(VISITOR, node="n3"), "host visitor is behind node 'n3', which is not listed"),
        (replace(VISITOR, name="Visitor"), "'Visitor' is not a DNS-1123 name"),
        (replace(VISITOR, ips=("10.2.0.7", "2001:db8::7")), "the address 10.2.0.7, which is node n2's to give"),
        (replace(VISITOR, ips=("192.0.2.7", "192.0.2.8")), "give it one IPv4 and one IPv6 address"),
        (replace(VISITOR, ips=("192.0.2.7", "nonsense")), "'nonsense' is not an IP address"),
        (replace(VISITOR, ips=("198.51.100.9", "2001:db8::7")), "is given to both host visitor and host partner"),
        (replace(VISITOR, name="partner"), "names host partner twice"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(host: OutsideHost, said: str) -> None:
    with pytest.raises(LabError, match=said):
        plan(replace(TOPOLOGY, outside=(host, PARTNER)))
