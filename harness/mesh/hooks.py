"""Puts programs on interfaces: tcx links from Linux 6.6, clsact filters below. Both replace a program atomically.

All of it is done in the calling thread's network namespace.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from harness.mesh.libbpf import (
    BPF_F_BEFORE,
    BPF_TC_EGRESS,
    BPF_TC_F_REPLACE,
    BPF_TC_INGRESS,
    BPF_TCX_EGRESS,
    BPF_TCX_INGRESS,
    BpfError,
    LinkCreateOptions,
    TcHook,
    TcOptions,
    checked,
    library,
)
from harness.mesh.objects import Program

_NO_INTERFACE = 0x7FFFFFFF


class HookKind(StrEnum):
    """The kernel's two ways of running tc programs."""

    TCX = "tcx"
    CLSACT = "clsact"


class Side(StrEnum):
    """Packets that an interface receives, or that it is given to send."""

    INGRESS = "ingress"
    EGRESS = "egress"


class Hook(Protocol):
    """A program on one side of an interface."""

    def replace(self, program: Program) -> None:
        """Have ``program`` run instead: each packet meets the old one or the new one, never none."""
        ...

    def remove(self) -> None:
        """Take the program away."""
        ...


class TcxHook:
    """A bpf_link, pinned so that it outlives its loader. With ``first`` it runs before what is there already."""

    def __init__(self, program: Program, ifindex: int, side: Side, pin: Path, *, first: bool = False) -> None:
        kind = BPF_TCX_INGRESS if side is Side.INGRESS else BPF_TCX_EGRESS
        self._name = f"{program.name} on {side} of interface {ifindex}"
        self._pin = pin
        order = LinkCreateOptions(sz=ctypes.sizeof(LinkCreateOptions), flags=BPF_F_BEFORE if first else 0)
        link = library().bpf_link_create(program.fd, ifindex, kind, ctypes.byref(order))
        self._fd = checked(link, f"attach {self._name}")
        checked(library().bpf_obj_pin(self._fd, str(pin).encode()), f"pin the link of {self._name} at {pin}")

    def replace(self, program: Program) -> None:
        """One bpf_link_update."""
        checked(library().bpf_link_update(self._fd, program.fd, None), f"replace {self._name}")

    def remove(self) -> None:
        """Detached first: whoever else holds the link keeps no program running."""
        self._pin.unlink(missing_ok=True)
        try:
            status = library().bpf_link_detach(self._fd)
            if status != -errno.ENOLINK:  # the interface is gone already
                checked(status, f"detach {self._name}")
        finally:
            os.close(self._fd)


class ClsactHook:
    """A filter in the clsact qdisc; handle and priority are fixed, so that adding again replaces."""

    def __init__(self, program: Program, ifindex: int, side: Side) -> None:
        point = BPF_TC_INGRESS if side is Side.INGRESS else BPF_TC_EGRESS
        self._name = f"{program.name} on {side} of interface {ifindex}"
        self._hook = TcHook(sz=ctypes.sizeof(TcHook), ifindex=ifindex, attach_point=point)
        status = library().bpf_tc_hook_create(ctypes.byref(self._hook))
        if status != -errno.EEXIST:  # made for the other side
            checked(status, f"make the clsact qdisc of interface {ifindex}")
        self.replace(program)

    def replace(self, program: Program) -> None:
        """One RTM_NEWTFILTER with NLM_F_REPLACE."""
        options = TcOptions(sz=ctypes.sizeof(TcOptions), prog_fd=program.fd, flags=BPF_TC_F_REPLACE, handle=1, priority=1)
        checked(library().bpf_tc_attach(ctypes.byref(self._hook), ctypes.byref(options)), f"attach {self._name}")

    def remove(self) -> None:
        """The whole qdisc goes, with the filters of both sides."""
        self._hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS
        status = library().bpf_tc_hook_destroy(ctypes.byref(self._hook))
        if status not in (-errno.ENOENT, -errno.EINVAL, -errno.ENODEV):  # gone with the other side, or with the interface
            checked(status, f"remove the clsact qdisc of {self._name}")


def kernel_kind(program: Program) -> HookKind:
    """What this kernel offers, found by a link to an interface that cannot be: only one that knows tcx looks for it."""
    status = library().bpf_link_create(program.fd, _NO_INTERFACE, BPF_TCX_INGRESS, None)
    if status >= 0:
        os.close(status)
        raise BpfError(f"interface {_NO_INTERFACE}, which should not exist", errno.EEXIST)
    return HookKind.TCX if status == -errno.ENODEV else HookKind.CLSACT


def attacher(kind: HookKind, pins: Path) -> Callable[[Program, int, Side], Hook]:
    """A function that attaches (program, ifindex, side) by ``kind``; links are pinned below ``pins``."""
    if kind is HookKind.CLSACT:
        return ClsactHook
    return lambda program, ifindex, side: TcxHook(program, ifindex, side, pins / f"{side}-{ifindex}")
