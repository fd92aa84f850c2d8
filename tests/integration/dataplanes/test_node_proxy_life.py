"""Node proxies come, are replaced, and go; pods come and go beside them."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from itertools import cycle
from pathlib import Path

import pytest
from http_ends import SECONDS, Backend, ask, asking, backend, connected, get, keep_alive
from request_policies import http, ingress, rule

from harness.dataplanes.ebpf import HOOK, HOST_ROUTING
from harness.dataplanes.node_proxy import NodeProxy
from harness.dataplanes.port import Attachment, DataPlaneError, RestartKind
from harness.envoy.transparent import LOOPBACK, PORT
from harness.lab import netns
from harness.lab.port import Lab, LabPod
from harness.lab.processes import started
from harness.model.topology import Pod, Topology

NARROW = [ingress("server", rule("client", http("/a"))), ingress("neighbour", rule("client", http("/a")))]


def state(lab: Lab) -> list[str]:
    """All that a proxy could leave in the nodes' namespaces."""
    commands = [
        "nft list ruleset",
        "ip rule",
        "ip -6 rule",
        "ip route show table 100 || true",
        "ip -6 route show table 100 || true",
        "ss -Hltn",
    ]
    return [node.run(["sh", "-c", command]).stdout for node in lab.nodes for command in commands]


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
        time.sleep(0.01)


def pids(attachment: Attachment) -> dict[str, tuple[int, ...]]:
    return {repr(part.place): part.pids for part in attachment.components() if part.name == "proxy"}


@pytest.mark.parametrize("how", list(RestartKind))
def test_a_restarted_proxy_is_another_process_and_judges_as_before(
    plane: Attachment, pair_lab: Lab, client: LabPod, how: RestartKind
) -> None:
    plane.apply(NARROW)
    before = pids(plane)
    plane.restart("proxy", how)
    after = pids(plane)
    assert all(len(after[node]) == 1 and after[node] != before[node] for node in before)
    assert not any(Path(f"/proc/{pid}").exists() for (pid,) in before.values())
    for app in ("server", "neighbour"):
        assert [get(client, pair_lab.pod(f"shop/{app}"), path).status for path in ("/a", "/b")] == [200, 403]
    plane.apply([ingress("server", rule("client", http("/b")))])
    assert [get(client, pair_lab.pod("shop/server"), path).status for path in ("/a", "/b")] == [403, 200]


def test_one_nodes_proxy_can_be_restarted_and_programs_only_hot(plane: Attachment) -> None:
    before = pids(plane)
    plane.restart("n2", RestartKind.COLD)
    assert sum(pids(plane)[node] != before[node] for node in before) == 1
    plane.restart("bpf", RestartKind.HOT)
    with pytest.raises(DataPlaneError, match="no component 'envoy'"):
        plane.restart("envoy", RestartKind.HOT)


@pytest.mark.parametrize("app", ["server", "neighbour"])
def test_a_hot_restart_loses_no_request_and_lets_none_through(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, Backend], app: str
) -> None:
    """Requests one after another on connections that are kept as long as the proxy keeps them."""
    plane.apply(NARROW)
    seen: dict[str, list[int]] = {"/a": [], "/b": []}
    paths = cycle(seen)

    def work() -> None:
        with keep_alive(client, pair_lab.pod(f"shop/{app}")) as connection:
            while connection.sock is not None and not stop.is_set():
                path = next(paths)
                seen[path].append(ask(connection, path).status)

    stop = threading.Event()
    with asking(work):
        plane.restart("proxy", RestartKind.HOT)
        stop.set()
    assert len(seen["/a"]) > 10
    assert {path: set(found) for path, found in seen.items()} == {"/a": {200}, "/b": {403}}
    assert set(backends[app].targets()) == {"/a"}


@pytest.mark.parametrize("app", ["server", "neighbour"])
def test_while_a_proxy_is_down_nothing_passes_it_and_what_is_not_its_own_does(
    plane: Attachment, pair_lab: Lab, client: LabPod, backends: dict[str, object], app: str
) -> None:
    plane.apply([NARROW[app == "neighbour"]])
    other = "neighbour" if app == "server" else "server"
    for (pid,) in pids(plane).values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(pids(plane).values()), "the Envoys are dead")
    with pytest.raises(TimeoutError):
        connected(client, pair_lab.pod(f"shop/{app}"), seconds=0.9)
    assert get(client, pair_lab.pod(f"shop/{other}"), "/b").status == 200
    plane.restart("proxy", RestartKind.COLD)
    assert [get(client, pair_lab.pod(f"shop/{app}"), path).status for path in ("/a", "/b")] == [200, 403]


@pytest.fixture
def lab(pair: Topology) -> Iterator[Lab]:
    with netns.up(pair) as made:
        yield made


