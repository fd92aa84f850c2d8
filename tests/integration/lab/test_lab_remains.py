"""Whatever ends a lab, nothing of it is left, and nothing else is touched."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.lab import cgroups, namespaces, netns, record, removal, sockets
from harness.lab.port import LabError, LabPod
from harness.model.topology import Namespace, Pod, Topology

Left = Callable[[str], list[str]]
Child = Callable[[str], "subprocess.Popen[str]"]

STAGES = ["claimed", "before naming", "before wires", "before pods", "before answers", "up", "removing"]


def small(count: int = 2) -> Topology:
    return Topology("small", ("n1",), (Namespace("shop"),), tuple(Pod(f"p{i}", "shop", "n1") for i in range(count)))


def paused(process: "subprocess.Popen[str]") -> str:
    """The name of the child's lab, when it has come to its pause."""
    assert process.stdout is not None
    words = process.stdout.readline().split()
    assert words[:1] == ["paused"], process.communicate()
    return words[1]


@pytest.mark.parametrize("where", STAGES)
def test_clean_removes_what_a_killed_process_left(child: Child, left: Left, where: str) -> None:
    process = child(where)
    name = paused(process)
    process.kill()
    process.wait()
    assert left(name), "or there is nothing to clean"
    said = netns.clean()
    assert [line for line in said if line.startswith(f"lab {name}: removed ")], said
    assert not left(name)
    assert netns.clean() == []


@pytest.mark.parametrize("where", STAGES)
def test_an_interrupt_leaves_nothing(child: Child, left: Left, where: str) -> None:
    process = child(where)
    name = paused(process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    assert process.returncode != 0
    assert not left(name)


def test_impatience_leaves_nothing_either(child: Child, left: Left) -> None:
    process = child("before pods")
    name = paused(process)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.0002)  # few gaps of a microsecond are missed at this rate
    assert not left(name)


def test_two_labs_at_once_do_not_meet(child: Child, left: Left) -> None:
    first, second = child("up"), child("up")
    names = paused(first), paused(second)
    assert names[0] != names[1]
    assert {each.name for each in netns.labs()} == set(names)
    first.communicate("\n", timeout=30)
    assert first.returncode == 0
    assert not left(names[0])
    pod, other = netns.reopen(names[1]).pods[:2]
    assert len(cgroups.pids(pod.cgroup)) == 1, "the other lab's program still runs"
    assert other.run(["ip", "-br", "link", "show", "eth0"]).stdout.split()[1] == "UP"
    second.communicate("\n", timeout=30)
    assert not left(names[1])


def test_the_lab_of_a_living_process_is_left_unless_all_are_asked_for(child: Child, left: Left) -> None:
    process = child("up")
    name = paused(process)
    assert netns.clean() == [f"lab {name}: left, for process {process.pid} is using it (--all removes it too)"]
    assert left(name)
    (line,) = netns.clean(all_labs=True)
    removed = "removed 1 process, cgroups, bpf file system, 8 network namespaces, files"
    assert line.startswith(f"lab {name}: taken down by process {process.pid}; {removed}")
    assert not left(name)


def test_a_kept_lab_outlives_its_maker_until_it_is_taken_down(child: Child, left: Left) -> None:
    assert child("kept").wait(30) == 0
    (found,) = netns.labs()
    assert (found.kept, found.owner_alive) == (True, False)
    lab = netns.reopen(found.name)
    assert lab.pod("shop/p1").run(["echo", "here"]).stdout == "here\n"
    netns.down(found.name)
    assert not left(found.name)
    with pytest.raises(LabError, match="there is no lab called"):
        netns.reopen(found.name)


def test_clean_takes_nothing_that_only_looks_like_a_labs(child: Child, left: Left, foreign: Callable[[str], Path]) -> None:
    process = child("up")
    name = paused(process)
    alike = [foreign(f"mp-{name}_n1_shop_p9"), foreign("mp-abcdef_n1"), foreign(f"mp-{name}x")]
    group = cgroups.root() / f"meshproof-{name}x"
    group.mkdir()
    try:
        process.kill()
        process.wait()
        netns.clean()
        assert all(path.exists() for path in alike)
        assert group.exists()
        assert {path for path in left(name) if path.startswith("/")} == {str(alike[0]), str(group)}
    finally:
        group.rmdir()


