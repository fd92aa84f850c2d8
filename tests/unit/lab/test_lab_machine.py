"""Facts about the machine."""

import subprocess
from pathlib import Path

import pytest

from harness.lab import cgroups, facts, kernel, machine
from harness.lab.cgroups import CpuUsage, cpu_usage


@pytest.mark.parametrize(
    ("release", "expected"),
    [("6.1.0-18-amd64", (6, 1)), ("6.18.44-fc-v445", (6, 18)), ("6.12-rc3", (6, 12)), ("unheard-of", (0, 0))],
)
def test_kernel_versions_are_read_from_releases(release: str, expected: tuple[int, int]) -> None:
    assert kernel.version(release) == expected


def test_a_tool_that_is_missing_is_said_to_be() -> None:
    assert facts.tool_version("no-such-program-here", "--version") == "not installed"


@pytest.mark.parametrize(("stream", "said"), [("1", "clang version 14.0.6 (x)"), ("2", "nginx version: nginx/14.0.6")])
def test_versions_are_found_on_either_stream_whatever_the_status(stream: str, said: str) -> None:
    assert facts.tool_version("sh", "-c", f"echo '{said}' >&{stream}; exit 1") == "14.0.6"


def test_the_fingerprint_is_text_without_paths_or_this_hosts_name() -> None:
    found = facts.fingerprint()
    assert {
        "commit",
        "kernel",
        "processor",
        "cores",
        "memory",
        "distribution",
        "clock source",
        "virtual machine",
    } <= found.keys()
    node = Path("/proc/sys/kernel/hostname").read_text().strip()
    for name, value in found.items():
        assert isinstance(value, str) and value, name
        assert "/home" not in value and str(Path.cwd()) not in value
        assert node not in value.split(), name


def test_the_fingerprint_does_not_change_by_being_taken() -> None:
    assert facts.fingerprint() == facts.fingerprint()


def test_each_lack_says_what_mends_it_and_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(machine.facts, "libbpf", lambda: "not installed")
    monkeypatch.setattr(machine, "find_spec", lambda _: None)
    monkeypatch.setattr(machine.kernel, "version", lambda: (5, 4))
    monkeypatch.setattr(machine, "BTF", Path("/nonexistent/btf"))
    lacking = {finding.subject: finding for finding in machine.findings() if not finding.ok}
    assert {"root", "kernel", "clang", "nginx", "libbpf", "bcc", "envoy", "kernel types (BTF)"} <= lacking.keys()
    assert all(finding.found and finding.mends and finding.consequence for finding in lacking.values())
    assert lacking["nginx"].mends == "sudo apt-get install nginx-light"


def test_old_kernels_are_told_which_attachment_they_get(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.kernel, "version", lambda: (6, 1))
    found = {finding.subject: finding for finding in machine.findings()}
    assert found["kernel"].ok
    assert found["BPF on links"].found.startswith("clsact")


def test_cpu_usage_is_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 500000\nsystem_usec 1000000\nnr_periods 0\n")
    assert cpu_usage(tmp_path) == CpuUsage(usage=1.5, user=0.5, system=1.0)


def test_cgroup_v2_is_found_beside_version_1(monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n"
    mounts += "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    monkeypatch.setattr(Path, "read_text", lambda _: mounts)
    assert cgroups.root.__wrapped__() == Path("/sys/fs/cgroup/unified")


def test_what_runs_have_written_is_no_change_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*asked: str) -> None:
        said = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *asked]
        subprocess.run(said, check=True, capture_output=True)

    git("init")
    for name in ("code", "results"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("old")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(facts, "_GIT", ("git", "-C", str(tmp_path)))
    clean = facts.commit()
    (tmp_path / "results" / "file").unlink()
    (tmp_path / "results" / "new").write_text("new")
    assert facts.commit() == clean
    (tmp_path / "code" / "file").write_text("new")
    assert facts.commit().startswith(f"{clean} with uncommitted changes")
