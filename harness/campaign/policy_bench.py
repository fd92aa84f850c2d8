"""The mesh's policy program over many flows and policies of many sizes, by test runs: nothing is attached, nothing is sent."""

import statistics
import struct
from collections.abc import Mapping
from pathlib import Path

from harness.campaign.journal import CampaignError
from harness.lab.build import BPF_SOURCES, bpf_object
from harness.mesh.cidrclasses import CidrClasses
from harness.mesh.grants import EGRESS, INGRESS
from harness.mesh.layout import ENDPOINT_LOCAL, HOP_WIRE, POLICY_BUCKETS, PROTOCOLS, TABLE_WAYS, U32
from harness.mesh.objects import BpfObject, load
from harness.mesh.policy import SUBJECT_KNOWN, Compiled, Entry, Subject
from harness.mesh.portclasses import PortRange, classify
from harness.mesh.routes import Hop
from harness.mesh.tables import Endpoint, Tables
from harness.model.origin import Origin

FLOWS = 20_000
ROUNDS = 5
PORT = PortRange("TCP", 8080, 8080)
SYN, ACK = 0x02, 0x10
_INGRESS_IFINDEX = 77
_MOST_SOURCES = 1000
_FULLEST = 0.4  # of a table's places: from about 0.46 on some entry finds all buckets full in which it would be looked for
_IDENTITY_AND_CLASS = SUBJECT_KNOWN | 4
_SETUP = struct.Struct("=IIIII4x")


def buckets_for(entries: int) -> int:
    """The buckets of a table that holds ``entries``: the mesh's own, or as many times those as it takes."""
    buckets = POLICY_BUCKETS
    while buckets * TABLE_WAYS * _FULLEST < entries:
        buckets *= 2
    return buckets


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
            subjects[EGRESS, here] = Subject(1, _IDENTITY_AND_CLASS, here)
            subjects[INGRESS, there] = Subject(1, _IDENTITY_AND_CLASS, there)
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


class PolicyBench:
    """The bench programs with one policy of about ``size`` entries loaded, in a table of ``buckets``.

    Each figure is the median of several test runs of thousands of packets. A *known* packet finds its connection in conntrack;
    a *judged* one is a SYN that is looked up and inserted; ``evicting`` is that while conntrack is full; ``base`` is the
    rewriting of the packet, which the others include. Raises LoadFailed of the mesh, BpfError.
    """

    def __init__(self, size: int, *, local: bool = False, buckets: int = POLICY_BUCKETS) -> None:
        self.sources = min(size // 2 if size > 1 else 1, _MOST_SOURCES)
        self.destinations = max(size // 2 // self.sources, 1)
        defines = () if buckets == POLICY_BUCKETS else (f"POLICY_BUCKETS={buckets}",)
        self.loaded: BpfObject = load(bpf_object(BPF_SOURCES / "policy_bench.bpf.c", *defines), log=Path("/dev/null"))
        wires = (Hop(_INGRESS_IFINDEX, HOP_WIRE, 1500, bytes(6), bytes(6)), Hop(78, HOP_WIRE, 1500, bytes(6), bytes(6)))
        self.loaded.maps["hops"].put_many({U32.pack(n): hop.pack() for n, hop in enumerate(wires, 1)})
        self._tables = Tables(self.loaded.maps, endpoints(self.sources, self.destinations, local))
        self._tables.stage(policy(self.sources, self.destinations))
        self._tables.flip()

    def _run(self, program: str, first: int, packets: int, flows: int, flags: int) -> int:
        """Nanoseconds a packet over ``packets`` repetitions, from flow number ``first`` on."""
        setup = _SETUP.pack(first, flows, self.sources, self.destinations, flags)
        self.loaded.maps["bench_setup"].put(U32.pack(0), setup)
        done = self.loaded.programs[program].test_run(frame(), ingress_ifindex=_INGRESS_IFINDEX, repeat=packets)
        if done.code == 2 and program != "rewrite_only":
            raise CampaignError("the bench's packets are dropped: its policy or its endpoints are wrong")
        return done.nanoseconds

    def _median(self, program: str, firsts: list[int], flows: int, flags: int) -> float:
        """The median of a run of FLOWS packets from each of ``firsts``."""
        return statistics.median(self._run(program, first, FLOWS, flows, flags) for first in firsts)

    def figures(self) -> dict[str, float]:
        """Nanoseconds a packet, by kind; the order matters, for conntrack fills up."""
        endless = 2**31
        judged = self._median("rewrite_and_judge", [0, FLOWS, 2 * FLOWS], endless, SYN)
        for first in range(3 * FLOWS, 8 * FLOWS, FLOWS):
            self._run("rewrite_and_judge", first, FLOWS, endless, SYN)
        evicting = self._median("rewrite_and_judge", [n * FLOWS for n in range(8, 8 + ROUNDS)], endless, SYN)
        self._run("rewrite_and_judge", 0, FLOWS, FLOWS, SYN)
        known = self._median("rewrite_and_judge", [0] * ROUNDS, FLOWS, ACK)
        base = self._median("rewrite_only", [0] * ROUNDS, FLOWS, ACK)
        return {"known": known, "judged": judged, "evicting": evicting, "base": base}

    def close(self) -> None:
        """Give the maps back."""
        self._tables.close()
        self.loaded.close()
