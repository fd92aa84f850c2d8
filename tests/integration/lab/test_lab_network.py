"""Pods reach one another, over the wires where they must, and the machine's own network does not change."""

import json
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.lab import echo, netns
from harness.lab.port import Lab, LabError, LabNode, LabPod
from harness.model.topology import Topology

PEERS = ["shop/server", "shop/neighbour", "evil/stranger"]


def answers(source: LabPod, address: str) -> bool:
    with source.entered():
        try:
            echo.await_answers([address], asked_by=source.pod.ref, seconds=1)
        except LabError:
            return False
    return True


def packets(node: LabNode, ifname: str) -> int:
    shown = json.loads(node.run(["ip", "-j", "-s", "link", "show", ifname]).stdout)
    return int(shown[0]["stats64"]["tx"]["packets"])


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("peer", PEERS)
def test_pods_reach_each_other_on_both_families(pair_lab: Lab, peer: str, family: int) -> None:
    assert answers(pair_lab.pod("shop/client"), pair_lab.pod(peer).pod.ip(family))


@pytest.mark.parametrize("address", ["10.1.77.77", "10.200.0.1", "fd00:10:1::7777"])
def test_addresses_of_nobody_do_not_answer(pair_lab: Lab, address: str) -> None:
    assert not answers(pair_lab.pod("shop/client"), address)


def test_a_process_with_more_than_a_thousand_descriptors_hears_answers() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1024)]
    try:
        echo.await_answers(["127.0.0.1"], asked_by="the machine itself", seconds=1)
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("family", [4, 6])
def test_only_traffic_between_nodes_is_on_the_wire(pair_lab: Lab, family: int) -> None:
    client, node = pair_lab.pod("shop/client"), pair_lab.node("n1")
    wire, ifindex = node.wires["n2"]
    assert json.loads(node.run(["ip", "-j", "link", "show", wire]).stdout)[0]["ifindex"] == ifindex
    before = packets(node, wire)
    assert answers(client, pair_lab.pod("shop/neighbour").pod.ip(family))
    assert packets(node, wire) == before
    assert answers(client, pair_lab.pod("shop/server").pod.ip(family))
    assert packets(node, wire) > before


def test_links_are_as_the_lab_says(pair_lab: Lab) -> None:
    for pod in pair_lab.pods:
        (inside,) = json.loads(pod.run(["ip", "-j", "link", "show", "eth0"]).stdout)
        (outside,) = json.loads(pod.node.run(["ip", "-j", "link", "show", pod.host_ifname]).stdout)
        assert inside["address"] == pod.mac
        assert (outside["address"], outside["ifindex"]) == (pod.host_mac, pod.host_ifindex)
        shown = json.loads(pod.run(["ip", "-j", "address", "show", "eth0"]).stdout)[0]["addr_info"]
        assert sorted(each["local"] for each in shown) == sorted(pod.pod.ips)


def test_neighbours_are_permanent_so_none_is_ever_asked_for(pair_lab: Lab) -> None:
    for place in (*pair_lab.pods, *pair_lab.nodes):
        shown = json.loads(place.run(["ip", "-j", "neighbour", "show"]).stdout)
        assert shown and all(each["state"] == ["PERMANENT"] for each in shown)


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def root_network() -> dict[str, str]:
    """The machine's own addresses, links, routes, rules, namespace numbers, firewall and forwarding."""
    commands = {
        "links": "ip -o link show", "addresses": "ip -j address show",
        "rules": "ip -j rule show", "rules6": "ip -6 -j rule show",
        "routes": "ip -j route show table all", "routes6": "ip -6 -j route show table all",
        "numbers": "ip netns list-id", "firewall": "nft list ruleset",
    }  # fmt: skip
    found = {key: output(*command.split()) for key, command in commands.items()}
    for sysctl in ("ipv4/ip_forward", "ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter", "ipv6/conf/all/forwarding",
                   "ipv6/conf/default/accept_dad", "ipv6/conf/default/addr_gen_mode", "ipv4/tcp_orphan_retries"):  # fmt: skip
        found[sysctl] = Path("/proc/sys/net", sysctl).read_text()
    return found


def test_the_machines_own_network_is_the_same_before_during_and_after(pair: Topology) -> None:
    before = root_network()
    assert before["links"] and before["rules"]
    with netns.up(pair):
        assert root_network() == before
    assert root_network() == before


def test_a_lab_that_is_down_is_gone_from_the_kernel(
    pair: Topology, foreign: Callable[[str], Path], left: Callable[[str], list[str]]
) -> None:
    # It numbers the lab's namespaces; the kernel drops a number with its namespace. `ip -n` cannot be used in a chroot.
    inside = ("nsenter", f"--net={foreign('lab-test-watcher')}")
    with netns.up(pair) as lab:
        for number, place in enumerate((*lab.nodes, *lab.pods)):
            output(*inside, "ip", "netns", "set", place.netns.name, str(number))
        assert len(output(*inside, "ip", "netns", "list-id").splitlines()) == 6
    assert not output(*inside, "ip", "netns", "list-id")
    assert not left(lab.name)
