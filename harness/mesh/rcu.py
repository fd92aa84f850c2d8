"""Waiting for programs that are running."""

import ctypes
import platform

from harness.mesh.libbpf import BpfError

_MEMBARRIER = {"x86_64": 324, "aarch64": 283}
_MEMBARRIER_CMD_GLOBAL = 1


def wait_for_running_programs() -> None:
    """Return when every BPF program that ran at the time of the call has ended.

    Packet programs run inside RCU read-side critical sections, and membarrier(2)'s global command is, in the kernel,
    exactly synchronize_rcu(). Raises BpfError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_MEMBARRIER[platform.machine()], _MEMBARRIER_CMD_GLOBAL, 0, 0) != 0:
        raise BpfError("membarrier(2), to wait for running programs", ctypes.get_errno())
