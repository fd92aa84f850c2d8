"""Programs of ours that are compiled where they run: C for this machine, BPF for this kernel.

Outputs are kept in a cache folder under a name made of everything that they depend on, so that a source,
a header, a flag or a kernel that changed is never met by a stale binary.
"""

import hashlib
import os
import platform
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from harness.lab.command import run

BTF = Path("/sys/kernel/btf/vmlinux")
ROOT = Path(__file__).resolve().parents[2]
BPF_SOURCES = ROOT / "bpf"


def cache_folder() -> Path:
    """Where compiled programs are kept: ``$XDG_CACHE_HOME/meshproof`` or ``~/.cache/meshproof``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "meshproof"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _digest(parts: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def _partial(target: Path) -> Path:
    """Where ``target`` is written before it is renamed: a name that no other process or thread writes to."""
    return target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}")


def _built(target: Path, argv: Sequence[str]) -> Path:
    """Run the compiler into a temporary name and rename: two runs at once never see half a file."""
    if not target.exists():
        partial = _partial(target)
        run([*argv, "-o", str(partial)])
        partial.rename(target)
    return target


def c_program(source: Path, *libraries: str) -> Path:
    """The executable made from one C file and the headers beside it, linked with ``libraries``.

    Raises LabError with the compiler's words.
    """
    flags = ["-O2", "-g", "-std=gnu11", "-Wall", "-Wextra", "-Werror"]
    headers = [header.read_bytes() for header in sorted(source.parent.glob("*.h"))]
    name = _digest([source.read_bytes(), *headers, repr((flags, libraries)).encode(), platform.machine().encode()])
    target = cache_folder() / f"{source.stem}-{name}"
    return _built(target, ["gcc", *flags, str(source), *(f"-l{library}" for library in libraries)])


@cache
def _types(btf: Path) -> bytes:
    return btf.read_bytes()


def vmlinux_header(btf: Path = BTF) -> Path:
    """A folder that holds ``vmlinux.h`` of the kernel whose types are in ``btf``, for CO-RE programs; the running one's."""
    folder = cache_folder() / f"vmlinux-{_digest([_types(btf)])}"
    header = folder / "vmlinux.h"
    if not header.exists():
        folder.mkdir(exist_ok=True)
        partial = _partial(header)
        partial.write_text(run(["bpftool", "btf", "dump", "file", str(btf), "format", "c"]).stdout)
        partial.rename(header)
    return folder


def kernel_defines(btf: Path = BTF) -> tuple[str, ...]:
    """What bpf/ asks by ``#ifdef`` of the kernel whose types are in ``btf``: which of its functions programs may call."""
    return () if b"\0bpf_rdonly_cast\0" in _types(btf) else ("NO_RDONLY_CAST",)


def bpf_object(source: Path, *defines: str, btf: Path = BTF) -> Path:
    """The BPF object made from one ``.bpf.c`` file; ``defines`` are ``NAME=VALUE``. Raises LabError with clang's words.

    It is for the kernel whose types are in ``btf``: one that runs elsewhere finds it in the same cache.
    """
    headers = sorted(BPF_SOURCES.glob("*.h"))
    include = vmlinux_header(btf)
    flags = ["-g", "-O2", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3", f"-D__TARGET_ARCH_{_bpf_architecture()}"]
    flags += [f"-D{define}" for define in (*kernel_defines(btf), *defines)]
    contents = [source.read_bytes(), *(header.read_bytes() for header in headers)]
    name = _digest([*contents, repr(flags).encode(), include.name.encode()])
    target = cache_folder() / f"{source.name.removesuffix('.bpf.c')}-{name}.bpf.o"
    return _built(target, ["clang", *flags, f"-I{include}", f"-I{BPF_SOURCES}", "-c", str(source)])


def _bpf_architecture() -> str:
    return {"x86_64": "x86", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
