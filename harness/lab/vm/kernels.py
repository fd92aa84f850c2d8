"""Kernels that virtual machines run: Debian's own, unpacked into the cache under their packages' versions."""

import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from harness.lab.command import run
from harness.lab.port import LabError
from harness.lab.vm.packages import BACKPORTS, SUITE, Lists, required, vm_cache

SUITES = {"6.1": (SUITE,), "6.12": (BACKPORTS,)}
"""The kernels by name, oldest first, and where Debian has them."""

_TOOLS = {b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x8b": "gzip"}
_SETUP_SECTORS, _PAYLOAD = 0x1F1, 0x248
"""Offsets in a bzImage (Documentation/arch/x86/boot.rst)."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel, its modules and its types. ``name`` is how users call it, ``release`` what uname says in it."""

    name: str
    release: str
    package: str
    version: str
    folder: Path

    @property
    def image(self) -> Path:
        return self.folder / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        return self.folder / "lib/modules" / self.release

    @property
    def btf(self) -> Path:
        """Its types, as /sys/kernel/btf/vmlinux has them when it runs."""
        return self.folder / "vmlinux.btf"


def kernel(name: str) -> Kernel:
    """The kernel called ``name`` (one of ``SUITES``), fetched where it is not in the cache. Raises LabError."""
    if name not in SUITES:
        raise LabError(f"there is no kernel {name!r} for virtual machines; there are {', '.join(SUITES)}")
    required([("depmod", "kmod"), ("dpkg-deb", "dpkg"), ("apt-get", "apt")])
    package, version = Lists(*SUITES[name]).image_package()
    folder = vm_cache() / f"{package}_{version.replace(':', '%3a')}"
    if not folder.exists():
        _fetch(name, package, version, folder)
    return Kernel(name, package.removeprefix("linux-image-"), package, version, folder)


def _fetch(name: str, package: str, version: str, folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}")
    with suppress(FileNotFoundError):
        rmtree(partial)
    Lists(*SUITES[name]).unpacked(package, version, partial)
    release = package.removeprefix("linux-image-")
    run(["depmod", "-b", str(partial), release])
    _write_types(partial / "boot" / f"vmlinuz-{release}", partial)
    partial.rename(folder)


def _write_types(image: Path, folder: Path) -> None:
    """Take the types out of a compressed kernel, so that programs can be built for it where it does not run."""
    elf = folder / "vmlinux"
    _unpack(image.read_bytes(), elf)
    run(["objcopy", "--dump-section", f".BTF={folder / 'vmlinux.btf'}", str(elf), "/dev/null"])
    elf.unlink()


def _unpack(image: bytes, elf: Path) -> None:
    begin, size = struct.unpack_from("<II", image, _PAYLOAD)
    begin += (image[_SETUP_SECTORS] + 1) * 512
    payload = image[begin : begin + size - 4]  # without the kernel's own note of its length
    tool = next((tool for magic, tool in _TOOLS.items() if payload.startswith(magic)), None)
    if tool is None:
        raise LabError(f"the kernel is compressed in a way that is not known here ({payload[:4].hex()})")
    packed = elf.with_name("payload")
    packed.write_bytes(payload)
    run(["sh", "-c", 'exec "$2" -dc <"$0" >"$1"', str(packed), str(elf), tool])
    packed.unlink()
