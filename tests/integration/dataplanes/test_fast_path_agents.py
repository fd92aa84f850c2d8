"""Agents of the fast path are processes with a cost of their own; when one dies, only the answers under way are lost."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import IncompleteRead, RemoteDisconnected

import pytest
from accepting import accepting, listening
from fast_clients import PORT, Connection, counted, settled
from halting_backend import HALF, LONG, Halting
from http_ends import SECONDS, ask
from request_policies import http, ingress, rule

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.dataplanes.port import DataPlaneError, RestartKind
from harness.lab import cgroups, netns
from harness.lab.port import Lab, LabPod
from harness.lab.processes import started
from harness.mesh.l7 import PINS
from harness.model.topology import Pod, Topology

PLANE = EbpfL7()
AGENT = "l7-agent"
ROUNDS, CLIENTS = 6, 8


@pytest.fixture(scope="module", params=["neighbour", "server"])
def app(request: pytest.FixtureRequest) -> str:
    """On the client's node, and on the other."""
    return str(request.param)


@pytest.fixture(scope="module")
def backend(pair_lab: Lab, app: str) -> Iterator[Halting]:
    with accepting(Halting(listening(pair_lab.pod(f"shop/{app}"), PORT))) as served:
        yield served


@pytest.fixture(scope="module")
def attached(pair_lab: Lab, backend: Halting) -> Iterator[EbpfL7Attachment]:
    with PLANE.attach(pair_lab) as attachment:
        assert isinstance(attachment, EbpfL7Attachment)
        yield attachment


@pytest.fixture
def plane(attached: EbpfL7Attachment, backend: Halting, app: str) -> Iterator[EbpfL7Attachment]:
    attached.apply([ingress(app, rule("client", http("/public/.*"), port=PORT))])
    backend.seen.clear()
    backend.asked.clear()
    backend.go.clear()
    yield attached
    backend.go.set()


@pytest.fixture
def server(pair_lab: Lab, app: str) -> LabPod:
    return pair_lab.pod(f"shop/{app}")


@contextmanager
def opened(client: LabPod, server: LabPod) -> Iterator[Connection]:
    connection = Connection(client, server)
    try:
        yield connection
    finally:
        connection.close()


def pids(plane: EbpfL7Attachment) -> list[int]:
    return [pid for part in plane.components() if part.name == AGENT for pid in part.pids]


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 4 * SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {4 * SECONDS} s: {what}"
        time.sleep(0.01)


def kill(plane: EbpfL7Attachment) -> set[int]:
    """Every agent, at once; returns when they are dead."""
    dead = set(pids(plane))
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(started, dead)), "the agents have died")
    return dead


def replaced(plane: EbpfL7Attachment, lab: Lab, dead: set[int]) -> None:
    def are_others() -> bool:
        found = set(pids(plane))
        return len(found) == len(lab.nodes) and not found & dead

    until(are_others, "other agents have followed")


def under_way(connection: Connection, plane: EbpfL7Attachment, backend: Halting, target: str) -> dict[str, int]:
    """Ask for ``target`` by the fast path; returns, when the backend has done what it does at once, the counts of before."""
    settled(plane, connection)
    before = plane.path_counts()
    backend.asked.clear()
    connection.request("GET", target)
    assert backend.asked.wait(SECONDS)
    assert counted(plane, before)["fast"] == 1
    return before


def test_agents_are_components_in_cgroups_of_their_own(plane: EbpfL7Attachment, pair_lab: Lab) -> None:
    found = {part.place: part.pids for part in plane.components() if part.name == AGENT}
    assert found.keys() == set(pair_lab.nodes)
    for node in pair_lab.nodes:
        cgroup = node.component_cgroup(AGENT)
        assert cgroups.pids(cgroup) == list(found[node])
        assert len(found[node]) == 1
        assert cgroups.cpu_usage(cgroup).usage > 0


def test_requests_go_on_when_agents_die_that_have_nothing_to_do(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, server: LabPod, backend: Halting
) -> None:
    with opened(client, server) as first, opened(client, server) as second:
        for each in (first, second):
            settled(plane, each)
        backend.seen.clear()
        dead = kill(plane)
        targets = [f"/public/{number}" for number in range(30)]
        assert [ask(each, target).body.decode() for target in targets for each in (first, second)] == [
            target for target in targets for _ in range(2)
        ]
        assert [ask(first, "/private").status, ask(second, "/private").status] == [403, 403]
        assert [target.decode() for target in backend.seen] == [target for target in targets for _ in range(2)]
        replaced(plane, pair_lab, dead)
        for each in (first, second):
            settled(plane, each)


