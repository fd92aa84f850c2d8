"""The functions of libbpf that meters call, with their C signatures (bpf/btf.h and bpf/bpf.h of libbpf 1.x)."""

import ctypes
import os
from contextlib import ExitStack
from functools import cache

from harness.meters.port import MeterError

_SIGNATURES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "btf__load_vmlinux_btf": (ctypes.c_void_p, ()),
    "btf__find_by_name_kind": (ctypes.c_int32, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32)),
    "btf__type_by_id": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_uint32)),
    "btf__name_by_offset": (ctypes.c_char_p, (ctypes.c_void_p, ctypes.c_uint32)),
    "btf__free": (None, (ctypes.c_void_p,)),
    "bpf_enable_stats": (ctypes.c_int, (ctypes.c_int,)),
    "bpf_prog_get_fd_by_id": (ctypes.c_int, (ctypes.c_uint32,)),
    "bpf_map_get_fd_by_id": (ctypes.c_int, (ctypes.c_uint32,)),
    "bpf_obj_get_info_by_fd": (ctypes.c_int, (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)),
}


@cache
def library() -> ctypes.CDLL:
    """libbpf; raises MeterError where it cannot be loaded."""
    try:
        loaded = ctypes.CDLL("libbpf.so.1")
    except OSError as error:
        raise MeterError(f"libbpf cannot be loaded ({error}); install libbpf1") from None
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


class ProgramInfo(ctypes.Structure):
    """The head of ``struct bpf_prog_info`` (linux/bpf.h); what no meter reads is left out as bytes."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("_before_maps", ctypes.c_uint8 * 48),
        ("nr_map_ids", ctypes.c_uint32),
        ("map_ids", ctypes.c_uint64),
        ("name", ctypes.c_char * 16),
        ("_before_run_time", ctypes.c_uint8 * 112),
        ("run_time_ns", ctypes.c_uint64),
        ("run_cnt", ctypes.c_uint64),
    )


def checked(result: int, doing: str) -> int:
    """``result`` where it is no error; raises MeterError saying what was being done."""
    if result < 0:
        raise MeterError(f"{doing}: {os.strerror(-result)}")
    return result


def program_info(fd: int, maps: int = 0) -> tuple[ProgramInfo, list[int]]:
    """What the kernel says of a program, and the ids of at most ``maps`` of its maps."""
    ids = (ctypes.c_uint32 * maps)()
    info = ProgramInfo(nr_map_ids=maps, map_ids=ctypes.addressof(ids) if maps else 0)
    size = ctypes.c_uint32(ctypes.sizeof(info))
    checked(library().bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size)), "asking about a BPF program")
    return info, list(ids[: info.nr_map_ids])


class Held:
    """File descriptors of programs and maps: what is held is not gone when a data plane replaces it."""

    def __init__(self) -> None:
        self._descriptors = ExitStack()

    def program(self, identity: int) -> int:
        """Raises MeterError for a program that is gone."""
        return self._hold(library().bpf_prog_get_fd_by_id(identity), f"opening BPF program {identity}")

    def map(self, identity: int) -> int:
        """Raises MeterError for a map that is gone."""
        return self._hold(library().bpf_map_get_fd_by_id(identity), f"opening BPF map {identity}")

    def _hold(self, fd: int, doing: str) -> int:
        self._descriptors.callback(os.close, checked(fd, doing))
        return fd

    def close(self) -> None:
        """Let go of all."""
        self._descriptors.close()