def test_a_name_under_which_something_exists_is_not_taken(
    records: Path, monkeypatch: pytest.MonkeyPatch, foreign: Callable[[str], Path]
) -> None:
    names = iter(["aaaaaa", "bbbbbb"])
    monkeypatch.setattr(record, "free_name", lambda: next(names))
    path = foreign("mp-aaaaaa_n1_shop_p1")
    inode = path.stat().st_ino
    with netns.up(small()) as lab:
        assert lab.name == "bbbbbb"
    assert path.stat().st_ino == inode


def test_a_process_that_others_started_inside_is_named_and_not_killed(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with netns.up(small()) as lab:
        holder = subprocess.Popen(["nsenter", f"--net={lab.pods[0].netns}", "sleep", "1000"])
        try:
            while Path(f"/proc/{holder.pid}/ns/net").stat().st_ino != lab.pods[0].netns.stat().st_ino:
                time.sleep(0.01)
            monkeypatch.setattr(removal, "PATIENCE", 0.3)
            with pytest.raises(LabError, match=rf"process {holder.pid} \(sleep\) holds the network namespace mp-"):
                netns.down(lab.name)
            assert holder.poll() is None
        finally:
            holder.kill()
            holder.wait()


@pytest.mark.parametrize("destroys", [(6, 11), (99, 0)], ids=["by SOCK_DESTROY", "by the sysctl of older kernels"])
def test_connections_that_cannot_end_do_not_keep_their_namespace(
    records: Path, monkeypatch: pytest.MonkeyPatch, destroys: tuple[int, int]
) -> None:
    monkeypatch.setattr(sockets, "DESTROYS_ORPHANS", destroys)
    with netns.up(small()) as lab:
        client, server = lab.pods
        server.start(["iperf3", "-s", "-1"], component="server")
        await_socket(server, "LISTEN")
        stream = client.start(["iperf3", "-c", server.pod.ip(4), "-t", "60"], component="client")
        await_socket(client, "ESTAB")
        server.run(["ip", "link", "set", "eth0", "down"])
        stream.signal(signal.SIGKILL)
        stream.wait(10)
        assert sockets.orphans() > 0
        netns.down(lab.name)  # raises where a namespace stays


def await_socket(pod: LabPod, state: str) -> None:
    deadline = time.monotonic() + 10
    while state not in pod.run(["ss", "-Htan"]).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_full_disk_is_said_and_nothing_is_made(records: Path, left: Left) -> None:
    records.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(records)], check=True)
    try:
        before = set(namespaces.NETNS.iterdir())
        with (
            pytest.raises(LabError, match=r"cannot write the lab's record .*No space left on device; nothing was made"),
            netns.up(small(100)),
        ):
            pass
        assert [path.name for path in records.iterdir()] == [".lock"]
        assert not {path for path in set(namespaces.NETNS.iterdir()) - before if path.name.endswith("_shop_p99")}
    finally:
        namespaces.unmount(records)


def test_an_exception_in_the_body_takes_the_lab_down(records: Path, left: Left) -> None:
    with pytest.raises(ZeroDivisionError), netns.up(small()) as lab:
        raise ZeroDivisionError
    assert not left(lab.name)


def test_a_fault_while_making_takes_down_what_was_made(records: Path, left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netns.Construction, "_await", lambda *_: (_ for _ in ()).throw(OSError(24, "Too many open files")))
    made: list[str] = []
    monkeypatch.setattr(record, "write", lambda each, write=record.write: (made.append(each.name), write(each)))
    with pytest.raises(LabError, match=r"could not be made: .*Too many open files; nothing is left of it"), netns.up(small()):
        pass
    assert made and not left(made[0])


def test_pins_go_with_the_lab(records: Path) -> None:
    with netns.up(small()) as lab:
        (lab.bpffs / "folder").mkdir()
        assert any(f" {lab.bpffs} bpf " in line for line in Path("/proc/self/mounts").read_text().splitlines())
    assert str(lab.bpffs) not in Path("/proc/self/mounts").read_text()
