"""The fast path of one node: requests that the kernel understands whole go to their backend without the proxy.

bpf/l7.bpf.c says which those are. Here its programs are put in place; what is asked of requests the node's agent tells them
(``harness.mesh.l7agent``), to which maps and programs are handed by pins.
"""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from harness.lab.build import BPF_SOURCES, bpf_object
from harness.lab.port import LabNode, LabPod
from harness.mesh.hooks import Side, TcxHook
from harness.mesh.l7layout import U32
from harness.mesh.l7tables import ERRANDS, FLOW_MAPS, MAPS
from harness.mesh.libbpf import (
    BPF_CGROUP_SOCK_OPS,
    BPF_F_ALLOW_MULTI,
    BPF_SK_MSG_VERDICT,
    BPF_SK_SKB_STREAM_PARSER,
    BPF_SK_SKB_STREAM_VERDICT,
    checked,
    library,
)
from harness.mesh.maps import Map
from harness.mesh.objects import load

PINS = "l7-1"
HEADER = BPF_SOURCES / "l7.h"
SOURCE = BPF_SOURCES / "l7.bpf.c"
_COUNT = re.compile(r"\tL7_(?P<name>\w+) = (?P<number>\d+), /\* (?P<meaning>.*) \*/")


@cache
def names() -> tuple[str, ...]:
    """The names of ``l7_count`` by number, as counts are reported."""
    return tuple(meanings())


@cache
def meanings() -> Mapping[str, str]:
    """What each of ``names`` counts, in the same order."""
    found = filter(None, map(_COUNT.fullmatch, HEADER.read_text().splitlines()))
    return {match["name"].lower(): match["meaning"] for match in found}


class FastPath:
    """Programs and maps of one node. Its hooks are tcx links; they are pinned, and what its agent needs."""

    def __init__(self, node: LabNode, mesh: Mapping[str, Map], proxy: Path, pins: Path, flow_ring: int = 0) -> None:
        """``mesh`` are the maps of the node's packet programs, ``proxy`` the cgroup of the node's proxy, ``pins`` a new folder.

        With ``flow_ring``, a power of two of pages in bytes, the programs tell of each request in a ring of that size.

        Raises LoadFailed, BpfError.
        """
        self.node = node
        self.pins = pins
        with ExitStack() as undo:
            pins.mkdir()
            undo.callback(pins.rmdir)
            shared = {name: map_ for name, map_ in mesh.items() if "." not in name}
            defines = (f"L7_FLOW_RING={flow_ring}",) if flow_ring else ()
            self._object = load(bpf_object(SOURCE, *defines), shared=shared)
            undo.callback(self._object.close)
            self._attach(proxy, undo)
            self._pin(undo)
            self._hooks: dict[int, TcxHook] = {}
            undo.callback(self.follow, ())
            self.follow(node.pods)
            self._undo = undo.pop_all()

    def _attach(self, proxy: Path, undo: ExitStack) -> None:
        programs = self._object.programs
        for table, program, kind in (
            ("l7_sockets", "l7_reply", BPF_SK_MSG_VERDICT),
            ("l7_listening", "l7_parse", BPF_SK_SKB_STREAM_PARSER),
            ("l7_listening", "l7_receive", BPF_SK_SKB_STREAM_VERDICT),
            ("l7_answering", "l7_respond", BPF_SK_SKB_STREAM_VERDICT),
            ("l7_ends", "l7_send", BPF_SK_MSG_VERDICT),
        ):
            status = library().bpf_prog_attach(programs[program].fd, self.maps[table].fd, kind, 0)
            checked(status, f"attach {program} to the sockets of node {self.node.name}")
        cgroup = os.open(proxy, os.O_RDONLY | os.O_CLOEXEC)
        undo.callback(os.close, cgroup)
        status = library().bpf_prog_attach(programs["l7_sockops"].fd, cgroup, BPF_CGROUP_SOCK_OPS, BPF_F_ALLOW_MULTI)
        checked(status, f"attach l7_sockops to the proxy of node {self.node.name}")
        undo.callback(library().bpf_prog_detach2, programs["l7_sockops"].fd, cgroup, BPF_CGROUP_SOCK_OPS)

    def _pin(self, undo: ExitStack) -> None:
        for kind, names in ((self.maps, (*MAPS, *FLOW_MAPS)), (self._object.programs, ERRANDS)):
            for name in filter(kind.__contains__, names):
                kind[name].pin(self.pins / name)
                undo.callback((self.pins / name).unlink)

    def follow(self, pods: Sequence[LabPod]) -> None:
        """Read what ``pods`` send, and what comes by the node's wires; nothing where there are no pods. Raises BpfError."""
        wanted = {pod.host_ifindex for pod in pods} | ({ifindex for _, ifindex in self.node.wires.values()} if pods else set())
        with self.node.entered(), ExitStack() as removing:
            for ifindex in self._hooks.keys() - wanted:
                removing.callback(self._hooks.pop(ifindex).remove)
            for ifindex in wanted - self._hooks.keys():
                pin = self.pins / f"{Side.INGRESS}-{ifindex}"
                self._hooks[ifindex] = TcxHook(self._object.programs["l7_look"], ifindex, Side.INGRESS, pin, first=True)

    @property
    def maps(self) -> Mapping[str, Map]:
        """The maps of the programs, by name."""
        return self._object.maps

    @property
    def programs(self) -> tuple[int, ...]:
        """The programs' ids in the kernel."""
        return tuple(program.id for program in self._object.programs.values())

    def counts(self) -> dict[str, int]:
        """What became of requests and connections since the path was made; bpf/l7.h says what each name means."""
        counts = self.maps["l7_counts"]
        return {name: sum(int.from_bytes(v, "little") for v in counts.per_cpu(U32.pack(n))) for n, name in enumerate(names())}

    def held(self) -> dict[str, int]:
        """How many connections of clients and to backends, and sockets of pods, the programs know of at this moment.

        ``owed``: bytes of long answers that clients are not known to have read (bpf/l7_owed.h).
        """
        tables = ("l7_connections", "l7_upstreams", "l7_named", "l7_sockets", "l7_listening", "l7_ends")
        owed = int.from_bytes(self.maps["l7_owed"].get(U32.pack(0)) or b"", "little")
        return {name.removeprefix("l7_"): len(list(self.maps[name].keys())) for name in tables} | {"owed": owed}

    def close(self) -> None:
        """No request takes the path any more, and no socket joins."""
        self._undo.close()
