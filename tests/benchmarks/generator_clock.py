"""Whether other clocks agree with the generator's, as JSON on standard output. Root; about four minutes.

    python tests/benchmarks/generator_clock.py [CASE…]

Each case is a load of numbered requests on a lab of two nodes. Three clocks time each answered request, figures in µs:
``generator`` is done - sent as the generator has them; ``calls`` is from the entry of its send(2) to the exit of the recv(2)
that completed the answer, stamped by a BPF program; ``interface`` is from the first byte out to the last byte in, stamped by
the kernel for a packet socket. ``ratio`` is the generator's percentiles over each of the others', ``within`` whether all of
them are within 2 %. ``legs`` is what lies between, in order of time: ``before`` the call, ``out`` to the interface, ``in`` from
there, and ``after`` the call; out and in are between two stamps of the kernel's. ``astray`` counts requests that an outer clock
does not enclose, and ``drift`` is how far the kernel's two clocks went apart during a load at most: out and in are only as good
as that, and nothing else needs it.

The loads are taken in turns: unobserved, with the interface's stamps, and with both. ``cost`` has the generator's p50 of each:
what observing changes, where the machine is quiet. Exit status 0 where the generator agrees with its calls in every case, and
with the interface where requests are slow, and nothing is astray; 1 otherwise.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.dataplanes import find
from harness.lab import netns
from harness.lab.idle import kept_awake
from harness.lab.port import Lab
from harness.manifests.topology import load_topology
from harness.meters import client_calls
from harness.meters.three_clocks import Clocks, Times, agree, aligned, percentiles, pooled, ratios
from harness.model.bench import LoadKind, LoadPoint
from harness.traffic.generator import Run, generate
from harness.traffic.nginx import serve
from harness.traffic.openloop import SPIN
from harness.traffic.sightings import Witness, realtime_offset, sightings

ROUNDS = 3  # turns of each kind of load
SLACK = 1000  # ns: how well the distance of the kernel's clocks is known; reading two clocks takes less


@dataclass(frozen=True, slots=True)
class Case:
    """A load on a plane. A sidecar's client talks to its proxy over loopback, so that is where its packets pass first."""

    plane: str
    rate: float
    interface: str = "eth0"
    seconds: float = 2.0
    connections: int = 32
    slow: bool = False


# Answers after 5 ms, every fiftieth time after 20 and every five hundredth after 60: beside such waits the legs are short.
SLOW = """
import asyncio
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Length: 1024\\r\\n\\r\\n" + b"x" * 1024
class Server(asyncio.Protocol):
    count = 0
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data):
        Server.count += 1
        wait = 0.06 if Server.count % 500 == 0 else 0.02 if Server.count % 50 == 0 else 0.005
        asyncio.get_running_loop().call_later(wait, self.transport.write, HEAD)
async def main():
    server = await asyncio.get_running_loop().create_server(Server, "0.0.0.0", 8080)
    print("ready", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

CASES = {
    "plain-1000": Case("plain", 1000),
    "plain-5000": Case("plain", 5000),
    "plain-10000": Case("plain", 10_000),
    "slow-1000": Case("plain", 1000, connections=64, slow=True),
    "sidecar-1000": Case("sidecar", 1000, "lo"),
    "sidecar-3000": Case("sidecar", 3000, "lo"),
    "node-proxy-2000": Case("node-proxy", 2000),
}


def main() -> None:
    """Print every case's figures."""
    topology = load_topology(Path(__file__).resolve().parents[2] / "scenarios" / "topologies" / "pair.yaml")
    results, agreed = {}, True
    with kept_awake():
        for name in sys.argv[1:] or CASES:
            case = CASES[name]
            with ExitStack() as stack:
                lab = stack.enter_context(netns.up(topology))
                stack.enter_context(slow(lab) if case.slow else serve(lab.pod("shop/server"), 8080, lab.folder))
                stack.enter_context(find(case.plane).attach(lab))
                clocks, others = measured(lab, case)
            agreed &= agree(clocks.generator, clocks.calls)
            agreed &= not case.slow or agree(clocks.generator, clocks.interface)
            agreed &= not clocks.astray(SLACK)
            results[name] = figures(clocks) | others
    json.dump(results, sys.stdout, indent=2)
    print()
    sys.exit(not agreed)


