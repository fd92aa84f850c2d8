"""The functions of libbpf that meters call, with their C signatures (bpf/btf.h and bpf/bpf.h of libbpf 1.x)."""

import ctypes
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
