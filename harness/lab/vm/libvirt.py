"""A libvirt of our own: it sees its own configuration, network and processes, and all of it ends with it.

Nothing of the machine's libvirt is touched, whether there is one or not. Domains, networks and the processes for them live in a
mount, a network and a process namespace; when the first process of those ends, by our hand or the kernel's, all of them do.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.lab.build import ROOT
from harness.lab.port import LabError
from harness.lab.vm.packages import required, vm_cache
from harness.lab.vm.qemu import acceleration

START_SECONDS = 60.0
_POLL = 0.1
_QEMU_CONF = """user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
"""
_LIBVIRTD_CONF = 'auth_unix_ro = "none"\nauth_unix_rw = "none"\n'
# Where KVM is not to be used it is hidden: libvirt asks it what it can do, and waits half a minute where it hangs. The shell
# stays, for the first process of a namespace has to reap what others leave: libvirt waits for those that it has ended.
_INSIDE = """set -e
for folder in etc run lib log; do mkdir -p "$0/$folder"; done
mkdir -p "$1/images" "$1/libvirt"
mount --bind "$0/etc" /etc/libvirt
mkdir -p /run/libvirt; mount --bind "$0/run" /run/libvirt
mount --bind "$0/log" /var/log/libvirt
mount --bind "$1/libvirt" /var/cache/libvirt
mount --bind "$0/lib" /var/lib/libvirt
mkdir -p /var/lib/libvirt/images; mount --bind "$1/images" /var/lib/libvirt/images
[ "$2" = kvm ] || [ ! -e /dev/kvm ] || mount --bind /dev/null /dev/kvm
ip link set lo up
/usr/sbin/libvirtd --pid-file "$0/libvirtd.pid" &
wait $!
"""
PROGRAMS = (
    ("libvirtd", "libvirt-daemon-system"),
    ("dnsmasq", "dnsmasq-base"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("unshare", "util-linux"),
)


class Libvirt:
    """One that runs. ``inside`` makes a command of one that sees it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def inside(self, argv: Sequence[str]) -> list[str]:
        """``argv`` made to run in its namespaces."""
        # A mount namespace is entered at its own root, which is not that of who runs in a changed one.
        spaces = ["--mount", "--net", "--pid", "--root"]
        return ["nsenter", "--target", str(self._pid), *spaces, f"--wd={ROOT}", "--", *argv]

    def end(self) -> None:
        """Have all that is in its namespaces end."""
        os.kill(self._pid, signal.SIGKILL)


@contextmanager
def libvirt(folder: Path) -> Iterator[Libvirt]:
    """One with its configuration in ``folder``; left, it is gone, and its domains. Images are kept in the cache.

    Raises LabError where it does not come up.
    """
    required(PROGRAMS)
    for name, text in (("qemu.conf", _QEMU_CONF), ("libvirtd.conf", _LIBVIRTD_CONF)):
        path = folder / "etc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    log = folder / "libvirtd.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [
                "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", f"--propagation={_propagation()}",
                "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
                "sh", "-c", _INSIDE, str(folder), str(vm_cache()), acceleration(),
            ],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    try:
        yield Libvirt(_await(process, folder, log))
    finally:
        process.kill()
        process.wait()


def _propagation() -> str:
    """How a mount namespace of ours begins: apart from the machine's.

    In a changed root folder that is no mount point nothing can be set for what it is part of; whoever made such a root decides.
    """
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    return "private" if any(line.split()[4] == "/" for line in mounts) else "unchanged"


def _await(process: subprocess.Popen[bytes], folder: Path, log: Path) -> int:
    """The number of the first process of its namespaces, when it answers."""
    deadline = time.monotonic() + START_SECONDS
    while not (folder / "run/libvirt-sock").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            said = " | ".join(log.read_text(errors="replace").splitlines()[-3:]) or "it said nothing"
            raise LabError(f"libvirtd did not come up within {START_SECONDS:g} s: {said}")
        time.sleep(_POLL)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    if not children:
        raise LabError("libvirtd ended as soon as it had come up")
    return int(children[0])
