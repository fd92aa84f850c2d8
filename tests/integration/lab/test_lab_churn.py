"""Pods that are added to a lab that is up, and removed from it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.lab import echo, netns, record
from harness.lab.namespaces import NETNS
from harness.lab.netns import NetnsLab
from harness.lab.port import LabError, LabPod
from harness.model.topology import Pod, Topology


@pytest.fixture
def lab(records: Path, pair: Topology) -> Iterator[NetnsLab]:
    with netns.up(pair) as made:
        yield made


def reaches(source: LabPod, address: str) -> bool:
    with source.entered():
        try:
            echo.await_answers([address], asked_by=source.pod.ref, seconds=0.5)
        except LabError:
            return False
    return True


def everywhere(lab: NetnsLab) -> list[str]:
    """All links, addresses, routes and neighbours of all nodes, and every namespace and cgroup of the lab, in one order."""
    asked = (
        ["address"],
        ["route", "show", "table", "all"],
        ["-6", "route", "show", "table", "all"],
        ["neighbour", "show", "nud", "permanent"],
    )
    network = [line for node in lab.nodes for what in asked for line in node.run(["ip", *what]).stdout.splitlines()]
    places = [*NETNS.glob(f"mp-{lab.name}_*"), *(each for node in lab.nodes for each in node.cgroup.glob("*_*"))]
    # What the kernel notices a moment after a link is up is no part of it.
    lines = (re.sub(r"<.*>|state \w+", "", line) for line in network if not line.startswith("multicast"))
    return sorted([*lines, *map(str, places)])


def other(node: str, ips: tuple[str, ...] = ()) -> Pod:
    return Pod("other", "evil", node, {"app": "other"}, ips=ips)


@pytest.mark.parametrize("node", ["n1", "n2"])
@pytest.mark.parametrize("family", [4, 6])
def test_an_added_pod_is_reached_once_it_is_connected_and_not_before(lab: NetnsLab, node: str, family: int) -> None:
    added = lab.add_pod(other(node))
    client = lab.pod("shop/client")
    assert not reaches(client, added.pod.ip(family))
    assert not reaches(added, client.pod.ip(family))
    lab.connect("evil/other")
    assert reaches(client, added.pod.ip(family))
    assert reaches(added, client.pod.ip(family))


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_addresses_of_a_removed_pod_are_free_at_once(lab: NetnsLab, node: str) -> None:
    former = lab.pod("shop/neighbour").pod
    lab.remove_pod("shop/neighbour")
    client = lab.pod("shop/client")
    assert not any(reaches(client, ip) for ip in former.ips)
    added = lab.add_pod(other(node, former.ips))
    lab.connect("evil/other")
    assert added.pod.ips == former.ips
    assert all(reaches(pod, ip) for ip in former.ips for pod in (client, lab.pod("shop/server")))


@pytest.mark.parametrize("node", ["n1", "n2"])
def test_a_pod_that_came_and_went_leaves_nothing(lab: NetnsLab, node: str) -> None:
    lab.remove_pod("shop/neighbour")
    before = everywhere(lab), lab.topology, record.read(lab.name).namespaces
    added = lab.add_pod(other(node, ("10.1.7.7", "fd00:10:1::7:7")))
    added.start(["sleep", "1000"], component="server")
    lab.connect("evil/other")
    lab.remove_pod("evil/other")
    assert (everywhere(lab), lab.topology, record.read(lab.name).namespaces) == before
    with pytest.raises(KeyError):
        lab.pod("evil/other")


def test_an_interface_index_is_never_used_again(lab: NetnsLab) -> None:
    seen = {pod.host_ifindex for pod in lab.node("n1").pods}
    for _ in range(2):
        added = lab.add_pod(other("n1"))
        assert added.host_ifindex not in seen
        seen.add(added.host_ifindex)
        lab.remove_pod("evil/other")


def test_the_other_pods_stay_the_same(lab: NetnsLab) -> None:
    before = [lab.pod(ref) for ref in ("shop/client", "shop/server", "evil/stranger")]
    lab.remove_pod("shop/neighbour")
    lab.add_pod(other("n1"))
    assert [lab.pod(ref) for ref in ("shop/client", "shop/server", "evil/stranger")] == before


def test_a_lab_with_other_pods_is_found_again_as_it_is(lab: NetnsLab) -> None:
    lab.remove_pod("shop/neighbour")
    lab.add_pod(other("n1"))
    found = netns.reopen(lab.name)
    assert found.topology == lab.topology
    assert [(pod.host_ifname, pod.host_ifindex, pod.mac, pod.netns) for pod in found.pods] == [
        (pod.host_ifname, pod.host_ifindex, pod.mac, pod.netns) for pod in lab.pods
    ]


def test_what_cannot_be_made_leaves_nothing(lab: NetnsLab, foreign: Callable[[str], Path]) -> None:
    foreign(f"mp-{lab.name}_n1_evil_other")
    before = everywhere(lab), record.read(lab.name)
    with pytest.raises(LabError, match="exists already"):
        lab.add_pod(other("n1"))
    assert record.read(lab.name).topology == before[1].topology


@pytest.mark.parametrize("pod", [Pod("client", "shop", "n2"), Pod("new", "shop", "n9"), other("n1", ("10.1.0.2",))])
def test_a_pod_that_fits_not_changes_nothing(lab: NetnsLab, pod: Pod) -> None:
    before = everywhere(lab), record.read(lab.name)
    with pytest.raises(LabError):
        lab.add_pod(pod)
    assert (everywhere(lab), record.read(lab.name)) == before


def test_a_lab_with_added_pods_goes_down_whole(records: Path, pair: Topology, left: Callable[[str], list[str]]) -> None:
    with netns.up(pair) as lab:
        lab.add_pod(other("n1"))
        lab.connect("evil/other")
        name = lab.name
    assert left(name) == []