@pytest.mark.parametrize("target", ["/public/chunks", "/public/endless"])
def test_an_answer_that_an_agent_was_relaying_ends_with_it_and_no_other(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, server: LabPod, backend: Halting, target: str
) -> None:
    with opened(client, server) as broken, opened(client, server) as other:
        settled(plane, other)
        before = under_way(broken, plane, backend, target)
        response = broken.getresponse()
        assert response.read(5) == b"begun"
        assert counted(plane, before)["relayed"] == 1
        dead = kill(plane)
        with pytest.raises(IncompleteRead) as ended:
            response.read()
        assert ended.value.partial == b""
        backend.go.set()
        assert ask(other, "/public/on").body == b"/public/on"
        replaced(plane, pair_lab, dead)
        settled(plane, other)
    with opened(client, server) as again:
        before = under_way(again, plane, backend, "/public/chunks")
        assert again.getresponse().read() == b"begunrest"
        assert counted(plane, before)["relayed"] == 1
        settled(plane, again)


def test_a_client_that_reads_slowly_gets_a_part_of_a_long_answer(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, server: LabPod, backend: Halting
) -> None:
    with opened(client, server) as broken:
        before = under_way(broken, plane, backend, "/public/long")
        response = broken.getresponse()
        got = response.read(100_000)
        assert counted(plane, before)["relayed"] == 1
        replaced(plane, pair_lab, kill(plane))
        with pytest.raises((IncompleteRead, ConnectionResetError)) as ended:
            response.read()
        if isinstance(ended.value, IncompleteRead):
            got += ended.value.partial
        assert LONG.startswith(got)
        assert len(got) < len(LONG)


def test_a_request_that_was_not_answered_yet_ends_with_the_connection(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, server: LabPod, backend: Halting
) -> None:
    with opened(client, server) as broken, opened(client, server) as other:
        settled(plane, other)
        under_way(broken, plane, backend, "/public/late")
        dead = kill(plane)
        with pytest.raises((RemoteDisconnected, ConnectionResetError)):
            broken.getresponse()
        assert ask(other, "/public/on").body == b"/public/on"
        backend.go.set()
        replaced(plane, pair_lab, dead)
        settled(plane, other)
        assert backend.seen.count(b"/public/late") == 1


def test_half_an_answer_stays_half_an_answer(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, server: LabPod, backend: Halting
) -> None:
    with opened(client, server) as broken:
        under_way(broken, plane, backend, "/public/half")
        response = broken.getresponse()
        assert response.read(HALF) == b"a" * HALF
        dead = kill(plane)
        replaced(plane, pair_lab, dead)
        with pytest.raises((IncompleteRead, ConnectionResetError)) as ended:
            response.read()
        if isinstance(ended.value, IncompleteRead):
            assert ended.value.partial == b""


@pytest.mark.parametrize("how", [RestartKind.COLD, RestartKind.KILL])
def test_restarted_agents_are_other_processes_and_requests_are_fast_again(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod, how: RestartKind
) -> None:
    with opened(client, server) as connection:
        settled(plane, connection)
        before = set(pids(plane))
        plane.restart(AGENT, how)
        after = set(pids(plane))
        assert len(after) == len(before)
        assert not after & before
        settled(plane, connection)
    with pytest.raises(DataPlaneError, match="restart it cold"):
        plane.restart(AGENT, RestartKind.HOT)


@pytest.mark.parametrize("target", ["/public/late", "/public/half", "/public/chunks"])
def test_a_cold_restart_waits_for_answers_under_way(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod, backend: Halting, target: str
) -> None:
    with opened(client, server) as connection:
        under_way(connection, plane, backend, target)
        restart = threading.Thread(target=plane.restart, args=(AGENT, RestartKind.COLD))
        restart.start()
        backend.go.set()
        body = connection.getresponse().read()
        restart.join()
        assert body in (b"late", b"a" * HALF + b"b" * HALF, b"begunrest")
        settled(plane, connection)


def test_a_policy_that_is_applied_while_agents_die_is_in_force(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod, backend: Halting, app: str
) -> None:
    before = [ingress(app, rule("client", http("/public/.*"), port=PORT))]
    after = [ingress(app, rule("client", http("/other"), port=PORT))]
    with opened(client, server) as connection:
        for number in range(6):
            settled(plane, connection)
            backend.seen.clear()
            killer = threading.Timer(0.02 * number, kill, (plane,))
            killer.start()
            plane.apply(after)
            found = [ask(connection, target).status for target in ("/public/revoked", "/other", "/public/revoked")]
            assert found == [403, 200, 403]
            assert set(backend.seen) == {b"/other"}
            killer.join()
            plane.apply(before)