def test_leaving_leaves_nothing(lab: Lab) -> None:
    before, files = state(lab), set(lab.folder.iterdir())
    with NodeProxy().attach(lab) as attachment:
        attachment.apply(NARROW)
        assert state(lab) != before
        running = [pid for found in pids(attachment).values() for pid in found]
    assert state(lab) == before
    assert {path for path in set(lab.folder.iterdir()) - files if path.name.startswith("envoy")} == set()
    assert not any(Path(f"/proc/{pid}").exists() for pid in running)
    with NodeProxy().attach(lab):
        pass


@pytest.mark.parametrize("way", [{HOOK: "clsact"}, {HOST_ROUTING: "0"}], ids=["clsact", "through the stack"])
def test_it_works_by_each_way_of_attaching_and_forwarding(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, way: dict[str, str]
) -> None:
    for name, value in way.items():
        monkeypatch.setenv(name, value)
    client = lab.pod("shop/client")
    with (
        NodeProxy().attach(lab) as attachment,
        backend(lab.pod("shop/server")) as server,
        backend(lab.pod("shop/neighbour")) as neighbour,
    ):
        for family in (4, 6):
            attachment.apply(NARROW)
            for each in (server, neighbour):
                assert [get(client, lab.pod(each.name), path, family).status for path in ("/a", "/b")] == [200, 403]
            attachment.apply(())
            for each in (server, neighbour):
                assert get(client, lab.pod(each.name), "/b", family).status == 200
                assert each.targets() == ["/a", "/b"]


def test_pods_do_not_reach_envoy_but_by_redirection(plane: Attachment, pair_lab: Lab, client: LabPod) -> None:
    plane.apply(NARROW)
    listed = client.node.run(["ip", "-brief", "address", "show", "dev", "lo"]).stdout.split()
    own = [text.partition("/")[0] for text in listed[2:] if not text.startswith(("127.", "::1/"))]
    assert {ip_address(text).version for text in own} == {4, 6}
    for address in own:
        with client.entered(), pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, PORT), timeout=SECONDS)


@pytest.mark.parametrize("address", LOOPBACK.values())
def test_who_calls_envoys_own_address_on_the_node_is_hung_up_on(plane: Attachment, client: LabPod, address: str) -> None:
    with client.node.entered():
        connection = socket.create_connection((address, PORT), timeout=SECONDS)
    with connection:
        assert connection.recv(100) == b""


def test_requests_of_an_addresss_next_owner_are_judged_as_its_own(lab: Lab) -> None:
    former = lab.pod("shop/client").pod
    with NodeProxy().attach(lab) as attachment, backend(lab.pod("shop/server")) as server:
        attachment.apply([ingress("server", rule("client", http("/a")), rule("heir", http("/b")))])
        assert get(lab.pod("shop/client"), lab.pod("shop/server"), "/a").status == 200
        lab.remove_pod(former.ref)
        heir = lab.add_pod(Pod("heir", "shop", former.node, {"app": "heir"}, ips=former.ips))
        attachment.pods_changed((heir,), (former,))
        lab.connect("shop/heir")
        assert [get(heir, lab.pod("shop/server"), path).status for path in ("/a", "/b")] == [403, 200]
        assert server.targets() == ["/a", "/b"]


def test_a_backend_whose_address_another_takes_gets_the_next_request(lab: Lab) -> None:
    former = lab.pod("shop/neighbour").pod
    policies = [ingress(app, rule("client", http("/a"))) for app in ("neighbour", "heir")]
    with NodeProxy().attach(lab) as attachment:
        attachment.apply(policies)
        client = lab.pod("shop/client")
        with backend(lab.pod("shop/neighbour")):
            assert get(client, lab.pod("shop/neighbour"), "/a").body == b"shop/neighbour"
        lab.remove_pod(former.ref)
        heir = lab.add_pod(Pod("heir", "shop", former.node, {"app": "heir"}, ips=former.ips))
        attachment.pods_changed((heir,), (former,))
        lab.connect("shop/heir")
        with backend(heir):
            assert get(client, heir, "/a").body == b"shop/heir"


def test_a_killed_harness_leaves_requests_refused_and_nothing_after_the_lab(pair: Topology) -> None:
    ready, told = os.pipe()
    with netns.up(pair) as lab:
        child = os.fork()
        if child == 0:
            with NodeProxy().attach(lab) as attachment:
                attachment.apply(NARROW)
                found = [str(pid) for pids_ in pids(attachment).values() for pid in pids_]
                os.write(told, ",".join(found).encode())
                signal.pause()
            os._exit(1)
        try:
            envoys = [int(number) for number in os.read(ready, 4096).split(b",")]
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        until(lambda: not any(map(started, envoys)), "the Envoys are dead")
        with backend(lab.pod("shop/server")), pytest.raises(TimeoutError):
            connected(lab.pod("shop/client"), lab.pod("shop/server"), seconds=0.9)