@contextmanager
def slow(lab: Lab) -> Iterator[None]:
    """A server that lets its clients wait."""
    server = lab.pod("shop/server").start([sys.executable, "-c", SLOW], component="server")
    try:
        while "ready" not in server.log.read_text():
            time.sleep(0.01)
        yield
    finally:
        server.stop()


class Gauge:
    """Reads nothing."""

    def begin(self) -> None: ...

    def end(self) -> None: ...


def measured(lab: Lab, case: Case) -> tuple[Clocks, dict[str, object]]:
    """What all clocks saw of a case, and figures of its loads that need the generator's alone."""
    unobserved, beside, clocks, runs, drifts = [], [], [], [], []
    for _ in range(ROUNDS):
        unobserved.append(durations(load(lab, case)))
        with Witness(lab.pod("shop/client"), case.interface):
            beside.append(durations(load(lab, case)))
        run, seen, drift = observed(lab, case)
        clocks.append(seen)
        runs.append(run)
        drifts.append(drift)
    both = pooled(clocks)
    cost = {"unobserved": np.concatenate(unobserved), "interface": np.concatenate(beside), "both": both.generator}
    return both, {
        "cost": {name: rounded(percentiles(values))["p50"] for name, values in cost.items()},
        "drift": max(drifts),
        "errors": sum(run.errors for run in runs),
        "lag_p99": round(max(run.lag_p99 for run in runs) * 1e6, 2),
    }


def load(lab: Lab, case: Case) -> Run:
    """One load of numbered requests."""
    point = LoadPoint("clock", LoadKind.LATENCY, case.seconds, 0.5, connections=case.connections, arrivals="fixed")
    client, server = lab.pod("shop/client"), lab.pod("shop/server")
    return generate(client, server.pod.ip(4), 8080, point, case.rate, Gauge(), spin=SPIN, numbered=True)


def durations(run: Run) -> Times:
    """What the generator says of the measured requests that were answered, in ns."""
    requests = run.requests
    return (requests.done.astype(np.int64) - requests.sent.astype(np.int64))[requests.done > 0]


def observed(lab: Lab, case: Case) -> tuple[Run, Clocks, float]:
    """One load with both observers, and how far the kernel's clocks went apart meanwhile (µs)."""
    client = lab.pod("shop/client")
    with Witness(client, case.interface) as interface, client_calls.CallWitness(client) as calls:
        before = realtime_offset()
        run = load(lab, case)
        after = realtime_offset()
        clocks = aligned(run, client_calls.sightings(calls.read()), sightings(interface.read()), (before + after) // 2)
    return run, clocks, abs(after - before) / 1e3


def figures(clocks: Clocks) -> dict[str, object]:
    """Percentiles of each clock and of what lies between, and whether they agree."""
    others = {"calls": clocks.calls, "interface": clocks.interface}
    legs = {
        "before": clocks.entered - clocks.sent,
        "out": clocks.asked - clocks.entered,
        "in": clocks.left - clocks.answered,
        "after": clocks.done - clocks.left,
    }
    return {
        "requests": len(clocks.sent),
        "generator": rounded(percentiles(clocks.generator)),
        **{name: rounded(percentiles(values)) for name, values in others.items()},
        "ratio": {name: rounded(ratios(clocks.generator, values), 4) for name, values in others.items()},
        "within": {name: agree(clocks.generator, values) for name, values in others.items()},
        "legs": {name: rounded(percentiles(values)) for name, values in legs.items()},
        "astray": clocks.astray(SLACK),
    }


def rounded(values: Mapping[str, float], digits: int = 2) -> dict[str, float]:
    """For reading."""
    return {name: round(value, digits) for name, value in values.items()}


if __name__ == "__main__":
    main()
