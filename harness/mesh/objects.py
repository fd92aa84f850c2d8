"""Loads a BPF object: its maps, shared with those that exist already, and its programs."""

import ctypes
import os
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.mesh.errors import MeshError
from harness.mesh.libbpf import (
    PRINT_CALLBACK,
    BpfError,
    ObjectOpenOptions,
    ProgramInfo,
    TestRunOptions,
    checked,
    library,
)
from harness.mesh.maps import Map

LOG_SIZE = 16 << 20
LINES_SHOWN = 6


class LoadFailed(MeshError):
    """An object could not be loaded: which, why, the verifier's last words, and the file that has them all."""


@dataclass(frozen=True, slots=True)
class TestRun:
    """What a program did with a packet: its return code, the packet after it, ns a repetition, and the mark that it set."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    code: int
    packet: bytes
    nanoseconds: int
    mark: int


class Program:
    """One loaded program by file descriptor, which it owns."""

    def __init__(self, name: str, fd: int) -> None:
        info = ProgramInfo()
        size = ctypes.c_uint32(ctypes.sizeof(info))
        checked(library().bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size)), f"program {name}: its id")
        self.name = name
        self.fd = fd
        self.id = int(info.id)

    @classmethod
    def pinned(cls, path: Path) -> "Program":
        """The program that is pinned at ``path``."""
        return cls(path.name, checked(library().bpf_obj_get(str(path).encode()), f"program pinned at {path}"))

    def pin(self, path: Path) -> None:
        """Keep it alive at ``path``, on a bpf file system."""
        checked(library().bpf_obj_pin(self.fd, str(path).encode()), f"pin program {self.name} at {path}")

    def close(self) -> None:
        """Give the descriptor back; an attached program lives on."""
        os.close(self.fd)

    def test_run(self, packet: bytes, *, ingress_ifindex: int = 0, gso_size: int = 0, repeat: int = 1) -> TestRun:
        """Run a tc program on a frame, as if it had come in by ``ingress_ifindex``. Nothing is sent anywhere."""
        context = bytearray(192)  # struct __sk_buff
        struct.pack_into("=I", context, 36, ingress_ifindex)
        struct.pack_into("=I", context, 176, gso_size)
        out = ctypes.create_string_buffer(len(packet) + 256)
        frame = ctypes.create_string_buffer(packet, len(packet))
        given = (ctypes.c_char * len(context)).from_buffer(context)
        after = ctypes.create_string_buffer(len(context))
        options = TestRunOptions(
            sz=ctypes.sizeof(TestRunOptions),
            data_in=ctypes.addressof(frame),
            data_size_in=len(packet),
            data_out=ctypes.addressof(out),
            data_size_out=len(out),
            ctx_in=ctypes.addressof(given),
            ctx_size_in=len(context),
            ctx_out=ctypes.addressof(after),
            ctx_size_out=len(after),
            repeat=repeat,
        )
        checked(library().bpf_prog_test_run_opts(self.fd, ctypes.byref(options)), f"test run of {self.name}")
        (mark,) = struct.unpack_from("=I", after, 8)
        return TestRun(int(options.retval), out.raw[: options.data_size_out], int(options.duration), mark)


@dataclass(frozen=True, slots=True)
class BpfObject:
    """A loaded object. Its maps and programs stay open until ``close``."""

    maps: Mapping[str, Map]
    programs: Mapping[str, Program]

    def close(self) -> None:
        """Give all descriptors back."""
        for shared in self.maps.values():
            shared.close()
        for program in self.programs.values():
            program.close()


def load(path: Path, *, shared: Mapping[str, Map] | None = None, log: Path | None = None) -> BpfObject:
    """Load every program of the object file at ``path``.

    A map of the same name in ``shared`` is used instead of a new one. On failure the verifier's whole log goes to
    ``log``; raises LoadFailed.
    """
    said = _listened()
    buffer = ctypes.create_string_buffer(LOG_SIZE)
    options = ObjectOpenOptions(
        sz=ctypes.sizeof(ObjectOpenOptions), kernel_log_buf=ctypes.addressof(buffer), kernel_log_size=LOG_SIZE
    )
    handle = None
    try:
        handle = library().bpf_object__open_file(str(path).encode(), ctypes.byref(options))
        checked(handle, f"open {path.name}")
        for name, pointer in _members(handle, "map"):
            if shared and name in shared:
                checked(library().bpf_map__reuse_fd(pointer, shared[name].fd), f"reuse map {name}")
        checked(library().bpf_object__load(handle), f"load {path.name}")
        return BpfObject(
            {name: Map(name, os.dup(library().bpf_map__fd(at))) for name, at in _members(handle, "map")},
            {name: Program(name, os.dup(library().bpf_program__fd(at))) for name, at in _members(handle, "program")},
        )
    except BpfError as error:
        raise LoadFailed(_explained(error, said, buffer.value.decode(errors="replace"), log)) from None
    finally:
        if handle:
            library().bpf_object__close(handle)


def _members(handle: int, kind: str) -> Iterator[tuple[str, int]]:
    """Name and pointer of each ``map`` or ``program`` of an open object."""
    following = getattr(library(), f"bpf_object__next_{kind}")
    name = getattr(library(), f"bpf_{kind}__name")
    pointer = following(handle, None)
    while pointer:
        yield name(pointer).decode(), pointer
        pointer = following(handle, pointer)


class _Warnings(threading.local):
    """What libbpf warned of in the calling thread: the process has one function to print with, called by whoever loads."""

    def __init__(self) -> None:
        self.said: list[str] = []


_WARNINGS = _Warnings()


def _listened() -> list[str]:
    """What libbpf warns of in this thread from now on, instead of printing it."""
    _listener()
    _WARNINGS.said = []
    return _WARNINGS.said


@cache
def _listener() -> "ctypes._FuncPointer":
    """The function, set once and never given back: other threads may be loading, and libbpf goes on calling it."""
    libc = ctypes.CDLL(None)
    libc.vsnprintf.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p)

    def listen(level: int, form: bytes, arguments: int) -> int:
        if level == 0:
            line = ctypes.create_string_buffer(4096)
            libc.vsnprintf(line, len(line), form, arguments)
            _WARNINGS.said.append(line.value.decode(errors="replace").strip())
        return 0

    listener = PRINT_CALLBACK(listen)
    library().libbpf_set_print(listener)
    return listener


def _explained(error: BpfError, said: list[str], verifier: str, log: Path | None) -> str:
    last = [line for line in verifier.splitlines() if line.strip()][-LINES_SHOWN:] or said[-LINES_SHOWN:]
    text = f"{error}; {' | '.join(last)}" if last else str(error)
    if log:
        with suppress(OSError):
            log.write_text("\n".join(said) + "\n\n" + verifier, encoding="utf-8")
            text += f" (all of it is in {log})"
    return text
