"""Node Envoys for TCP come, are replaced, and go; pods come and go beside them."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from l4_clients import LINE, ended, line, listening, passes
from sidecar_clients import PORT, answer, ask, connect, line_server

from harness.dataplanes.node_l4 import NodeL4
from harness.dataplanes.port import Attachment, DataPlaneError, RestartKind
from harness.lab import netns
from harness.lab.port import Lab, LabPod
from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy, Peer, Rule
from harness.model.topology import Pod, Topology

AT = Origin("policy.yaml", 3)
SECONDS = 5.0
HOLDS = "import socket, sys, time; s = socket.create_connection(sys.argv[1:3]); s.sendall(b'hello'); time.sleep(99)"


def admits(app: str, *peers: str) -> NetworkPolicy:
    allowed = tuple(Peer(AT, pod_selector=LabelSelector({"app": peer})) for peer in peers)
    return NetworkPolicy(AT, "p", "shop", LabelSelector({"app": app}), ingress=(Rule(AT, allowed),))


def pids(attachment: Attachment) -> dict[str, tuple[int, ...]]:
    return {repr(part.place): part.pids for part in attachment.components()}


def state(lab: Lab) -> list[str]:
    """All that the plane could leave in the nodes' namespaces, and its files.

    Without the kernel's own routes: it makes those of a wire's end a moment after that is up.
    """
    commands = [
        "nft list ruleset",
        "ip rule",
        "ip -6 rule",
        "ip route show table all | grep -v 'proto kernel' || true",
        "ip -6 route show table all | grep -v 'proto kernel' || true",
        "ss -Hltn",
    ]
    found = [node.run(["sh", "-c", command]).stdout for node in lab.nodes for command in commands]
    return [*found, *sorted(path.name for path in lab.folder.iterdir() if path.name.startswith("envoy"))]


@pytest.fixture
def lab(pair: Topology) -> Iterator[Lab]:
    with netns.up(pair) as made:
        yield made


@pytest.fixture(scope="module")
def attached(pair_lab: Lab, server: LabPod) -> Iterator[Attachment]:
    with NodeL4().attach(pair_lab) as attachment:
        yield attachment


@pytest.mark.parametrize("how", list(RestartKind))
def test_a_restarted_envoy_is_another_process_and_judges_as_before(
    attached: Attachment, pair_lab: Lab, how: RestartKind
) -> None:
    attached.apply([admits("server", "client")])
    before = pids(attached)
    attached.restart("proxy", how)
    after = pids(attached)
    assert all(len(after[node]) == 1 and after[node] != before[node] for node in before)
    assert not any(Path(f"/proc/{pid}").exists() for (pid,) in before.values())
    assert ask(pair_lab, "shop/client").verdict is Verdict.FORWARDED
    assert ask(pair_lab, "evil/stranger").verdict is Verdict.REJECTED
    attached.apply([admits("server", "neighbour")])
    assert ask(pair_lab, "shop/client").verdict is Verdict.REJECTED
    assert ask(pair_lab, "shop/neighbour").verdict is Verdict.FORWARDED


def test_one_nodes_envoy_can_be_restarted_and_no_other_component(attached: Attachment) -> None:
    before = pids(attached)
    attached.restart("n2", RestartKind.COLD)
    assert sum(pids(attached)[node] != before[node] for node in before) == 1
    with pytest.raises(DataPlaneError, match="no component 'bpf'"):
        attached.restart("bpf", RestartKind.HOT)


def test_a_hot_restart_refuses_no_new_connection(attached: Attachment, pair_lab: Lab, server: LabPod) -> None:
    attached.apply(())
    client = pair_lab.pod("shop/client")
    said = b"GET /name HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n"
    got: list[bytes] = []

    def work() -> None:
        while not stop.is_set():
            with connect(client, server, PORT) as connection:
                got.append(answer(connection, said))

    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(work)
        attached.restart("proxy", RestartKind.HOT)
        stop.set()
        asking.result()
    assert len(got) > 10
    assert [each for each in got if b"200 OK" not in each] == []


def test_while_an_envoy_is_down_nothing_passes(attached: Attachment, pair_lab: Lab, server: LabPod) -> None:
    attached.apply(())
    client, neighbour = (pair_lab.pod(f"shop/{name}") for name in ("client", "neighbour"))
    killed = [pid for found in pids(attached).values() for pid in found]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + SECONDS
    while any(pids(attached).values()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for destination in (server, neighbour):
        with listening(destination, LINE), client.entered(), pytest.raises(TimeoutError):
            socket.create_connection((destination.pod.ip(4), LINE), timeout=0.5)
    attached.restart("proxy", RestartKind.COLD)
    assert ask(pair_lab, "shop/client").verdict is Verdict.FORWARDED


def test_leaving_leaves_nothing(lab: Lab) -> None:
    before = state(lab)
    with NodeL4().attach(lab) as attachment:
        attachment.apply([admits("server", "client")])
        assert state(lab) != before
        running = [pid for found in pids(attachment).values() for pid in found]
    assert state(lab) == before
    assert not any(Path(f"/proc/{pid}").exists() for pid in running)
    with NodeL4().attach(lab):
        pass


def test_what_was_open_before_is_reset_and_recorded(lab: Lab) -> None:
    client, server = lab.pod("shop/client"), lab.pod("shop/server")
    with line(client, server) as (near, far):
        assert passes(near, far)
        with NodeL4().attach(lab) as attachment:
            attachment.apply([admits("server", "neighbour")])
            near.sendall(b"still there?")
            assert ended(near)
            found = attachment.evidence(Flow("shop/client", "shop/server", LINE))
    assert found is not None
    assert found.reason == "stray"


@pytest.mark.parametrize("app", ["server", "neighbour"])
def test_an_addresss_next_owner_has_its_own_identity_and_no_connection(lab: Lab, app: str) -> None:
    client, server = lab.pod("shop/client"), lab.pod(f"shop/{app}")
    former = client.pod
    with NodeL4().attach(lab) as attachment, listening(server) as listener, line_server(server, LINE + 1):
        attachment.apply([admits(app, "client")])
        client.start([sys.executable, "-c", HOLDS, server.pod.ip(4), str(LINE)], component="client")
        far, _ = listener.accept()
        far.settimeout(SECONDS)
        with far:
            assert far.recv(5) == b"hello"
            lab.remove_pod(former.ref)
            heir = lab.add_pod(Pod("heir", "shop", former.node, {"app": "heir"}, ips=former.ips))
            attachment.pods_changed((heir,), (former,))
            lab.connect("shop/heir")
            assert ended(far)
        with connect(heir, server, LINE + 1) as connection:
            assert answer(connection, b"hello") == b""
        attachment.apply([admits(app, "heir")])
        with connect(heir, server, LINE + 1) as connection:
            assert answer(connection, b"hello") == b"hello"


def test_pods_that_come_and_go_disturb_no_other(lab: Lab) -> None:
    client, server, neighbour = (lab.pod(f"shop/{name}") for name in ("client", "server", "neighbour"))
    with NodeL4().attach(lab) as attachment, line(client, server) as far, line(client, neighbour, port=LINE + 1) as near:
        former = lab.pod("evil/stranger").pod
        lab.remove_pod(former.ref)
        attachment.pods_changed((), (former,))
        late = lab.add_pod(Pod("late", "shop", "n2", {"app": "late"}))
        attachment.pods_changed((late,), ())
        lab.connect("shop/late")
        assert passes(*far)
        assert passes(*near)
        for source in (client, server):
            with line(source, late, port=LINE + 2) as both:
                assert passes(*both)
