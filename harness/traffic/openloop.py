"""Open-loop loads: requests at a stated rate, whatever the answers do, each timed from when it was meant to be sent."""

from harness.lab.port import LabPod
from harness.model.bench import LoadKind, LoadPoint
from harness.model.result import Metric
from harness.traffic.generator import generate
from harness.traffic.port import Gauge, LoadFailed, LoadResult

SPIN = 300e-6  # seconds before a send that are polled away; a sleep may end that late in a virtual machine
LEAST_SPIN = 100e-6  # below this much, polling all the time is as good
MOST_POLLED = 0.25  # share of the time: what is polled away is taken from a processor that a sidecar could use


def spin(rate: float) -> float:
    """Seconds before each of ``rate`` sends a second that are polled, not slept."""
    return max(min(SPIN, MOST_POLLED / rate), LEAST_SPIN)


class OpenLoop:
    """One kind of open loop. ``punctual`` buys punctual sends with CPU time, which cost figures must not contain."""

    def __init__(self, kind: LoadKind, punctual: bool) -> None:
        self.kind = str(kind)
        self._punctual = punctual

    def run(self, client: LabPod, server: LabPod, port: int, point: LoadPoint, rate: float, gauge: Gauge) -> LoadResult:
        if rate <= 0:
            raise LoadFailed(f"load {point.name}: an open loop needs a rate; it was given {rate:g} requests a second")
        polled = spin(rate) if self._punctual else 0.0
        run = generate(client, server.pod.ip(point.family), port, point, rate, gauge, spin=polled)
        metrics = [
            Metric("throughput", run.answered / run.seconds, "1/s"),
            Metric("errors", run.errors, "requests"),
        ]
        if self._punctual:  # without it the lag is that of a sleep's end, and no latency is judged
            metrics.append(Metric("lag_p99", run.lag_p99, "s"))
        return LoadResult(run.count, run.errors, run.seconds, tuple(metrics), run.requests)


LOADS = (OpenLoop(LoadKind.LATENCY, True), OpenLoop(LoadKind.COST, False), OpenLoop(LoadKind.TRACE, False))
