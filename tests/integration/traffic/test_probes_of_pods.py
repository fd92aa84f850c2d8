"""Responders in all pods of a lab, and probes of every kind between them, without a mesh."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

import pytest

from harness.lab.port import Lab, LabError, Place
from harness.model.flow import ICMP, Flow, Verdict
from harness.traffic.probe import ECHO_REQUEST, probe_all
from harness.traffic.responder import serve_all

PORTS = [8080, 5353]
CLIENT, SERVER, NEIGHBOUR = "shop/client", "shop/server", "shop/neighbour"


@pytest.fixture(scope="module")
def answering(pair_lab: Lab) -> Iterator[Lab]:
    with serve_all(pair_lab.pods, PORTS):
        yield pair_lab


def flows(source: str, destination: str, families: tuple[int, ...] = (4, 6)) -> list[Flow]:
    """One of each kind."""
    made = [
        Flow(source, destination, port, protocol, family) for port, protocol, family in product(PORTS, ("TCP", "UDP"), families)
    ]
    return made + [Flow(source, destination, 0, "ICMP", family, ICMP(ECHO_REQUEST[family], 0)) for family in families]


@contextmanager
def rules(place: Place, *added: str, hook: str = "input") -> Iterator[None]:
    """nftables rules in a place while the context is open."""
    kind = "type nat hook output priority -100" if hook == "nat" else f"type filter hook {hook} priority 0"
    table = f"add table inet t; add chain inet t c {{ {kind}; }};"
    place.run(["nft", "; ".join([table, *(f"add rule inet t c {rule}" for rule in added)])])
    try:
        yield
    finally:
        place.run(["nft", "delete table inet t"])


def test_every_pod_reaches_every_pod_and_itself(answering: Lab) -> None:
    refs = [pod.pod.ref for pod in answering.pods]
    asked = [flow for source, destination in product(refs, refs) for flow in flows(source, destination)]
    seen = probe_all(asked, answering)
    assert [(flow, each) for flow, each in zip(asked, seen, strict=True) if each.verdict is not Verdict.FORWARDED] == []
    assert {each.detail for flow, each in zip(asked, seen, strict=True) if flow.destination == SERVER} == {
        f"status 200 from {SERVER}", f"datagram from {SERVER}", "echo reply",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ("iifname eth0 drop", Verdict.DROPPED),
        ("iifname eth0 reject with icmpx type port-unreachable", Verdict.REJECTED),
        ("iifname eth0 reject with icmpx type admin-prohibited", Verdict.REJECTED),
    ],
)
def test_silence_and_refusal_are_told_apart_for_every_flow(rule: str, verdict: Verdict, answering: Lab) -> None:
    """Also the twentieth refusal to one client, where the kernel's own limit is six in a row."""
    asked = flows(CLIENT, SERVER) * 4 + flows(CLIENT, NEIGHBOUR)
    with rules(answering.pod(SERVER), rule):
        seen = probe_all(asked, answering)
    wrong = [
        (flow, each)
        for flow, each in zip(asked, seen, strict=True)
        if each.verdict is not (verdict if flow.destination == SERVER else Verdict.FORWARDED)
    ]
    assert wrong == []


def test_refusals_by_a_node_are_all_seen(answering: Lab) -> None:
    asked = flows(CLIENT, SERVER) * 4
    with rules(answering.node("n1"), "iifname p0-client reject with icmpx type admin-prohibited", hook="forward"):
        seen = probe_all(asked, answering)
    assert {each.verdict for each in seen} == {Verdict.REJECTED}, seen


def test_error_about_one_message_is_not_held_against_another(answering: Lab) -> None:
    codes = [0, 1, 0, 1]
    asked = [Flow(CLIENT, SERVER, 0, "ICMP", 4, ICMP(8, code)) for code in codes]
    with rules(answering.pod(SERVER), "icmp type echo-request icmp code 1 reject with icmpx type admin-prohibited"):
        seen = probe_all(asked, answering)
    assert [each.verdict for each in seen] == [Verdict.FORWARDED, Verdict.REJECTED] * 2, seen


def test_a_refusal_by_the_clients_own_host_is_a_rejection(answering: Lab) -> None:
    with rules(answering.pod(CLIENT), "meta l4proto { udp, icmp, icmpv6 } drop", hook="output"):
        seen = probe_all([flow for flow in flows(CLIENT, SERVER) if flow.protocol != "TCP"], answering)
    assert {(each.verdict, each.detail.split()[0]) for each in seen} == {(Verdict.REJECTED, "EPERM")}


