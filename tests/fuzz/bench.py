"""The node's programs by BPF_PROG_TEST_RUN: what they did with each of many frames, and why."""

from collections.abc import Sequence

from fuzz.frames import Sent
from fuzz.worlds import HOST, WIRES, World
from harness.lab.build import BPF_SOURCES, bpf_object
from harness.mesh.drops import reasons
from harness.mesh.events import EventRing
from harness.mesh.layout import ENDPOINT_HOST, ENDPOINT_LOCAL, HOP_POD, HOP_STACK, HOP_WIRE, HOST_IDENTITY, U32
from harness.mesh.objects import load
from harness.mesh.policy import compile_policies
from harness.mesh.routes import Hop
from harness.mesh.tables import Endpoint, Tables

_SHOT = 2
BATCH = 1000
"""Frames between two drains of the ring, which holds more than 2,000 events."""


class Bench:
    """One node. ``enter`` forgets all flows; ``enforce`` does not."""

    def __init__(self) -> None:
        self._loaded = load(bpf_object(BPF_SOURCES / "mesh.bpf.c"))
        self._ring = EventRing(self._loaded.maps["events"])
        self._tables = Tables(self._loaded.maps, {})
        with self._loaded.maps["mesh_config"].memory() as config:
            config[U32.size : 2 * U32.size] = bytes(U32.size)  # conntrack's hash the same at every run
        self._names = {number: reason.name for number, reason in reasons().items()}

    def enter(self, world: World) -> None:
        for name in ("conntrack4", "conntrack6"):
            with self._loaded.maps[name].memory() as memory:
                memory[:] = bytes(len(memory))
        fragments = self._loaded.maps["fragments"]
        fragments.remove_many(list(fragments.keys()))
        ways = [(0, HOP_STACK)]
        ways += [(number, HOP_POD) for number in world.interfaces.values()] + [(number, HOP_WIRE) for number in WIRES.values()]
        hops = {number: index for index, (number, _) in enumerate(ways)}
        mac = bytes.fromhex("02000000000a"), bytes(6)
        self._loaded.maps["hops"].put_many(
            {U32.pack(index): Hop(number, kind, 1500, *mac).pack() for index, (number, kind) in enumerate(ways)}
        )
        endpoints = {ip: Endpoint(HOST_IDENTITY, 0, ENDPOINT_HOST) for ip in HOST.values()}
        for pod in world.topology.pods:
            local = pod.ref in world.interfaces
            hop = hops[world.interfaces[pod.ref] if local else WIRES[pod.node]]
            for ip in pod.ips:
                endpoints[ip] = Endpoint(world.identities[pod.ref].number, hop, ENDPOINT_LOCAL if local else 0)
        self._tables.endpoints = endpoints

    def enforce(self, world: World, which: int) -> None:
        self._tables.stage(compile_policies(world.policies[which], world.cluster))
        self._tables.flip()

    def run(self, sent: Sequence[Sent]) -> list[str]:
        """Of each frame the reason why it was dropped, or "none"."""
        found: list[str] = []
        for start in range(0, len(sent), BATCH):
            dropped = []
            for place, one in enumerate(sent[start : start + BATCH], start):
                program = self._loaded.programs[one.program]
                found.append("none")
                if program.test_run(one.frame, ingress_ifindex=one.interface).code == _SHOT:
                    dropped.append(place)
            for place, event in zip(dropped, self._ring.drain(), strict=True):
                found[place] = self._names[event.reason]
        return found

    def close(self) -> None:
        self._ring.close()
        self._tables.close()
        self._loaded.close()
