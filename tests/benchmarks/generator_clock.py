"""Whether a second clock agrees with the generator's, as JSON on standard output. Root; under a minute.

    python tests/benchmarks/generator_clock.py [CASE…]

Each case is a load of numbered requests on a lab of two nodes, while a socket on the client's interface has the kernel stamp
what passes. ``generator`` are percentiles of done - sent as the generator has them, ``interface`` of last byte in - first byte
out as the kernel saw them, of the same requests (µs), ``ratio`` is the one over the other. ``out`` and ``in`` are the legs
between the two: from the generator's reading before send(2) to the interface, and from there to its reading after recv(2).
``drift`` is how far the two clocks went apart during the load (µs); legs are only as good as that, durations do not need it.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.dataplanes import find
from harness.lab import netns
from harness.lab.idle import kept_awake
from harness.lab.port import Lab
from harness.manifests.topology import load_topology
from harness.model.bench import LoadKind, LoadPoint
from harness.traffic.generator import Run, generate
from harness.traffic.nginx import serve
from harness.traffic.openloop import SPIN
from harness.traffic.sightings import Sightings, Witness, realtime_offset, sightings

PERCENTILES = (50, 99, 99.9)


@dataclass(frozen=True, slots=True)
class Case:
    """A load on a plane. A sidecar's client talks to its proxy over loopback, so that is where its packets pass first."""

    plane: str
    rate: float
    interface: str = "eth0"
    seconds: float = 6.0
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
    "plain-10000": Case("plain", 10_000, seconds=4.0),
    "slow-1000": Case("plain", 1000, connections=64, slow=True),
    "sidecar-1000": Case("sidecar", 1000, "lo"),
    "sidecar-3000": Case("sidecar", 3000, "lo"),
    "node-proxy-2000": Case("node-proxy", 2000),
}


def main() -> None:
    """Print every case's figures."""
    topology = load_topology(Path(__file__).resolve().parents[2] / "scenarios" / "topologies" / "pair.yaml")
    results = {}
    with kept_awake():
        for name in sys.argv[1:] or CASES:
            case = CASES[name]
            with ExitStack() as stack:
                lab = stack.enter_context(netns.up(topology))
                stack.enter_context(slow(lab) if case.slow else serve(lab.pod("shop/server"), 8080, lab.folder))
                stack.enter_context(find(case.plane).attach(lab))
                results[name] = compared(lab, case)
    json.dump(results, sys.stdout, indent=2)
    print()


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


def compared(lab: Lab, case: Case) -> Mapping[str, object]:
    """Both clocks' figures of one load."""
    client, server = lab.pod("shop/client"), lab.pod("shop/server")
    point = LoadPoint("clock", LoadKind.LATENCY, case.seconds, 0.5, connections=case.connections, arrivals="fixed")
    with Witness(client, case.interface) as witness:
        before = realtime_offset()
        run = generate(client, server.pod.ip(4), 8080, point, case.rate, Gauge(), spin=SPIN, numbered=True)
        after = realtime_offset()
        seen = sightings(witness.read())
    return figures(run, seen, before, after)


def figures(run: Run, seen: Sightings, before: int, after: int) -> Mapping[str, object]:
    """Percentiles of the measured requests that both have."""
    measured = seen.number >= run.first
    records = run.records[seen.number[measured]]
    asked, answered = seen.asked[measured], seen.answered[measured]
    sent, done = (records[name].astype(np.int64) for name in ("sent", "done"))
    offset = (before + after) // 2
    generator, interface = percentiles(done - sent), percentiles(answered - asked)
    return {
        "requests": len(run.records) - run.first,
        "joined": len(records),
        "errors": run.errors,
        "drift": (after - before) / 1e3,
        "generator": generator,
        "interface": interface,
        "ratio": {name: round(generator[name] / interface[name], 4) for name in generator},
        "out": percentiles(asked - offset - sent),
        "in": percentiles(done - (answered - offset)),
        "lag_p99": run.lag_p99 * 1e6,
    }


def percentiles(values: npt.NDArray[np.int64]) -> dict[str, float]:
    """In µs."""
    return {f"p{each:g}": round(float(np.percentile(values, each)) / 1e3, 2) for each in PERCENTILES}


if __name__ == "__main__":
    main()
