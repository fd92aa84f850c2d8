"""Whether the generator can be believed: two figures, as JSON on standard output. Root; about half a minute.

    python tests/benchmarks/generator.py

``stall``: p99 that it reports of a server that stalls 200 ms every 2 s, beside what the stalls' own log says it must be.
``rate``: its p99 lag over the cell's p50 at 20,000 requests a second against nginx on the same node, ten runs. Before
each it waits for an idle machine, at most 20 s; ``foreign`` is the share of the machine that others used during the run.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.lab import netns
from harness.lab.build import c_program
from harness.lab.idle import kept_awake
from harness.lab.port import Lab, LabPod
from harness.model.bench import LoadKind, LoadPoint
from harness.model.topology import Namespace, Pod, Topology
from harness.traffic.generator import Run, generate
from harness.traffic.nginx import serve
from harness.traffic.openloop import SPIN

STALLING = Path(__file__).resolve().parents[1] / "servers" / "stalling.c"
TOPOLOGY = Topology("generator", ("n1",), (Namespace("b", {}),), (Pod("client", "b", "n1"), Pod("server", "b", "n1")))
RUNS = 10
IDLE = 0.95  # of the machine, before a run begins
PATIENCE = 20.0  # seconds to wait for that


class NoGauge:
    """Reads nothing."""

    def begin(self) -> None: ...

    def end(self) -> None: ...


def main() -> None:
    """Print both figures."""
    with kept_awake(), netns.up(TOPOLOGY) as lab:
        json.dump({"stall": stall(lab.pod("b/client")), "rate": rate(lab)}, sys.stdout, indent=2)
    print()


def latencies(run: Run) -> np.ndarray:
    """From intended time, in seconds; a request without an answer took for ever."""
    requests = run.requests
    taken = (requests.done.astype(np.int64) - requests.intended.astype(np.int64)) / 1e9
    return np.where(requests.done > 0, taken, np.inf)


def stall(pod: LabPod) -> Mapping[str, float]:
    """Reported and true p99; the server is on the pod's loopback."""
    server = pod.start([str(c_program(STALLING)), "2", "0.2"], component="server")
    try:
        while not (lines := server.log.read_text().split()):
            time.sleep(0.01)
        point = LoadPoint("stall", LoadKind.LATENCY, seconds=8, warmup=0.5, connections=16, arrivals="fixed")
        run = generate(pod, "127.0.0.1", int(lines[0]), point, 1000, NoGauge(), spin=SPIN)
    finally:
        server.stop()
    times = [int(word) for word in server.log.read_text().split()[1:]]
    intended = run.requests.intended.astype(np.int64)
    waited = np.zeros(len(intended))
    for begin, end in zip(times[::2], times[1::2], strict=False):
        inside = (intended >= begin) & (intended < end)
        waited[inside] = (end - intended[inside]) / 1e9
    reported, truth = (float(np.percentile(values, 99)) for values in (latencies(run), waited))
    return {"reported_p99": reported, "true_p99": truth, "ratio": reported / truth}


def rate(lab: Lab) -> Mapping[str, object]:
    """The median over runs of p99 lag over p50, and every run."""
    client, server = lab.pod("b/client"), lab.pod("b/server")
    point = LoadPoint("rate", LoadKind.LATENCY, seconds=1, warmup=0.5, connections=32, arrivals="fixed")
    runs = []
    with serve(server, 8080, lab.folder):
        for _ in range(RUNS):
            await_idle()
            busy, ours = machine_seconds(), lab_seconds(lab)
            began = time.monotonic()
            run = generate(client, server.pod.ip(4), 8080, point, 20_000, NoGauge(), spin=SPIN)
            took = time.monotonic() - began
            foreign = (machine_seconds() - busy - (lab_seconds(lab) - ours)) / took / (os.cpu_count() or 1)
            p50 = float(np.percentile(latencies(run), 50))
            runs.append(
                {
                    "rate": run.answered / run.seconds,
                    "errors": run.errors,
                    "p50": p50,
                    "p99": float(np.percentile(latencies(run), 99)),
                    "lag_p99": run.lag_p99,
                    "lag_p99_over_p50": run.lag_p99 / p50,
                    "foreign": round(foreign, 3),
                }
            )
    return {"median_lag_p99_over_p50": statistics.median(run["lag_p99_over_p50"] for run in runs), "runs": runs}


def await_idle() -> None:
    """Until half a second was idle, or patience ends: a contended processor tells nothing of the generator."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        busy, began = machine_seconds(), time.monotonic()
        time.sleep(0.5)
        if machine_seconds() - busy < (1 - IDLE) * (time.monotonic() - began) * (os.cpu_count() or 1):
            return


def machine_seconds() -> float:
    """CPU seconds that this machine was busy since it started."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def lab_seconds(lab: Lab) -> float:
    """CPU seconds of the lab's pods, and of this process."""
    used = sum(float(_usage(pod)) for pod in lab.pods) / 1e6
    return used + time.process_time()


def _usage(pod: LabPod) -> str:
    stat = (pod.cgroup / "cpu.stat").read_text().split()
    return stat[stat.index("usage_usec") + 1]


if __name__ == "__main__":
    main()
