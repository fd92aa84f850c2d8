"""Closed loops of our own: requests of several forms may be mixed, and the client's sockets are what the load says they are."""

from pathlib import Path

from harness.lab.port import LabPod
from harness.model.bench import LoadKind, LoadPoint
from harness.model.result import Metric
from harness.traffic.generator import BLOCKING, SOURCE, generate
from harness.traffic.port import Gauge, LoadResult


class ClosedLoop:
    """``point.connections`` connections, each of which asks again as soon as it has been answered.

    ``service_time_p50`` is what a client of such a loop waits for an answer. It is no latency: nobody meant to ask sooner.
    """

    def __init__(self, kind: LoadKind, source: Path) -> None:
        self.kind = str(kind)
        self._source = source

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
        run = generate(client, address or server.pod.ip(point.family), port, point, 0.0, gauge, spin=0.0, source=self._source)
        metrics = (
            Metric("throughput", run.answered / run.seconds, "1/s"),
            Metric("service_time_p50", run.service_time_p50, "s"),
            Metric("errors", run.errors, "requests"),
        )
        return LoadResult(run.count, run.errors, run.seconds, metrics)


LOADS = (ClosedLoop(LoadKind.CLOSED, SOURCE), ClosedLoop(LoadKind.BLOCKING, BLOCKING))
