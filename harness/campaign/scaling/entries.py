"""A point of a scenario that varies policy entries: what judging a packet costs, and what the table holds of memory."""

import statistics
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import harness.traffic
from harness.campaign.policy_bench import PolicyBench, buckets_for
from harness.campaign.scaling.plan import Spot
from harness.campaign.scaling.world import cluster
from harness.lab.build import c_program
from harness.lab.netns import up
from harness.lab.port import LabPod
from harness.mesh.layout import TABLE_WAYS
from harness.meters.bpf_memory import BpfMemoryReading
from harness.meters.libbpf import Held
from harness.model.result import Metric
from harness.model.scaling import Measured, ScalingScenario
from harness.traffic.port import LoadResult

LOOKUPS = Path(harness.traffic.__file__).with_name("lookups.c")
PACKETS = 100_000
ROUNDS = 5
LOAD_SECONDS = 120.0  # nft takes some three seconds for 500,000 elements
RELEASE_SECONDS = 5.0  # within which the kernel has freed what the table before this one held
STILL = (0.2, 256 << 10)  # seconds between two readings, and the bytes by which those of a kernel at rest differ
PORTS = 1000  # as lookups.c counts
TABLE = "inet scaling"
NOTHING = LoadResult(1, 0, 1.0)


def condition(scenario: ScalingScenario, dataplane: str) -> str:
    """What the entries stand in, in words."""
    if Measured.REQUESTS in scenario.measure:
        return "one policy"
    if dataplane == "ebpf":
        return f"{buckets_for(max(scenario.points)) * TABLE_WAYS} places"
    return "one set"


def measure_entries(spot: Spot) -> list[Metric]:
    """Raises LabError, MeshError, MeterError, CampaignError."""
    measured = _mesh(spot) if spot.dataplane == "ebpf" else _nftables(spot.point)
    return list(measured)


def _mesh(spot: Spot) -> Iterator[Metric]:
    """By test runs of the mesh's own program; all points in tables of one size, which the largest point asks for."""
    bench = PolicyBench(spot.point, buckets=buckets_for(max(spot.scenario.points)))
    held = Held()
    try:
        yield from _times({name: value for name, value in bench.figures().items() if name != "evicting"})
        reading = BpfMemoryReading(held, [program.fd for program in bench.loaded.programs.values()])
        reading.end()
        yield from (Metric("memory", each.value, "B") for each in reading.metrics(NOTHING) if not each.component)
    finally:
        held.close()
        bench.close()


def _times(nanoseconds: Mapping[str, float]) -> Iterator[Metric]:
    return (Metric(f"packet_time_{name}", value * 1e-9, "s") for name, value in nanoseconds.items())


def _nftables(entries: int) -> Iterator[Metric]:
    """One set with the same key as an entry of the mesh: both ends, protocol and port. Looked up as datagrams leave a pod."""
    with up(cluster(2)) as lab:
        sender = lab.pods[0]
        chain = "chain out { type filter hook output priority 0; policy accept; "
        _nft(sender, f"table {TABLE} {{ {chain}meta l4proto udp drop; }}\n}}\n")
        base = _refused(sender, entries)
        before = _settled_memory()
        own = sender.pod.ip(4)
        elements = ", ".join(f"{own} . {address} . udp . {port}" for address, port in _elements(entries))
        kind = "type ipv4_addr . ipv4_addr . inet_proto . inet_service"
        rule = "ip saddr . ip daddr . meta l4proto . udp dport @entries drop;"
        filled = f"table {TABLE} {{ set entries {{ {kind}; elements = {{ {elements} }}; }}\n{chain}{rule} }}\n}}\n"
        _nft(sender, f"delete table {TABLE}\n{filled}")
        grown = _settled_memory() - before
        judged = _refused(sender, entries)
    yield from _times({"judged": judged, "base": base})
    yield Metric("memory", float(max(grown, 0)), "B")


def _elements(count: int) -> Iterator[tuple[str, int]]:
    """As lookups.c has them."""
    for number in range(count):
        address = number // PORTS
        yield f"10.1.{address >> 8}.{address & 255}", 1 + number % PORTS


def _nft(pod: LabPod, commands: str) -> None:
    pod.run(["nft", "-f", "-"], stdin=commands, seconds=LOAD_SECONDS)


def _refused(pod: LabPod, elements: int) -> float:
    """Nanoseconds that sending a datagram takes which is refused."""
    words = [str(c_program(LOOKUPS)), str(elements), str(PACKETS), str(ROUNDS)]
    return statistics.median(float(line) for line in pod.run(words, component="client").stdout.split())


def _settled_memory() -> int:
    """``_kernel_memory`` once it moves no more, or after RELEASE_SECONDS: tables are freed some time after they are deleted."""
    deadline = time.monotonic() + RELEASE_SECONDS
    now = _kernel_memory()
    while time.monotonic() < deadline:
        time.sleep(STILL[0])
        before, now = now, _kernel_memory()
        if abs(now - before) <= STILL[1]:
            break
    return now


def _kernel_memory() -> int:
    """What the machine's kernel holds in slabs that it cannot reclaim, and in vmalloc: where sets of nftables lie. Bytes."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(words[1]) * 1024 for words in lines if words[0] in ("SUnreclaim:", "VmallocUsed:"))