def test_each_client_loses_at_most_one_answer_of_each_dead_agent(
    plane: EbpfL7Attachment, pair_lab: Lab, client: LabPod, server: LabPod, backend: Halting
) -> None:
    ended, wrong, lost = threading.Event(), [], []
    backend.go.set()

    def work(name: int) -> None:
        chance, number, connection = random.Random(name), 0, Connection(client, server)
        while not ended.is_set():
            number += 1
            if number % 10 == 0:  # one that had chunks by way of the proxy stays the proxy's
                connection.close()
                connection = Connection(client, server)
            target = f"/{chance.choice(['public', 'public', 'public/chunks', 'private'])}/{name}/{number}"
            expected = {"public/c": (200, b"begunrest"), "private/": (403, b"Access denied\r\n")}
            try:
                connection.request("GET", target)
                response = connection.getresponse()
                got = response.status, response.read()
            except (RemoteDisconnected, IncompleteRead, ConnectionResetError, BrokenPipeError):
                lost.append(target)
                connection.close()
                connection = Connection(client, server)
                continue
            except TimeoutError:
                wrong.append((target, "nothing came"))
                return
            if got != expected.get(target[1:9], (200, target.encode())):
                wrong.append((target, got))
                return
        connection.close()

    before = plane.path_counts()
    threads = [threading.Thread(target=work, args=(name,)) for name in range(CLIENTS)]
    for each in threads:
        each.start()
    try:
        for _ in range(ROUNDS):
            found = plane.path_counts()
            until(lambda found=found: counted(plane, found).get("fast", 0) > 20, "requests are fast")  # type: ignore[misc]
            replaced(plane, pair_lab, kill(plane))
    finally:
        ended.set()
        for each in threads:
            each.join()
    assert not wrong
    assert len(lost) <= ROUNDS * CLIENTS
    assert counted(plane, before)["relayed"] > 0
    assert not [target for target in backend.seen if target.startswith(b"/private")]
    assert set(Counter(target for target in backend.seen if target != b"/public/").values()) == {1}, "none is asked twice"


def test_an_agent_finds_the_connections_of_a_proxy_that_took_over(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod, backend: Halting
) -> None:
    plane.restart("proxy", RestartKind.HOT)
    backend.go.set()
    with opened(client, server) as connection:
        before = under_way(connection, plane, backend, "/public/chunks")
        assert connection.getresponse().read() == b"begunrest"
        assert counted(plane, before)["relayed"] == 1


def test_an_addresss_next_owner_is_judged_as_its_own_by_the_fast_path(pair: Topology) -> None:
    """The agent forgets whom it has opened connections for."""
    allowed = [ingress("neighbour", rule("client", http("/public/.*"), port=PORT), rule("heir", http("/public/"), port=PORT))]
    with netns.up(pair) as lab, PLANE.attach(lab) as attachment:
        assert isinstance(attachment, EbpfL7Attachment)
        attachment.apply(allowed)
        former, neighbour = lab.pod("shop/client").pod, lab.pod("shop/neighbour")
        with accepting(Halting(listening(neighbour, PORT))) as backend:
            with opened(lab.pod("shop/client"), neighbour) as connection:
                settled(attachment, connection)
            lab.remove_pod(former.ref)
            heir = lab.add_pod(Pod("heir", "shop", former.node, {"app": "heir"}, ips=former.ips))
            attachment.pods_changed((heir,), (former,))
            lab.connect("shop/heir")
            backend.seen.clear()
            with opened(heir, neighbour) as connection:
                settled(attachment, connection)
                assert ask(connection, "/public/client").status == 403
            assert set(backend.seen) == {b"/public/"}


def test_detached_nothing_of_the_agents_is_left(pair: Topology) -> None:
    with netns.up(pair) as lab:
        with PLANE.attach(lab) as attachment:
            assert isinstance(attachment, EbpfL7Attachment)
            assert len(pids(attachment)) == len(lab.nodes)
        for node in lab.nodes:
            assert not cgroups.pids(node.component_cgroup(AGENT))
            assert not (lab.bpffs / f"{PINS}-{node.name}").exists()


def test_agents_end_when_the_harness_is_killed(pair: Topology) -> None:
    ready, told = os.pipe()
    with netns.up(pair) as lab:
        child = os.fork()
        if child == 0:
            with PLANE.attach(lab) as attachment:
                assert isinstance(attachment, EbpfL7Attachment)
                os.write(told, ",".join(map(str, pids(attachment))).encode())
                signal.pause()
            os._exit(1)
        try:
            agents = [int(number) for number in os.read(ready, 4096).split(b",")]
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        until(lambda: not any(map(started, agents)), "the agents have ended")
