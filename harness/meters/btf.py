"""Where the members of kernel structures lie in the running kernel, from its BTF.

Source: Linux, Documentation/bpf/btf.rst. bcc offers no CO-RE, and a header of another kernel would give other offsets.
"""

import ctypes

from harness.meters.libbpf import library
from harness.meters.port import MeterError

KIND_STRUCT = 4
KIND_TYPEDEF = 8
KIND_FLAG = 1 << 31  # of btf_type.info: member offsets carry a bit-field size in their high byte


class _Member(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint32), ("type", ctypes.c_uint32), ("offset", ctypes.c_uint32))


class _Type(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint32), ("info", ctypes.c_uint32), ("size", ctypes.c_uint32))


class KernelTypes:
    """The running kernel's types, as a context: they take some megabytes while it is open."""

    def __enter__(self) -> "KernelTypes":
        self._btf = library().btf__load_vmlinux_btf()
        if not self._btf:
            raise MeterError("the kernel gives no type information (/sys/kernel/btf/vmlinux); it needs CONFIG_DEBUG_INFO_BTF")
        return self

    def __exit__(self, *_: object) -> None:
        library().btf__free(self._btf)

    def offset(self, struct: str, member: str) -> int:
        """Bytes from the beginning of ``struct`` to ``member``, also through anonymous members. Raises MeterError."""
        identity = library().btf__find_by_name_kind(self._btf, struct.encode(), KIND_STRUCT)
        bits = None if identity < 0 else self._bits(identity, member.encode())
        if bits is None:
            raise MeterError(f"this kernel has no struct {struct} with a member {member}; this meter does not know its version")
        return bits // 8

    def traces(self, tracepoint: str) -> bool:
        """Whether this kernel has the tracepoint."""
        return int(library().btf__find_by_name_kind(self._btf, f"btf_trace_{tracepoint}".encode(), KIND_TYPEDEF)) > 0

    def _bits(self, identity: int, member: bytes) -> int | None:
        address = library().btf__type_by_id(self._btf, identity)
        kind = _Type.from_address(address)
        for entry in (_Member * (kind.info & 0xFFFF)).from_address(address + ctypes.sizeof(_Type)):
            offset = entry.offset & 0xFFFFFF if kind.info & KIND_FLAG else entry.offset
            name = library().btf__name_by_offset(self._btf, entry.name)
            if name == member:
                return int(offset)
            if not name:
                inner = self._bits(entry.type, member)
                if inner is not None:
                    return int(offset) + inner
        return None
