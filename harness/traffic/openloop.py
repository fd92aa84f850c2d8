"""Open-loop loads: requests at a stated rate, whatever the answers do, each timed from when it was meant to be sent."""

from harness.lab.port import LabPod
from harness.model.bench import LoadKind, LoadPoint
from harness.model.result import Metric
from harness.traffic.generator import generate
from harness.traffic.port import Gauge, LoadFailed, LoadResult

SPIN = 100e-6  # seconds before a send that are polled, not slept: what is polled is taken from who could use the processor


MOST_POLLED = 0.4  # of the time, at shares of a capacity: the generator runs first only where it sleeps more than half of it


class OpenLoop:
    """One kind of open loop. ``punctual`` buys punctual sends with CPU time, which cost figures must not contain."""

    def __init__(self, kind: LoadKind, punctual: bool) -> None:
        self.kind = str(kind)
        self._punctual = punctual

    def run(
        self,
        client: LabPod,
        server: LabPod,
        port: int,
        point: LoadPoint,
        rate: float,
        gauge: Gauge,
        *,
        address: str | None = None,
    ) -> LoadResult:
        if rate <= 0:
            raise LoadFailed(f"load {point.name}: an open loop needs a rate; it was given {rate:g} requests a second")
        polled = SPIN if self._punctual else 0.0
        if point.share is not None:  # rates up to what a plane can do at all
            polled = min(polled, MOST_POLLED / rate)
        run = generate(client, address or server.pod.ip(point.family), port, point, rate, gauge, spin=polled)
        metrics = [
            Metric("throughput", run.answered / run.seconds, "1/s"),
            Metric("errors", run.errors, "requests"),
        ]
        if self._punctual:  # without it the lag is that of a sleep's end, and no latency is judged
            metrics.append(Metric("lag_p99", run.lag_p99, "s"))
        return LoadResult(run.count, run.errors, run.seconds, tuple(metrics), run.requests)


LOADS = (OpenLoop(LoadKind.LATENCY, True), OpenLoop(LoadKind.COST, False), OpenLoop(LoadKind.TRACE, False))
