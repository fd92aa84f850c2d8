"""One cell: a load on an attached data plane, with every meter that reads in loads of its kind."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from harness.meters.port import Meter, Reading, Subject
from harness.model.bench import LoadKind, LoadPoint
from harness.model.result import Metric
from harness.traffic.port import Load, Requests

LAG_SHARE = 0.1  # of the cell's p50: a generator later than this at its p99 measured itself


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one cell gave; ``void`` says why it does not count, or is None."""

    metrics: Sequence[Metric]
    attachments: Mapping[str, str] = field(default_factory=dict)
    requests: Requests | None = None
    void: str | None = None


class _Gauges:
    """All readings as one gauge."""

    def __init__(self, readings: Sequence[Reading]) -> None:
        self._readings = readings

    def begin(self) -> None:
        for reading in self._readings:
            reading.begin()

    def end(self) -> None:
        for reading in reversed(self._readings):
            reading.end()


def measure(
    load: Load, meters: Sequence[Meter], subject: Subject, asked: tuple[str, int], point: LoadPoint, rate: float
) -> Outcome:
    """Run the load once, at the address and port ``asked``. Raises LoadFailed or MeterError."""
    with ExitStack() as stack:
        readings = []
        for meter in meters:
            if point.kind in meter.kinds:
                reading = meter.open(subject)
                stack.callback(reading.close)
                readings.append(reading)
        address, port = asked
        result = load.run(subject.client, subject.server, port, point, rate, _Gauges(readings), address=address)
        metrics = [*result.metrics, *(metric for reading in readings for metric in reading.metrics(result))]
        attachments = {name: text for reading in readings for name, text in reading.attachments().items()}
    if result.count == 0:
        return Outcome(metrics, void=f"no request was answered ({result.errors} errors)")
    return Outcome(metrics, attachments, result.requests, _late(point, metrics))


def _late(point: LoadPoint, metrics: Sequence[Metric]) -> str | None:
    """Why the generator's own lag voids a latency cell, or None (DESIGN rule: p99 lag at most a tenth of p50)."""
    if point.kind is not LoadKind.LATENCY:
        return None
    values = {metric.name: metric.value for metric in metrics if not metric.component}
    lag, p50 = values["lag_p99"], values["latency_p50"]
    if lag <= LAG_SHARE * p50:
        return None
    return f"the generator's own p99 lag, {lag * 1e6:.0f} µs, exceeds a tenth of the p50, {p50 * 1e6:.0f} µs"
