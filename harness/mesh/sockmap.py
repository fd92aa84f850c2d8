"""The same-node path: messages go from socket to socket between pods of one node that asked for it.

Each node has a table of sockets of its own. Nodes of a lab share one kernel, so a common table would join sockets of
different nodes without a wire between them.
"""

import platform
import re
import struct
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from harness.lab.build import BPF_SOURCES, bpf_object, vmlinux_header
from harness.lab.port import LabNode, LabPod
from harness.mesh.hooks import Side, TcxHook
from harness.mesh.layout import U32
from harness.mesh.libbpf import (
    BPF_SK_MSG_VERDICT,
    BPF_SK_SKB_STREAM_VERDICT,
    checked,
    library,
)
from harness.mesh.maps import Map
from harness.mesh.objects import load
from harness.model.topology import Pod

ANNOTATION = "meshproof.io/sockmap"
"""Of a pod: ``enabled`` lets its sockets use the same-node path, ``disabled`` or nothing leaves them with TCP."""

PINS = "sockmap-1"
"""The folders of pins on a lab's bpf file system start with this; the number counts map layouts."""

HEADER = BPF_SOURCES / "session.h"
SOURCE = BPF_SOURCES / "sockmap.bpf.c"

_PATH_COUNT = struct.Struct("=QQ")  # messages, bytes
_CENSUS = struct.Struct("=Q")
_LINE = re.compile(r"\t(PATH|SOCKETS|SEGMENTS)_(?P<name>\w+) = (?P<number>\d+), /\* (?P<text>.*) \*/")
_QUEUE_LENGTH = re.compile(r"\nstruct sk_psock \{[^}]*\bmsg_tot_len;")


class BadAnnotation(ValueError):
    """A pod's annotation has a value that means nothing: which pod, what was found, what may be written."""


def asked_for(pod: Pod) -> bool:
    """Whether ``pod`` opted in. Raises BadAnnotation."""
    value = pod.annotations.get(ANNOTATION, "disabled")
    if value not in ("enabled", "disabled"):
        raise BadAnnotation(f"pod {pod.ref}: annotation {ANNOTATION} is {value!r}; write enabled or disabled")
    return value == "enabled"


@cache
def obstacle() -> str | None:
    """Why this kernel cannot offer the path, or None.

    A kernel whose FIONREAD leaves redirected bytes out lets programs hang that ask it how much there is to read, nginx
    among them. The mending of FIONREAD brought the field that is looked for, and newer kernels have all else.
    Raises LabError where the kernel's types cannot be read.
    """
    if _QUEUE_LENGTH.search((vmlinux_header() / "vmlinux.h").read_text(encoding="ascii")):
        return None
    return (
        f"on Linux {platform.release()} FIONREAD does not count redirected bytes, so that servers such as nginx would "
        "hang; use a kernel that has it mended (6.18, or Debian's 6.12 backport)"
    )


@cache
def names(enumeration: str, header: Path = HEADER) -> tuple[str, ...]:
    """The names of ``send_path`` or ``census`` by number, as counts are reported. Raises ValueError on other lines."""
    body = header.read_text(encoding="utf-8").split(f"enum {enumeration} {{\n", 1)[1].split("\n}", 1)[0]
    found: list[str] = []
    for line in body.splitlines()[:-1]:  # the last one is the count of them
        match = _LINE.fullmatch(line)
        if not match or int(match["number"]) != len(found):
            raise ValueError(f"{header}: {line.strip()!r} is not `NAME = {len(found)}, /* text */`")
        prefix = "" if match[1] == "PATH" else f"{match[1]}_"
        found.append(f"{prefix}{match['name']}".lower())
    return tuple(found)


class SameNodePath:
    """The path on one node. Its programs and table are pinned, so that they outlive this process."""

    def __init__(self, node: LabNode, pods: Sequence[LabPod], mesh: Mapping[str, Map], pins: Path) -> None:
        """Let sockets of ``pods``, which are on ``node``, join. ``mesh`` are the maps of the node's packet programs.

        ``pins`` is a folder on the lab's bpf file system that does not exist yet. Raises LoadFailed, BpfError.
        """
        with ExitStack() as undo:
            pins.mkdir()
            undo.callback(pins.rmdir)
            shared = {name: map_ for name, map_ in mesh.items() if "." not in name}
            self._object = load(bpf_object(SOURCE), shared=shared)
            undo.callback(self._object.close)
            self._attach_table(node, pins / "sockets", undo)
            undo.callback(self._object.maps["detached"].put, U32.pack(0), U32.pack(1))
            self._node, self._pins = node, pins
            self._hooks: dict[int, TcxHook] = {}
            undo.callback(self.follow, ())
            self.follow(pods)
            self._undo = undo.pop_all()

    def follow(self, pods: Sequence[LabPod]) -> None:
        """Let sockets of ``pods`` join, and no others; those that have joined leave when they close. Raises BpfError."""
        wanted = {pod.host_ifindex for pod in pods}
        with self._node.entered(), ExitStack() as removing:
            for ifindex in self._hooks.keys() - wanted:
                removing.callback(self._hooks.pop(ifindex).remove)
            for ifindex in wanted - self._hooks.keys():
                # Before the packet programs: what they allow, they end the run of programs with.
                pin = self._pins / f"{Side.INGRESS}-{ifindex}"
                self._hooks[ifindex] = TcxHook(self._object.programs["sockmap_enter"], ifindex, Side.INGRESS, pin, first=True)

    def _attach_table(self, node: LabNode, pin: Path, undo: ExitStack) -> None:
        """A table that no process and no file refers to loses its programs: hence the pin."""
        table = self._object.maps["sockets"]
        for program, kind in (("sockmap_send", BPF_SK_MSG_VERDICT), ("sockmap_receive", BPF_SK_SKB_STREAM_VERDICT)):
            status = library().bpf_prog_attach(self._object.programs[program].fd, table.fd, kind, 0)
            checked(status, f"attach {program} to the sockets of node {node.name}")
        table.pin(pin)
        undo.callback(pin.unlink)

    @property
    def programs(self) -> tuple[int, ...]:
        """The programs' ids in the kernel."""
        return tuple(program.id for program in self._object.programs.values())

    def counts(self) -> dict[str, int]:
        """Messages and bytes by path, and what became of sockets, since the path was made."""
        found: dict[str, int] = {}
        for number, name in enumerate(names("send_path")):
            each = [_PATH_COUNT.unpack(value) for value in self._counters("paths", number)]
            found[name] = sum(messages for messages, _ in each)
            found[f"{name}_bytes"] = sum(amount for _, amount in each)
        for number, name in enumerate(names("census")):
            found[name] = sum(_CENSUS.unpack(value)[0] for value in self._counters("census", number))
        return found

    def _counters(self, map_name: str, number: int) -> list[bytes]:
        return self._object.maps[map_name].per_cpu(U32.pack(number))

    def close(self) -> None:
        """No socket joins any more, and those that have joined send by TCP from now on.

        They stay in the kernel's table until they close: taking one out would lose what is queued in it. The table
        refers to its sockets and each of them, by its programs, to the table; the last one to close frees it.
        """
        self._undo.close()
