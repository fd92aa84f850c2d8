"""Programs in pods: where they run, who pays, how they end."""

import os
import signal
import time
from pathlib import Path

import pytest

from harness.lab import cgroups
from harness.lab.port import Lab, LabError, LabPod, Process


@pytest.fixture
def client(pair_lab: Lab) -> LabPod:
    return pair_lab.pod("shop/client")


def awaited(process: Process, text: str) -> str:
    """The program's log as soon as it holds ``text``."""
    deadline = time.monotonic() + 10
    while text not in (said := process.log.read_text()):
        assert time.monotonic() < deadline, said
        time.sleep(0.01)
    return said


def test_a_command_runs_in_the_pods_namespace_and_its_components_cgroup(client: LabPod) -> None:
    done = client.run(["sh", "-c", "readlink /proc/self/ns/net; cat /proc/self/cgroup"], component="probe")
    namespace, *rest = done.stdout.splitlines()
    assert namespace == f"net:[{client.netns.stat().st_ino}]"
    own = next(line for line in rest if line.startswith("0::"))
    assert cgroups.root() / own.removeprefix("0::/") == client.component_cgroup("probe")


def test_the_caller_stays_where_it_was(client: LabPod) -> None:
    before = Path("/proc/thread-self/ns/net").stat().st_ino
    client.run(["true"])
    with pytest.raises(ZeroDivisionError), client.entered():
        assert Path("/proc/thread-self/ns/net").stat().st_ino == client.netns.stat().st_ino
        raise ZeroDivisionError
    assert Path("/proc/thread-self/ns/net").stat().st_ino == before
    assert os.getpid() not in cgroups.pids(client.cgroup)


def test_a_program_is_billed_from_its_start(client: LabPod) -> None:
    process = client.start(["sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"], component="burner")
    assert process.wait(30) == 0
    used = cgroups.cpu_usage(client.component_cgroup("burner"))
    assert used.usage > 0.01
    assert used.usage == pytest.approx(used.user + used.system, abs=0.01)


def test_status_and_both_streams_are_kept_apart(client: LabPod) -> None:
    done = client.run(["sh", "-c", "cat; echo bad >&2; exit 3"], stdin="good", check=False)
    assert (done.status, done.stdout, done.stderr) == (3, "good", "bad\n")


def test_a_failure_names_pod_command_status_and_what_was_said(client: LabPod) -> None:
    with pytest.raises(LabError, match=r"pod shop/client: sh -c echo no >&2; exit 3 failed with status 3: no"):
        client.run(["sh", "-c", "echo no >&2; exit 3"])


@pytest.mark.parametrize("way", ["run", "start"])
def test_a_missing_program_is_named(client: LabPod, way: str) -> None:
    with pytest.raises(LabError, match="pod shop/client: no-such-program is not installed"):
        client.run(["no-such-program"]) if way == "run" else client.start(["no-such-program"], component="x")


def test_a_command_that_does_not_end_is_killed_with_its_children(client: LabPod) -> None:
    with pytest.raises(LabError, match=r"sh did not end within 0.2 s"):
        client.run(["sh", "-c", "sleep 1000 & sleep 1000"], component="slow", seconds=0.2)
    cgroups.kill(client.component_cgroup("slow"))  # returns when the kernel has finished with what was killed
    assert cgroups.pids(client.component_cgroup("slow")) == []


def test_a_program_can_be_somebody_else(client: LabPod) -> None:
    done = client.run(["sh", "-c", "id -u; id -g; id -G"], uid=1337, gid=1338)
    assert done.stdout.split() == ["1337", "1338", "1338"]
    process = client.start(["id", "-u"], component="other", uid=1337)
    assert process.wait(10) == 0
    assert process.log.read_text() == "1337\n"


def test_others_can_pass_through_the_labs_folder(pair_lab: Lab, client: LabPod) -> None:
    file = pair_lab.folder / "readable"
    file.write_text("text")
    assert client.run(["cat", str(file)], uid=1337, gid=1337).stdout == "text"


def test_a_stopped_program_leaves_no_children(client: LabPod) -> None:
    process = client.start(["sh", "-c", "sleep 1000 & echo ready; wait"], component="parent")
    awaited(process, "ready")
    assert len(cgroups.pids(client.component_cgroup("parent"))) == 2
    process.stop()
    assert process.poll() == -signal.SIGTERM
    cgroups.kill(client.component_cgroup("parent"))
    assert cgroups.pids(client.component_cgroup("parent")) == []


def test_a_program_that_will_not_end_is_killed(client: LabPod) -> None:
    process = client.start(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"], component="stubborn")
    awaited(process, "ready")
    process.stop(grace=0.2)
    assert process.poll() == -signal.SIGKILL
    process.stop()  # once more does no harm


def test_waiting_is_bounded(client: LabPod) -> None:
    process = client.start(["sleep", "1000"], component="sleeper")
    with pytest.raises(TimeoutError, match=r"did not end within 0\.1 s"):
        process.wait(0.1)
    process.stop()


def test_each_start_has_a_log_of_its_own(client: LabPod) -> None:
    first, second = (client.start(["echo", text], component="echo") for text in ("one", "two"))
    assert (first.wait(10), second.wait(10)) == (0, 0)
    assert (first.log.read_text(), second.log.read_text()) == ("one\n", "two\n")


def test_a_process_can_become_a_program_of_the_pod(client: LabPod) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 1)
        try:
            client.become(["sh", "-c", "readlink /proc/self/ns/net; exit 7"], component="exec")
        finally:
            os._exit(99)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == f"net:[{client.netns.stat().st_ino}]\n"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_component_cannot_be_named_as_a_pod_is(pair_lab: Lab) -> None:
    with pytest.raises(LabError, match="cannot name a component"):
        pair_lab.node("n1").component_cgroup("shop_client")
