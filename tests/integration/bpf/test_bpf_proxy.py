"""Flows whose requests are judged are left to the node's stack, marked, in both directions; all others are not."""

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from rig import B_IF, HOST, OUTSIDE, REMOTE, WIRE_IF, A, B, Outcome, Rig, tcp, udp

from harness.mesh.layout import PROXY_MARK
from harness.model.cilium import (
    CiliumPolicy,
    CiliumPort,
    CiliumRule,
    CiliumSpec,
    EnableDefaultDeny,
    HTTPRule,
    L7Rules,
    PortRule,
)
from harness.model.origin import Origin
from harness.model.policy import LabelSelector

FAMILIES = pytest.mark.parametrize("family", [4, 6])
CLONE_NEWNET = 0x40000000  # linux/sched.h
HERE, REQUESTS = Origin("requests.yaml", 3), Origin("requests.yaml", 9)


def rule(app: str | None, port: int | None = 8080, *, requests: bool = True, last: int | None = None) -> CiliumRule:
    rules = L7Rules(REQUESTS, http=(HTTPRule(REQUESTS, path="/"),)) if requests else None
    ports = None if port is None else (PortRule(HERE, (CiliumPort(HERE, str(port), last, "TCP"),), rules),)
    peers = {"entities": ("all",)} if app is None else {"endpoints": (LabelSelector({"app": app}),)}
    return CiliumRule(HERE, ports=ports, **peers)  # type: ignore[arg-type]


def policy(app: str, *rules: CiliumRule, way: str = "ingress", isolates: bool | None = None) -> CiliumPolicy:
    default = None if isolates is None else EnableDefaultDeny(isolates, isolates)
    spec = CiliumSpec(HERE, LabelSelector({"app": app}), enable_default_deny=default, **{way: rules})
    return CiliumPolicy(HERE, "p", "shop", (spec,))


def handed_over(outcome: Outcome) -> bool:
    """Whether a packet went to the node's stack although it could have been forwarded."""
    return outcome.action == "stack" and outcome.mark == PROXY_MARK


@FAMILIES
@pytest.mark.parametrize("way", ["ingress", "egress"])
def test_a_narrowed_flow_is_the_proxys_in_both_directions(rig: Rig, family: int, way: str) -> None:
    subject, peer = ("b", "a") if way == "ingress" else ("a", "b")
    rig.apply(policy(subject, rule(peer), way=way))
    assert handed_over(rig.from_pod(tcp(A, B, "S", family=family)))
    assert handed_over(rig.from_pod(tcp(B, A, "SA", (8080, 40000), family), B_IF))
    assert handed_over(rig.from_pod(tcp(A, B, "A", family=family)))
    rig.forget_flows()
    assert handed_over(rig.from_pod(tcp(B, A, "SA", (8080, 40000), family), B_IF)), "without the client's SYN: the proxy's own"
    rig.forget_flows()
    assert handed_over(rig.from_pod(tcp(A, B, "A", family=family)))


@FAMILIES
def test_each_node_judges_its_own_end(rig: Rig, family: int) -> None:
    """Of a flow to another node, its backend's rules are that node's; of one from there, the backend's are this one's."""
    rig.apply(policy("remote", rule("a")))
    assert rig.from_pod(tcp(A, REMOTE, "S", family=family)).action == "redirect"
    rig.apply(policy("a", rule("remote"), way="egress"))
    assert handed_over(rig.from_pod(tcp(A, REMOTE, "S", (40001, 8080), family)))
    assert handed_over(rig.from_wire(tcp(REMOTE, A, "SA", (8080, 40001), family)))
    rig.apply(policy("a", rule("remote")))
    assert handed_over(rig.from_wire(tcp(REMOTE, A, "S", (40002, 8080), family)))
    assert handed_over(rig.from_pod(tcp(A, REMOTE, "SA", (8080, 40002), family)))


@FAMILIES
def test_other_ports_peers_and_protocols_are_not_the_proxys(rig: Rig, family: int) -> None:
    rig.apply(policy("b", rule("a"), rule("a", 9090, requests=False), rule("remote", requests=False)))
    assert rig.from_pod(tcp(A, B, "S", (40000, 9090), family)).action == "redirect"
    assert rig.from_wire(tcp(REMOTE, B, "S", family=family)).action == "redirect"
    assert rig.from_pod(udp(A, B, (40000, 8080), family)).reason == "policy_ingress"
    assert rig.from_wire(tcp(OUTSIDE, B, "S", family=family)).reason == "policy_ingress"