def test_datagram_that_somebody_else_answers_is_redirected(answering: Lab) -> None:
    with rules(answering.pod(CLIENT), f"udp dport 5353 dnat ip to {answering.pod(NEIGHBOUR).pod.ip(4)}", hook="nat"):
        (seen,) = probe_all([Flow(CLIENT, SERVER, 5353, "UDP")], answering)
    assert seen.verdict is Verdict.REDIRECTED
    assert seen.detail == f"answered by {NEIGHBOUR}, not by {SERVER}"


def test_every_flow_is_asked_exactly_once(answering: Lab) -> None:
    server = answering.pod(SERVER)
    counted = ["tcp flags & (syn|ack) == syn", "meta l4proto udp", "icmp type echo-request", "icmpv6 type echo-request"]
    with rules(server, *(f"{match} counter drop" for match in counted)):
        seen = probe_all(flows(CLIENT, SERVER), answering)
        said = server.run(["nft", "list", "chain", "inet", "t", "c"]).stdout
    assert {each.verdict for each in seen} == {Verdict.DROPPED}
    assert [line.split("packets ")[1].split()[0] for line in said.splitlines() if "counter" in line] == ["4", "4", "1", "1"]


@pytest.mark.parametrize("protocol", ["UDP", "ICMP"])
def test_no_probe_is_taken_for_the_continuation_of_a_former_one(protocol: str, answering: Lab) -> None:
    """Connection tracking remembers each source port and identifier for half a minute."""
    flow = next(flow for flow in flows(CLIENT, SERVER) if flow.protocol == protocol)
    for _ in range(20):
        with rules(answering.pod(SERVER), "ct state established accept", "iifname eth0 ct state new accept"):
            (before,) = probe_all([flow], answering)
        assert before.verdict is Verdict.FORWARDED
    with rules(answering.pod(SERVER), "ct state established accept", "iifname eth0 drop"):
        seen = probe_all([flow] * 20, answering)
    assert {each.verdict for each in seen} == {Verdict.DROPPED}


def test_nothing_is_mistaken_for_a_denial_on_a_crowded_machine(answering: Lab) -> None:
    """Ten programs to each CPU that never sleep, in pods, while every pod asks every other."""
    refs = [pod.pod.ref for pod in answering.pods]
    asked = [flow for source, destination in product(refs, refs) for flow in flows(source, destination)]
    crowd = [
        answering.pod(refs[number % len(refs)]).start(["sh", "-c", "while :; do :; done"], component="crowd")
        for number in range(10 * (os.cpu_count() or 1))
    ]
    try:
        seen = probe_all(asked, answering)
    finally:
        for each in crowd:
            each.stop()
    assert [(flow, each) for flow, each in zip(asked, seen, strict=True) if each.verdict is not Verdict.FORWARDED] == []


def test_a_server_that_stands_still_is_silent_and_no_other(answering: Lab) -> None:
    with serve_all([answering.pod(SERVER)], [9090]) as servers:
        servers[SERVER].process.signal(signal.SIGSTOP)
        seen = probe_all([Flow(CLIENT, SERVER, 9090, "UDP"), Flow(CLIENT, SERVER, 5353, "UDP")], answering)
        servers[SERVER].process.signal(signal.SIGCONT)
    assert [each.verdict for each in seen] == [Verdict.DROPPED, Verdict.FORWARDED]


def test_responders_are_gone_when_they_are_left(pair_lab: Lab) -> None:
    pods = [pair_lab.pod(SERVER), pair_lab.pod(NEIGHBOUR)]
    with serve_all(pods, [9091]) as servers:
        assert set(servers) == {SERVER, NEIGHBOUR}
        for pod in pods:
            members = (pod.component_cgroup("server") / "cgroup.procs").read_text().split()
            assert str(servers[pod.pod.ref].process.pid) in members
    assert all(server.process.poll() is not None for server in servers.values())
    (seen,) = probe_all([Flow(CLIENT, SERVER, 9091, "UDP")], pair_lab)
    assert seen.detail.startswith("ECONNREFUSED")


def test_port_that_is_taken_is_told_in_the_responders_own_words(answering: Lab) -> None:
    with (
        pytest.raises(LabError, match=r"responder in pod shop/server ended with status 1: .*port 5353: Address already in use"),
        serve_all([answering.pod(SERVER)], [5353]),
    ):
        pass


def test_prober_is_a_process_of_the_client_pod(answering: Lab) -> None:
    """A hook on the pod's cgroup must judge it."""
    client = answering.pod(CLIENT)
    folder = client.component_cgroup("probe")
    with rules(answering.pod(SERVER), "udp dport 5353 drop"):
        thread = threading.Thread(target=probe_all, args=([Flow(CLIENT, SERVER, 5353, "UDP")], answering, 1.0))
        thread.start()
        deadline = time.monotonic() + 10
        while not (members := (folder / "cgroup.procs").read_text().split()):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        thread.join()
    assert len(members) == 1
