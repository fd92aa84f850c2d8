"""Small initial file systems: the few modules and commands that a guest needs to find its files, and go there."""

import gzip
import hashlib
import lzma
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.lab.port import LabError
from harness.lab.vm.kernels import Kernel
from harness.lab.vm.packages import vm_cache

BUSYBOX = Path("/bin/busybox")


@dataclass(frozen=True, slots=True)
class Way:
    """How a guest comes to its files: by which modules of the kernel, and which commands."""

    modules: tuple[str, ...]
    script: str


_BEGIN = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for module in $(cat /modules); do insmod /mod/$module || echo "meshproof: insmod $module failed"; done
"""
THIS_MACHINE = Way(
    ("virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_net"),
    """by9p=trans=virtio,version=9p2000.L,msize=524288
mkdir -p /lower /memory /new
mount -t 9p -o $by9p,ro,cache=loose host /lower || echo "meshproof: no 9p"
mount -t tmpfs memory /memory; mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/lower,upperdir=/memory/upper,workdir=/memory/work overlay /new || echo "meshproof: no overlay"
mkdir -p /new/job /new/usr/lib/modules
mount -t 9p -o $by9p job /new/job
mount --bind "/new$(sed 's/.*meshproof.modules=\\([^ ]*\\).*/\\1/' /proc/cmdline)" /new/usr/lib/modules
mount -t tmpfs tmpfs /new/run; mount -t tmpfs tmpfs /new/tmp
mount --move /proc /new/proc; mount --move /sys /new/sys; mount --move /dev /new/dev
mkdir -p /new/dev/pts /new/dev/shm; mount -t devpts devpts /new/dev/pts; mount -t tmpfs shm /new/dev/shm
mount -t cgroup2 none /new/sys/fs/cgroup; mount -t bpf bpf /new/sys/fs/bpf; mount -t tracefs tracefs /new/sys/kernel/tracing
exec switch_root /new /job/init
""",
)
"""This machine's files by 9p, read only, under an overlay of memory: a guest has each of its programs, at the same paths, and
writes to nothing but the job's folder."""

DISK = Way(
    ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4"),
    """mkdir -p /new
mount -t ext4 /dev/vda /new || echo "meshproof: no disk"
umount /proc /sys; mount --move /dev /new/dev
exec switch_root /new /sbin/init
""",
)
"""A disk of its own."""

_NEWC = "070701" + "{:08X}" * 13
_DIRECTORY, _PROGRAM, _FILE = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755, stat.S_IFREG | 0o644


def initrd(kernel: Kernel, way: Way) -> Path:
    """The one for ``kernel``, made where it is not in the cache. Raises LabError."""
    try:
        busybox = BUSYBOX.read_bytes()
    except FileNotFoundError:
        raise LabError(f"{BUSYBOX} is not there: install it by `sudo apt-get install busybox-static`") from None
    modules = dict(_modules(kernel, way.modules))
    files = {
        **dict.fromkeys(("bin", "dev", "mod", "proc", "sys")),
        "init": (_PROGRAM, (_BEGIN + way.script).encode()),
        "bin/busybox": (_PROGRAM, busybox),
        "modules": (_FILE, "\n".join(modules).encode()),
        **{f"mod/{name}": (_FILE, content) for name, content in modules.items()},
    }
    archive = _archive(files)
    target = vm_cache() / f"initrd-{hashlib.sha256(archive).hexdigest()[:16]}"
    if not target.exists():
        partial = target.with_suffix(".partial")
        partial.write_bytes(gzip.compress(archive, 1, mtime=0))
        partial.rename(target)
    return target


def _modules(kernel: Kernel, modules: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Those of ``modules`` that are not built in, and what they need before them."""
    needs = {}
    for line in (kernel.modules / "modules.dep").read_text(encoding="ascii").splitlines():
        path, _, before = line.partition(":")
        needs[path] = before.split()
    named = {re.sub(r"\.ko(\.xz)?$", "", Path(path).name).replace("-", "_"): path for path in needs}
    done = set()
    for wanted in filter(named.__contains__, modules):
        for path in (*reversed(needs[named[wanted]]), named[wanted]):
            if path not in done:
                done.add(path)
                content = (kernel.modules / path).read_bytes()
                yield Path(path).name.removesuffix(".xz"), lzma.decompress(content) if path.endswith(".xz") else content


def _archive(files: Mapping[str, tuple[int, bytes] | None]) -> bytes:
    """As cpio(5) writes it ("newc"), which the kernel unpacks; None is a folder."""
    written = bytearray()
    for number, (name, held) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))], start=1):
        mode, content = (_DIRECTORY, b"") if held is None else held
        head = _NEWC.format(number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        for part in (head.encode() + name.encode() + b"\0", content):
            written += part + bytes(-(len(written) + len(part)) % 4)
    return bytes(written)
