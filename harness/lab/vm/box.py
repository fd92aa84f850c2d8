"""The box: a Debian node for Vagrant, made offline of packages, with all that meshproof needs to run in it.

No partition and no boot loader: the provider starts the kernel beside the image. BusyBox is its init, for systemd takes three
times as long to come up where the processor is interpreted. Kept in the cache under the versions of all that is in it.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.lab.build import ROOT
from harness.lab.command import run
from harness.lab.vm.initrd import DISK, initrd
from harness.lab.vm.kernels import Kernel, kernel
from harness.lab.vm.packages import SUITE, Lists, required, vm_cache
from harness.lab.vm.workfolder import workfolder

FORMAT = 1
GIB = 1 << 30
DISK_BYTES = 4 * GIB
BUILD_SECONDS = 1800.0
NODE_PACKAGES = ("busybox", "kmod", "openssh-server", "procps")
"""Beside those that toxw names: its init, and how Vagrant gets in."""

_INITTAB = """::sysinit:/etc/meshproof-boot
::respawn:/usr/sbin/sshd -D -e
::ctrlaltdel:/bin/busybox poweroff
::shutdown:/bin/busybox umount -a -r
"""
_BOOT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys
mkdir -p /dev/pts /dev/shm; mount -t devpts devpts /dev/pts; mount -t tmpfs shm /dev/shm
mount -o remount,rw /
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp; mkdir -p /run/sshd /run/netns
mount -t cgroup2 none /sys/fs/cgroup; mount -t bpf bpf /sys/fs/bpf; mount -t tracefs tracefs /sys/kernel/tracing
modprobe virtio_net; modprobe virtio_balloon 2>/dev/null
hostname node
ip link set lo up
ip link set eth0 up
busybox udhcpc -q -n -t 40 -T 1 -i eth0 -s /etc/meshproof-address
"""
_ADDRESS = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip address replace "$ip/${mask:-24}" dev "$interface"
[ -z "$router" ] || ip route replace default via "${router%% *}"
"""
_VAGRANTFILE = """# Made by meshproof: how nodes of this box are started.
Vagrant.configure("2") do |config|
  config.ssh.username = "root"
  config.ssh.private_key_path = File.expand_path("../key", __FILE__)
  config.ssh.insert_key = false
  config.ssh.sudo_command = "%c"
  config.vm.provider :libvirt do |libvirt|
    libvirt.kernel = File.expand_path("../vmlinuz", __FILE__)
    libvirt.initrd = File.expand_path("../initrd", __FILE__)
    libvirt.cmd_line = "root=/dev/vda console=ttyS0 quiet panic=-1 mitigations=off net.ifnames=0"
  end
end
"""


@dataclass(frozen=True, slots=True)
class Box:
    """A box that is in the cache. ``version`` tells boxes of other packages apart."""

    name: str
    version: str
    kernel: Kernel
    file: Path


def box_name(kernel_name: str) -> str:
    """As Vagrantfiles call it."""
    return f"meshproof/debian-{kernel_name}"


def box(kernel_name: str, told: Callable[[str], None] = lambda _line: None) -> Box:
    """The box with one of ``kernels.SUITES``, built where the cache lacks it. ``told`` hears what is done. Raises LabError."""
    required(
        [("mmdebstrap", "mmdebstrap"), ("mke2fs", "e2fsprogs"), ("qemu-img", "qemu-utils"), ("ssh-keygen", "openssh-client")]
    )
    fetched = kernel(kernel_name)
    packages = sorted({*run([str(ROOT / "toxw"), "--packages"]).stdout.split(), *NODE_PACKAGES})
    lists = Lists(SUITE)
    versions = lists.versions(*packages)
    made_of = [
        FORMAT,
        fetched.package,
        fetched.version,
        versions,
        _INITTAB,
        _BOOT,
        _ADDRESS,
        _VAGRANTFILE,
        initrd(fetched, DISK).name,
    ]
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]
    file = vm_cache() / f"box-{kernel_name}-{digest}.box"
    if not file.exists():
        _build(fetched, packages, lists.sources, file, told)
    return Box(box_name(kernel_name), digest, fetched, file)


def _build(fetched: Kernel, packages: list[str], sources: Path, file: Path, told: Callable[[str], None]) -> None:
    with workfolder(vm_cache(), "building") as folder:
        root = folder / "root"
        told(f"box: {len(packages)} packages, and what they need (about a minute)")
        run(
            ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", SUITE, str(root), str(sources)],
            seconds=BUILD_SECONDS, ending=30.0,
        )  # fmt: skip
        _furnish(root, fetched, folder)
        told("box: its image (about a minute)")
        image = folder / "image"
        with image.open("wb") as raw:
            raw.truncate(DISK_BYTES)
        run(["mke2fs", "-q", "-t", "ext4", "-d", str(root), str(image)], seconds=BUILD_SECONDS)
        run(["qemu-img", "convert", "-O", "qcow2", "-c", str(image), str(folder / "box.img")], seconds=BUILD_SECONDS)
        metadata = {"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_BYTES // GIB}
        (folder / "metadata.json").write_text(json.dumps(metadata))
        (folder / "Vagrantfile").write_text(_VAGRANTFILE)
        shutil.copy(fetched.image, folder / "vmlinuz")
        shutil.copy(initrd(fetched, DISK), folder / "initrd")
        parts = ["metadata.json", "Vagrantfile", "box.img", "vmlinuz", "initrd", "key"]
        run(["tar", "-C", str(folder), "-cf", str(folder / "box"), *parts], seconds=BUILD_SECONDS)
        (folder / "box").rename(file)


def _furnish(root: Path, fetched: Kernel, folder: Path) -> None:
    """What makes a node of the packages: its init, its kernel's modules, and a key to get in by that is this box's own."""
    (root / "sbin/init").unlink(missing_ok=True)
    (root / "sbin/init").symlink_to("/bin/busybox")
    (root / "etc/inittab").write_text(_INITTAB)
    for name, script in (("meshproof-boot", _BOOT), ("meshproof-address", _ADDRESS)):
        (root / "etc" / name).write_text(script)
        (root / "etc" / name).chmod(0o755)
    shutil.copytree(fetched.modules, root / "lib/modules" / fetched.release, symlinks=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "meshproof box", "-f", str(folder / "key")])
    ssh = root / "root/.ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    (ssh / "authorized_keys").write_bytes((folder / "key.pub").read_bytes())
    with (root / "etc/ssh/sshd_config").open("a") as settings:
        settings.write("\nUseDNS no\nUsePAM no\nPermitRootLogin prohibit-password\n")


def boxes() -> list[Path]:
    """Those in the cache, the oldest first."""
    return sorted(vm_cache().glob("box-*.box"), key=lambda file: file.stat().st_mtime)


def remove_boxes() -> list[Path]:
    """Remove all boxes in the cache, and what Vagrant has unpacked of them in our home of it; what was removed."""
    removed = boxes()
    for file in removed:
        file.unlink()
    for name in ("vagrant", "images", "libvirt"):
        folder = vm_cache() / name
        if folder.exists():
            shutil.rmtree(folder)
            removed.append(folder)
    return removed
