"""New connections: a closed loop that connects, sends one request, reads its answer and closes, over and over."""

from harness.lab.port import LabPod
from harness.model.bench import LoadKind, LoadPoint
from harness.model.result import Metric
from harness.traffic.generator import generate
from harness.traffic.port import Gauge, LoadResult


class NewConnections:
    """``point.connections`` of them at any time; the rate is whatever that gives."""

    kind = str(LoadKind.CONNECTIONS)

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
        run = generate(client, address or server.pod.ip(point.family), port, point, 0.0, gauge, spin=0.0, fresh=True)
        metrics = (
            Metric("throughput", run.answered / run.seconds, "1/s"),
            Metric("errors", run.errors, "requests"),
        )
        return LoadResult(run.count, run.errors, run.seconds, metrics)


LOADS = (NewConnections(),)
