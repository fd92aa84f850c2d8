"""Nanoseconds a packet in the policy program, over many flows and policies of many sizes. Prints JSON; needs root.

    sudo .venv/bin/python tests/benchmarks/policy_program.py

Each figure is the median of several test runs of thousands of packets, the wrapper's own rewriting of the packet
included and shown apart. A *hit* finds its connection in conntrack; a *miss* is a SYN that is judged and inserted;
*evicting* is a miss while conntrack is full. ``both`` has the destination on the same node: two judgements, not one.
"""

import json
import statistics
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.lab.build import BPF_SOURCES, bpf_object
from harness.mesh.cidrclasses import CidrClasses
from harness.mesh.grants import EGRESS, INGRESS
from harness.mesh.layout import (
    ENDPOINT_LOCAL,
    HOP_WIRE,
    PROTOCOLS,
    U32,
)
from harness.mesh.objects import BpfObject, load
from harness.mesh.policy import SUBJECT_KNOWN, Compiled, Entry, Subject
from harness.mesh.portclasses import PortRange, classify
from harness.mesh.routes import Hop
from harness.mesh.tables import Endpoint, Tables
from harness.model.origin import Origin

FLOWS = 20_000
ROUNDS = 5
PORT = PortRange("TCP", 8080, 8080)
SIZES = (10, 100, 1_000, 10_000, 100_000)
INGRESS_IFINDEX = 77
SYN, ACK = 0x02, 0x10
IDENTITY_AND_CLASS = SUBJECT_KNOWN | 4
SETUP = struct.Struct("=IIIII4x")


def frame() -> bytes:
    """A TCP segment to port 8080; addresses, source port and flags are the program's to fill in."""
    ethernet = bytes(12) + b"\x08\x00"
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, bytes(4), bytes(4))
    tcp = struct.pack(">HHIIBBHHH", 0, PORT.first, 0, 0, 5 << 4, 0, 65535, 0, 0)
    return ethernet + ip + tcp


def policy(sources: int, destinations: int) -> Compiled:
    """One entry for each pair of a source and a destination and direction; every identity is a class of its own."""
    port_classes = classify([PORT])
    (number,) = port_classes.of[PORT]
    subjects: dict[tuple[int, int], Subject] = {}
    entries: dict[Entry, int] = {}
    for source in range(sources):
        for destination in range(destinations):
            here, there = 16 + source, 16 + sources + destination
            subjects[EGRESS, here] = Subject(1, IDENTITY_AND_CLASS, here)
            subjects[INGRESS, there] = Subject(1, IDENTITY_AND_CLASS, there)
            entries[Entry(here, there, number, PROTOCOLS["TCP"], EGRESS)] = 1
            entries[Entry(there, here, number, PROTOCOLS["TCP"], INGRESS)] = 1
    peers = {identity: identity for identity in range(16, 16 + sources + destinations)}
    return Compiled(subjects, peers, entries, port_classes, CidrClasses(), (Origin("bench", 1),))


def endpoints(sources: int, destinations: int, local: bool) -> Mapping[str, Endpoint]:
    """The addresses that the program makes, an identity each."""
    found = {f"10.0.{n >> 8}.{n & 255}": Endpoint(16 + n, 1, ENDPOINT_LOCAL) for n in range(sources)}
    flags = ENDPOINT_LOCAL if local else 0
    found |= {f"10.1.{n >> 8}.{n & 255}": Endpoint(16 + sources + n, 2, flags) for n in range(destinations)}
    return found


class Bench:
    """The bench programs with one policy loaded."""

    def __init__(self, loaded: BpfObject, size: int, local: bool) -> None:
        self.sources = min(size // 2 if size > 1 else 1, 1000)
        self.destinations = max(size // 2 // self.sources, 1)
        self._loaded = loaded
        hops = (Hop(INGRESS_IFINDEX, HOP_WIRE, 1500, bytes(6), bytes(6)), Hop(78, HOP_WIRE, 1500, bytes(6), bytes(6)))
        loaded.maps["hops"].put_many({U32.pack(n): hop.pack() for n, hop in enumerate(hops, 1)})
        tables = Tables(loaded.maps, endpoints(self.sources, self.destinations, local))
        tables.stage(policy(self.sources, self.destinations))
        tables.flip()
        self._tables = tables

    def run(self, program: str, first: int, packets: int, flows: int, flags: int) -> int:
        """Nanoseconds a packet over ``packets`` repetitions, from flow number ``first`` on."""
        setup = SETUP.pack(first, flows, self.sources, self.destinations, flags)
        self._loaded.maps["bench_setup"].put(U32.pack(0), setup)
        done = self._loaded.programs[program].test_run(frame(), ingress_ifindex=INGRESS_IFINDEX, repeat=packets)
        if done.code == 2 and program != "rewrite_only":
            raise SystemExit("the bench's packets are dropped: its policy or its endpoints are wrong")
        return done.nanoseconds

    def median(self, program: str, firsts: list[int], flows: int, flags: int) -> float:
        """The median of a run of FLOWS packets from each of ``firsts``."""
        return statistics.median(self.run(program, first, FLOWS, flows, flags) for first in firsts)

    def figures(self) -> dict[str, float]:
        """All kinds of packets; the order matters, for conntrack fills up."""
        endless = 2**31
        miss = self.median("rewrite_and_judge", [0, FLOWS, 2 * FLOWS], endless, SYN)
        for first in range(3 * FLOWS, 8 * FLOWS, FLOWS):
            self.run("rewrite_and_judge", first, FLOWS, endless, SYN)
        evicting = self.median("rewrite_and_judge", [n * FLOWS for n in range(8, 8 + ROUNDS)], endless, SYN)
        self.run("rewrite_and_judge", 0, FLOWS, FLOWS, SYN)
        hit = self.median("rewrite_and_judge", [0] * ROUNDS, FLOWS, ACK)
        rewriting = self.median("rewrite_only", [0] * ROUNDS, FLOWS, ACK)
        return {"hit": hit, "miss": miss, "evicting": evicting, "rewriting": rewriting}

    def close(self) -> None:
        """Give the maps back."""
        self._tables.close()
        self._loaded.close()


def main() -> None:
    """Measure every size, with the destination on another node and on the same."""
    rows = []
    for size in SIZES:
        for where in ("one", "both"):
            loaded = load(bpf_object(BPF_SOURCES / "policy_bench.bpf.c"), log=Path("/dev/null"))
            bench = Bench(loaded, size, where == "both")
            rows.append({"entries": size, "judgements": where, "distinct_flows": FLOWS, **bench.figures()})
            bench.close()
    json.dump({"unit": "ns a packet", "rows": rows}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
