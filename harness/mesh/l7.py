"""The fast path of one node: requests that the kernel understands whole go to their backend without the proxy.

bpf/l7.bpf.c says which those are. What is said here: which rules the kernel asks, and for whom.
"""

import ctypes
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import RLock

from harness.lab.build import BPF_SOURCES, bpf_object
from harness.lab.port import LabNode, LabPod
from harness.mesh.hooks import Side, TcxHook
from harness.mesh.l7layout import ERRAND, Knowledge, Pair
from harness.mesh.layout import U32
from harness.mesh.libbpf import (
    BPF_CGROUP_SOCK_OPS,
    BPF_F_ALLOW_MULTI,
    BPF_SK_MSG_VERDICT,
    BPF_SK_SKB_STREAM_VERDICT,
    TestRunOptions,
    checked,
    library,
)
from harness.mesh.maps import Map
from harness.mesh.objects import load
from harness.mesh.requestrules import RequestRule

PINS = "l7-1"
HEADER = BPF_SOURCES / "l7.h"
SOURCE = BPF_SOURCES / "l7.bpf.c"
_COUNT = re.compile(r"\tL7_(?P<name>\w+) = (?P<number>\d+), /\* .* \*/")


@dataclass(frozen=True, slots=True)
class Target:
    """What the kernel asks of a pair's requests: that they meet a rule of each side's; None is every request."""

    egress: frozenset[RequestRule] | None
    ingress: frozenset[RequestRule] | None


Targets = Callable[[Pair], Target | None]
"""None where a pair's requests are the proxy's alone."""


@cache
def names() -> tuple[str, ...]:
    """The names of ``l7_count`` by number, as counts are reported."""
    return tuple(match["name"].lower() for match in map(_COUNT.fullmatch, HEADER.read_text().splitlines()) if match)


