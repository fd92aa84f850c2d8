"""What servers of a lab write down of what reaches them, and what canaries see of a change."""

import time
from collections.abc import Sequence

import pytest

from harness.dataplanes import find
from harness.lab.port import Lab
from harness.model.flow import ICMP, Flow, Verdict
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy
from harness.traffic.arrivals import Watch, settle
from harness.traffic.canary import canary
from harness.traffic.probe import probe_all
from harness.traffic.responder import serve_all

CLIENT, SERVER, NEIGHBOUR = "shop/client", "shop/server", "shop/neighbour"
CLOSED = NetworkPolicy(Origin("np.yaml", 1), "closed", "shop", LabelSelector(), ("Ingress",))
FLOWS = [
    Flow(CLIENT, there, 0 if protocol == "ICMP" else 8080, protocol, family, ICMP(echo) if protocol == "ICMP" else None)
    for there in (SERVER, NEIGHBOUR)
    for family, echo in ((4, 8), (6, 128))
    for protocol in ("TCP", "UDP", "ICMP")
]


def reached(lab: Lab, flows: Sequence[Flow], *, at_interface: bool) -> list[str | None]:
    with serve_all(lab.pods, [8080]) as servers:
        watch = Watch(lab, servers)
        seen = probe_all(flows, lab)
        watch.settle([SERVER, NEIGHBOUR])
        return [watch.reached(flow, each.nonce, at_interface=at_interface) for flow, each in zip(flows, seen, strict=True)]


def test_servers_tell_what_they_read_and_what_came_in(pair_lab: Lab) -> None:
    read = reached(pair_lab, FLOWS, at_interface=False)
    came = reached(pair_lab, FLOWS, at_interface=True)
    for flow, inside, outside in zip(FLOWS, read, came, strict=True):
        ping = flow.protocol == "ICMP"
        assert inside == (None if ping else "its server read it"), flow
        assert outside == ("1 packet of it came in at its server's interface" if ping else "its server read it"), flow


def test_of_what_is_denied_before_it_arrives_they_know_nothing(pair_lab: Lab) -> None:
    with find("ebpf").attach(pair_lab) as mesh:
        mesh.apply([CLOSED])
        assert reached(pair_lab, FLOWS, at_interface=True) == [None] * len(FLOWS)


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("family", [4, 6])
def test_a_canary_tells_what_got_through_before_and_after_a_change(pair_lab: Lab, family: int, protocol: str) -> None:
    flow = Flow(CLIENT, SERVER, 8080, protocol, family)
    with (
        find("nftables").attach(pair_lab) as plane,
        serve_all(pair_lab.pods, [8080]) as servers,
        canary(flow, pair_lab, servers[SERVER], 0.001) as bird,
    ):
        assert bird.await_answered()
        early = time.monotonic_ns()
        bird.await_begun(early, 5)
        called = time.monotonic_ns()
        plane.apply([CLOSED])
        returned = time.monotonic_ns()
        bird.await_begun(returned, 5)
        bird.end()
        settle([servers[SERVER]])
        seen = bird.seen(called, returned, at_interface=True)
        wrong = bird.seen(called, early, at_interface=True)  # as if the change had been said to be in force before it was
    assert (seen.late, seen.latest) == (0, 0.0)
    assert seen.after >= 5
    assert 0 < seen.admitted <= seen.meanwhile
    assert 0 < seen.last <= seen.seconds
    assert wrong.late >= 5


def test_what_comes_through_proxies_is_known_at_the_server(pair_lab: Lab) -> None:
    """Packets at its interface say nothing there; what its request says of itself does."""
    flow = Flow(CLIENT, SERVER, 8080)
    with (
        find("sidecar-mtls").attach(pair_lab) as plane,
        serve_all(pair_lab.pods, [8080]) as servers,
        canary(flow, pair_lab, servers[SERVER], 0.025) as bird,
    ):
        plane.apply([])
        assert bird.await_answered()
        since = time.monotonic_ns()
        bird.await_begun(since, 10)
        bird.end()
        settle([servers[SERVER]])
        assert bird.seen(since, since, at_interface=False).late >= 5


def test_probes_of_a_policy_that_drops_replies_alone_are_found_at_the_server(pair_lab: Lab) -> None:
    """The client meets silence either way; only the server knows that it was reached."""
    flow = Flow(CLIENT, SERVER, 8080, "UDP")
    server = pair_lab.pod(SERVER)
    server.run(["nft", "add table inet mute; add chain inet mute out { type filter hook output priority 0; policy drop; }"])
    try:
        with serve_all(pair_lab.pods, [8080]) as servers:
            watch = Watch(pair_lab, servers)
            (seen,) = probe_all([flow], pair_lab)
            watch.settle([SERVER])
            assert seen.verdict is Verdict.DROPPED
            assert watch.reached(flow, seen.nonce, at_interface=False) == "its server read it"
    finally:
        server.run(["nft", "delete table inet mute"])
