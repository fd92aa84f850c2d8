"""Attaching, leaving, and what is left when the loader dies."""

import os
import signal
import time
from collections.abc import Callable

import pytest
from mesh_ways import WAYS
from pair_policies import EVERYTHING_CLOSED
from pod_sockets import connects

from harness.dataplanes.ebpf import HOOK, HOST_ROUTING, Ebpf, options
from harness.dataplanes.port import DataPlaneError, NotConverged, RestartKind
from harness.lab import netns
from harness.lab.port import Lab
from harness.mesh.agent import Options
from harness.mesh.hooks import HookKind
from harness.mesh.libbpf import library
from harness.mesh.mesh import attached
from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, Rule
from harness.model.topology import Topology

DEADLINE = 5.0


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s: {what}"
        time.sleep(0.01)


def loaded(program: int) -> bool:
    """Whether the kernel still has the program."""
    fd = library().bpf_prog_get_fd_by_id(program)
    if fd >= 0:
        os.close(fd)
    return bool(fd >= 0)


def filters(lab: Lab) -> str:
    """All qdiscs of all nodes, as tc lists them."""
    return "".join(node.run(["tc", "qdisc", "show"]).stdout for node in lab.nodes)


@pytest.mark.parametrize("way", list(WAYS))
def test_leaving_leaves_nothing(pair_lab: Lab, way: str) -> None:
    pins, qdiscs = set(pair_lab.bpffs.rglob("*")), filters(pair_lab)
    with attached(pair_lab, WAYS[way]) as mesh:
        programs = [program for agent in mesh.agents for program in agent.programs]
        assert all(map(loaded, programs))
        assert set(pair_lab.bpffs.rglob("*")) > pins
        mesh.apply([EVERYTHING_CLOSED])
        assert not connects(pair_lab.pod("shop/client"), pair_lab.pod("shop/server"), 4)
    assert connects(pair_lab.pod("shop/client"), pair_lab.pod("shop/server"), 4)
    assert set(pair_lab.bpffs.rglob("*")) == pins
    assert filters(pair_lab) == qdiscs
    until(lambda: not any(map(loaded, programs)), "the kernel has let go of the programs")


def test_an_error_inside_leaves_nothing_either(pair_lab: Lab) -> None:
    pins = set(pair_lab.bpffs.rglob("*"))
    with pytest.raises(ZeroDivisionError), Ebpf().attach(pair_lab):
        raise ZeroDivisionError
    assert set(pair_lab.bpffs.rglob("*")) == pins
    with Ebpf().attach(pair_lab):
        pass


def test_a_second_mesh_on_one_lab_is_refused(pair_lab: Lab) -> None:
    with (
        Ebpf().attach(pair_lab),
        pytest.raises(DataPlaneError, match="a mesh is attached to this lab"),
        Ebpf().attach(pair_lab),
    ):
        pass


def test_a_policy_that_cannot_be_enforced_changes_nothing(pair_lab: Lab) -> None:
    here = Origin("bad.yaml", 7)
    bad = NetworkPolicy(
        here, "bad", "shop", LabelSelector(), ingress=(Rule(here, (Peer(here, ip_block=IPBlock("10.0.0.1/8")),)),)
    )
    with Ebpf().attach(pair_lab) as attachment:
        first = attachment.apply([EVERYTHING_CLOSED])
        with pytest.raises(NotConverged, match=r"bad\.yaml:7: '10\.0\.0\.1/8' is not a CIDR"):
            attachment.apply([bad])
        assert not connects(pair_lab.pod("shop/client"), pair_lab.pod("shop/server"), 4)
        second = attachment.apply([])
        assert second.number == first.number + 1
        assert connects(pair_lab.pod("shop/client"), pair_lab.pod("shop/server"), 4)


def test_only_a_hot_restart_makes_sense(pair_lab: Lab) -> None:
    with Ebpf().attach(pair_lab) as attachment:
        with pytest.raises(DataPlaneError, match="no component 'envoy'"):
            attachment.restart("envoy", RestartKind.HOT)
        with pytest.raises(DataPlaneError, match="no process that a cold restart could stop"):
            attachment.restart("bpf", RestartKind.COLD)


def test_the_mesh_outlives_its_loader_and_ends_with_the_lab(pair: Topology) -> None:
    """A killed loader leaves the policy in force; taking the lab down takes the programs with it."""
    ready, told = os.pipe()
    with netns.up(pair) as lab:
        child = os.fork()
        if child == 0:
            with Ebpf().attach(lab) as attachment:
                attachment.apply([EVERYTHING_CLOSED])
                os.write(told, ",".join(map(str, attachment.components()[0].programs)).encode())
                signal.pause()
            os._exit(1)
        try:
            programs = [int(number) for number in os.read(ready, 4096).split(b",")]
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        assert all(map(loaded, programs))
        assert not connects(lab.pod("shop/client"), lab.pod("shop/server"), 4)
        assert connects(lab.pod("shop/client"), lab.pod("evil/stranger"), 4)
    until(lambda: not any(map(loaded, programs)), "the kernel has let go of the programs")


def test_the_environment_chooses_hook_and_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HOOK, raising=False)
    monkeypatch.delenv(HOST_ROUTING, raising=False)
    assert options() == Options()
    monkeypatch.setenv(HOOK, "clsact")
    monkeypatch.setenv(HOST_ROUTING, "0")
    assert options() == Options(HookKind.CLSACT, host_routing=False)
    monkeypatch.setenv(HOOK, "xdp")
    with pytest.raises(DataPlaneError, match="MESHPROOF_EBPF_HOOK=xdp: write tcx or clsact"):
        options()