class FastPath:
    """Programs and maps of one node. Its hooks are tcx links; they and the tables of sockets are pinned."""

    def __init__(self, node: LabNode, mesh: Mapping[str, Map], proxy: Path, pins: Path) -> None:
        """``mesh`` are the maps of the node's packet programs, ``proxy`` the cgroup of the node's proxy, ``pins`` a new folder.

        Raises LoadFailed, BpfError.
        """
        self.node = node
        self._lock = RLock()
        self._generation = 0
        self._targets: Targets = lambda _pair: None
        self._known: set[Pair] = set()
        self._sets: dict[frozenset[RequestRule], int] = {}
        self._numbers = 0
        with ExitStack() as undo:
            pins.mkdir()
            undo.callback(pins.rmdir)
            shared = {name: map_ for name, map_ in mesh.items() if "." not in name}
            self._object = load(bpf_object(SOURCE), shared=shared)
            undo.callback(self._object.close)
            self._attach(proxy, undo)
            self._pins = pins
            self._hooks: dict[int, TcxHook] = {}
            undo.callback(self.follow, ())
            self.follow(node.pods)
            self._undo = undo.pop_all()

    def _attach(self, proxy: Path, undo: ExitStack) -> None:
        programs = self._object.programs
        for table, program, kind in (
            ("l7_sockets", "l7_receive", BPF_SK_SKB_STREAM_VERDICT),
            ("l7_sockets", "l7_reply", BPF_SK_MSG_VERDICT),
            ("l7_ends", "l7_send", BPF_SK_MSG_VERDICT),
        ):
            status = library().bpf_prog_attach(programs[program].fd, self.maps[table].fd, kind, 0)
            checked(status, f"attach {program} to the sockets of node {self.node.name}")
        cgroup = os.open(proxy, os.O_RDONLY | os.O_CLOEXEC)
        undo.callback(os.close, cgroup)
        status = library().bpf_prog_attach(programs["l7_sockops"].fd, cgroup, BPF_CGROUP_SOCK_OPS, BPF_F_ALLOW_MULTI)
        checked(status, f"attach l7_sockops to the proxy of node {self.node.name}")
        undo.callback(library().bpf_prog_detach2, programs["l7_sockops"].fd, cgroup, BPF_CGROUP_SOCK_OPS)

    def follow(self, pods: Sequence[LabPod]) -> None:
        """Read what ``pods`` send, and what comes by the node's wires; nothing where there are no pods. Raises BpfError."""
        wanted = {pod.host_ifindex for pod in pods} | ({ifindex for _, ifindex in self.node.wires.values()} if pods else set())
        with self.node.entered(), ExitStack() as removing:
            for ifindex in self._hooks.keys() - wanted:
                removing.callback(self._hooks.pop(ifindex).remove)
            for ifindex in wanted - self._hooks.keys():
                pin = self._pins / f"{Side.INGRESS}-{ifindex}"
                self._hooks[ifindex] = TcxHook(self._object.programs["l7_look"], ifindex, Side.INGRESS, pin, first=True)

    @property
    def maps(self) -> Mapping[str, Map]:
        """The maps of the programs, by name."""
        return self._object.maps

    @property
    def programs(self) -> tuple[int, ...]:
        """The programs' ids in the kernel."""
        return tuple(program.id for program in self._object.programs.values())

    @property
    def generation(self) -> int:
        """By which requests are judged now."""
        return self._generation

    def in_force(self) -> bool:
        """Whether the packet programs are in that generation, too."""
        settings = self.maps["mesh_config"].get(U32.pack(0))
        return settings is not None and U32.unpack_from(settings)[0] == self._generation

    def judge_by(self, generation: int, targets: Targets) -> None:
        """Judge so while ``generation`` is in force: requests of known pairs at once, of others when they are asked about."""
        with self._lock:
            self._generation, self._targets = generation, targets
            before, self._sets = self._sets, {}
            for pair in self._known:
                self.inform(pair)
            stale = [rule.key(number) for rules, number in before.items() for rule in rules]
            self.maps["l7_rules"].remove_many(stale)

    def inform(self, pair: Pair) -> Target | None:
        """Tell the kernel what is known of a pair. Raises BpfError."""
        with self._lock:
            target = self._targets(pair)
            if pair not in self._known:
                self._known.add(pair)
                if self.maps["l7_targets"].get(pair.pack()) is None:
                    self.maps["l7_targets"].put(pair.pack(), bytes(self.maps["l7_targets"].value_size))
            knowledge = Knowledge.PROXIED if target is None else Knowledge.JUDGED
            sets = (0, 0) if target is None else (self._set(target.egress), self._set(target.ingress))
            self.errand("l7_inform", pair, generation=self._generation, sets=sets, knowledge=knowledge)
            return target

    def forget(self, addresses: set[str]) -> list[Pair]:
        """Know nothing of pairs that have one of these addresses; returns them."""
        with self._lock:
            gone = [pair for pair in self._known if {pair.client, pair.backend} & addresses]
            self._known.difference_update(gone)
            self.maps["l7_targets"].remove_many([pair.pack() for pair in gone])
            return gone

    def _set(self, rules: frozenset[RequestRule] | None) -> int:
        if rules is None:
            return 0
        if rules not in self._sets:
            self._numbers += 1
            self._sets[rules] = self._numbers
            for rule in rules:
                self.maps["l7_rules"].put(rule.key(self._numbers), U32.pack(1))
        return self._sets[rules]

    def errand(
        self, program: str, pair: Pair, *, cookie: int = 0, generation: int = 0, sets: tuple[int, int] = (0, 0),
        knowledge: Knowledge = Knowledge.ASKED,
    ) -> bool:  # fmt: skip
        """Have one of the agent's programs change a table as no other can: between two steps of those that read it."""
        context = bytearray(ERRAND.pack(cookie, generation, *sets, knowledge, 0, pair.pack()))
        given = (ctypes.c_char * len(context)).from_buffer(context)
        options = TestRunOptions(sz=ctypes.sizeof(TestRunOptions), ctx_in=ctypes.addressof(given), ctx_size_in=len(context))
        checked(library().bpf_prog_test_run_opts(self._object.programs[program].fd, ctypes.byref(options)), f"run {program}")
        return bool(ERRAND.unpack(context)[5])

    def counts(self) -> dict[str, int]:
        """What became of requests and connections since the path was made; bpf/l7.h says what each name means."""
        counts = self.maps["l7_counts"]
        return {name: sum(int.from_bytes(v, "little") for v in counts.per_cpu(U32.pack(n))) for n, name in enumerate(names())}

    def held(self) -> dict[str, int]:
        """How many connections of clients and to backends, and sockets of pods, the programs know of at this moment."""
        tables = ("l7_connections", "l7_upstreams", "l7_named", "l7_sockets", "l7_ends")
        return {name.removeprefix("l7_"): len(list(self.maps[name].keys())) for name in tables}

    def close(self) -> None:
        """No request takes the path any more, and no socket joins."""
        self._undo.close()