@pytest.mark.parametrize(
    "other",
    [
        rule("a", requests=False),
        rule(None, requests=False),
        rule("a", 8000, last=9000, requests=False),
        rule("a", None),
        rule(None, None),
    ],
    ids=["its own", "of anybody", "of a range", "of all ports", "of everything"],
)
def test_one_rule_that_looks_into_no_request_takes_the_flow_past_the_proxy(rig: Rig, other: CiliumRule) -> None:
    rig.apply(policy("b", rule("a")), policy("b", other))
    assert rig.from_pod(tcp(A, B, "S")).action == "redirect"
    rig.apply(policy("b", other), policy("b", rule("a")))
    assert rig.from_pod(tcp(A, B, "S", (40001, 8080))).action == "redirect"
    rig.apply(policy("b", rule("a")), policy("a", other))
    assert handed_over(rig.from_pod(tcp(A, B, "S", (40002, 8080))))


def test_a_rule_that_isolates_nobody_narrows_all_the_same(rig: Rig) -> None:
    rig.apply(policy("b", rule("a"), isolates=False))
    assert handed_over(rig.from_pod(tcp(A, B, "S")))
    assert rig.from_pod(tcp(A, B, "S", (40000, 9090))).action == "redirect"
    assert rig.from_wire(tcp(REMOTE, B, "S")).action == "redirect"


@FAMILIES
def test_what_the_stack_would_send_on_into_a_pod_is_dropped(rig: Rig, family: int) -> None:
    rig.apply(policy("b", rule("remote")))
    assert handed_over(rig.from_wire(tcp(REMOTE, B, "S", family=family)))
    assert rig.to_pod(tcp(REMOTE, B, "S", family=family)).reason == "past_proxy"
    assert rig.to_pod(tcp(REMOTE, B, "S", family=family), ifindex=0).action == "stack", "the proxy's own"


def test_a_node_is_not_asked(rig: Rig) -> None:
    rig.apply(policy("b", rule(None)))
    assert not handed_over(rig.from_pod(tcp(B, HOST, "SA", (8080, 40000)), B_IF))


@FAMILIES
def test_an_open_flow_becomes_the_proxys_when_it_is_narrowed(rig: Rig, family: int) -> None:
    assert rig.from_pod(tcp(A, B, "S", family=family)).action == "redirect"
    rig.apply(policy("b", rule("a")))
    assert handed_over(rig.from_pod(tcp(A, B, "A", family=family)))
    assert handed_over(rig.from_pod(tcp(B, A, "A", (8080, 40000), family), B_IF))


def test_a_flow_is_forwarded_again_when_no_rule_narrows_it_and_no_socket_has_it(rig: Rig) -> None:
    rig.apply(policy("b", rule("a")))
    assert handed_over(rig.from_pod(tcp(A, B, "S")))
    rig.apply()
    assert rig.from_pod(tcp(A, B, "A")).action == "redirect"


def in_a_namespace(work: Callable[[], None]) -> None:
    """Do ``work`` in a thread with a network of its own, where A and B are addresses of the loopback interface."""

    def body() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for end in (A, B):
            subprocess.run(["ip", "address", "add", f"{end[4]}/32", "dev", "lo"], check=True)
            subprocess.run(["ip", "address", "add", f"{end[6]}/128", "dev", "lo"], check=True)
        work()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(body).result()


@FAMILIES
def test_a_flow_that_the_node_has_a_socket_for_stays_the_proxys(rig: Rig, family: int) -> None:
    def work() -> None:
        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        with (
            socket.create_server((B[family], 8080), family=kind),
            socket.create_connection((B[family], 8080), 5, (A[family], 40000)),
        ):
            assert rig.from_pod(tcp(B, A, "A", (8080, 40000), family), B_IF).mark == PROXY_MARK
            assert rig.from_pod(tcp(B, A, "A", (8080, 40001), family), B_IF).mark == 0
            rig.forget_flows()
            assert rig.from_pod(tcp(A, B, "S", family=family)).mark == 0, "a new connection is not of that socket"

    in_a_namespace(work)


def test_a_listener_is_nobodys_socket(rig: Rig) -> None:
    with socket.create_server(("", 0)) as listener:
        port = listener.getsockname()[1]
        assert rig.from_wire(tcp(REMOTE, B, "A", (8080, port)), WIRE_IF).mark == 0
