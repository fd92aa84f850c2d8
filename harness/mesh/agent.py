"""The mesh on one node: its programs, its maps, its hooks.

There is no agent process: what a daemon would do, the harness does between calls. Programs, maps and links are pinned
below ``lab.bpffs``, so that they stay in force if the harness dies.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.lab.build import BPF_SOURCES, bpf_object
from harness.lab.port import Lab, LabNode
from harness.mesh.errors import MeshError
from harness.mesh.events import Drop, EventRing
from harness.mesh.hooks import Hook, HookKind, Side, attacher, kernel_kind
from harness.mesh.identity import Identity
from harness.mesh.layout import ENDPOINT_HOST, HOST_IDENTITY, SCHEMA, U32
from harness.mesh.maps import Map
from harness.mesh.objects import BpfObject, load
from harness.mesh.policy import Compiled
from harness.mesh.routes import Routes, routes
from harness.mesh.tables import Endpoint, Tables

SOURCE = BPF_SOURCES / "mesh.bpf.c"


class AlreadyAttached(MeshError):
    """The node has a mesh."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen. ``hook`` None takes what the kernel has.

    Without host routing every packet crosses the node's stack. With ``proxy`` the node has one, to which flows go whose
    requests are judged.
    """

    hook: HookKind | None = None
    host_routing: bool = True
    proxy: bool = False


class Agent:
    """One node's share of the mesh. Nothing is attached before ``attach``."""

    def __init__(self, node: LabNode, lab: Lab, identities: Mapping[str, Identity], options: Options) -> None:
        self.node = node
        self.pins = lab.bpffs / f"mesh-{SCHEMA}" / node.name
        self._log = lab.folder / f"verifier-{node.name}.log"
        self._lab = lab
        self._host_routing = options.host_routing
        self._identities = identities
        self._fronts: frozenset[str] = frozenset()
        self._hooks: dict[tuple[str, int], Hook] = {}
        self._undo = ExitStack()
        with ExitStack() as undo:
            self._make_pins(undo)
            self._loaded = load(bpf_object(SOURCE), log=self._log)
            undo.callback(self._close_loaded)
            self._pin_maps(undo)
            self.kind = options.hook or kernel_kind(self._loaded.programs["from_pod"])
            self._routes = routes(node, lab, options.host_routing)
            self.maps["hops"].put_many({U32.pack(index): hop.pack() for index, hop in self._routes.hops.items()})
            self.tables = Tables(self.maps, self._endpoints(), proxy=options.proxy)
            undo.callback(self.tables.close)
            self._ring = EventRing(self.maps["events"])
            undo.callback(self._ring.close)
            self._undo = undo.pop_all()

    @property
    def maps(self) -> Mapping[str, Map]:
        """The node's maps by name, for objects that share them (``objects.load(shared=…)``)."""
        return self._loaded.maps

    @property
    def programs(self) -> tuple[int, ...]:
        """The kernel's ids of the programs that run now."""
        return tuple(program.id for program in self._loaded.programs.values())

    def attach(self) -> None:
        """Put the programs onto the node's wires, those to hosts outside too, and its ends of the pods' veths.

        Where they are already they stay. Raises BpfError.
        """
        hook = attacher(self.kind, self.pins)
        with self.node.entered():
            for program, ifindex, side in self._ends():
                if (program, ifindex) not in self._hooks:
                    self._hooks[program, ifindex] = hook(self._loaded.programs[program], ifindex, side)

    def follow(self, identities: Mapping[str, Identity]) -> None:
        """Take up the node's new pods and let go of those that went; who they are is for the next ``stage`` to tell.

        Until then the programs drop all that new pods send and all that is sent to them. Raises BpfError, RoutesError.
        """
        self._routes = routes(self.node, self._lab, self._host_routing, self._routes)
        self.maps["hops"].put_many({U32.pack(index): hop.pack() for index, hop in self._routes.hops.items()})
        self._identities = identities
        self.tables.endpoints = self._endpoints()
        self.attach()
        wanted = {(program, ifindex) for program, ifindex, _ in self._ends()}
        with self.node.entered():
            for end in self._hooks.keys() - wanted:
                self._hooks.pop(end).remove()

    def front(self, addresses: Iterable[str]) -> None:
        """From the next ``stage`` on these addresses are the node's own, whatever policies say: its proxy answers."""
        self._fronts = frozenset(addresses)
        self.tables.endpoints = self._endpoints()

    def _endpoints(self) -> dict[str, Endpoint]:
        fronts = {address: Endpoint(HOST_IDENTITY, 0, ENDPOINT_HOST) for address in self._fronts}
        return _endpoints(self._routes, self._identities) | fronts

    def _ends(self) -> Iterator[tuple[str, int, Side]]:
        for _, ifindex in self.node.wires.values():
            yield "from_wire", ifindex, Side.INGRESS
        for host in self.node.outside:
            yield "from_wire", host.host_ifindex, Side.INGRESS
        for pod in self.node.pods:
            yield "to_pod", pod.host_ifindex, Side.EGRESS
            yield "from_pod", pod.host_ifindex, Side.INGRESS

    def stage(self, compiled: Compiled) -> None:
        """Write a policy beside the one in force."""
        self.tables.stage(compiled)

    def reload(self) -> None:
        """Load the programs anew over the maps that exist, and have them take over packet by packet."""
        shared = {name: map_ for name, map_ in self.maps.items() if "." not in name}
        fresh = load(bpf_object(SOURCE), shared=shared, log=self._log)
        with self.node.entered():
            for (program, _), hook in self._hooks.items():
                hook.replace(fresh.programs[program])
        before, self._loaded = self._loaded, BpfObject(self._loaded.maps, fresh.programs)
        BpfObject(fresh.maps, before.programs).close()

    def drops(self) -> Sequence[Drop]:
        """Drop events since the last call."""
        return self._ring.drain()

    def counters(self) -> Mapping[int, int]:
        """Packets dropped since the start, by reason."""
        counted = self.maps["drops"]
        sums = {n: sum(int.from_bytes(v, "little") for v in counted.per_cpu(U32.pack(n))) for n in range(counted.max_entries)}
        return {reason: count for reason, count in sums.items() if count}

    def lost_events(self) -> int:
        """Drop events that found the ring full."""
        return sum(int.from_bytes(value, "little") for value in self.maps["lost_events"].per_cpu(U32.pack(0)))

    def close(self) -> None:
        """Detach everything and let it go; nothing stays pinned. Goes on after a failure, and raises it in the end."""
        with self._undo, self.node.entered(), ExitStack() as removing:
            for hook in self._hooks.values():
                removing.callback(hook.remove)
            self._hooks = {}

    def _close_loaded(self) -> None:
        self._loaded.close()  # not bound when the callback is made: reload() has put another in its place

    def _make_pins(self, undo: ExitStack) -> None:
        self.pins.parent.mkdir(exist_ok=True)
        undo.callback(_remove_if_empty, self.pins.parent)
        try:
            self.pins.mkdir()
        except FileExistsError:
            raise AlreadyAttached(
                f"{self.pins} exists: a mesh is attached to this lab already, or its loader was killed"
            ) from None
        undo.callback(self.pins.rmdir)

    def _pin_maps(self, undo: ExitStack) -> None:
        """All but the compiler's constants, which belong to one build of the programs."""
        for name, shared in self.maps.items():
            if "." not in name:
                shared.pin(self.pins / name)
                undo.callback((self.pins / name).unlink)


def _endpoints(found: Routes, identities: Mapping[str, Identity]) -> dict[str, Endpoint]:
    return {
        address: Endpoint(HOST_IDENTITY if place.pod is None else identities[place.pod].number, place.hop, place.flags)
        for address, place in found.places.items()
    }


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # another node's pins are still there
        folder.rmdir()
