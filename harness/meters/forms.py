"""Latency of each form of a mixed load by itself. Asked for by name: loads of a comparison are judged as a whole."""

from collections.abc import Mapping, Sequence

import numpy as np

from harness.meters.latency import histogram_of, percentile
from harness.meters.port import MeterError, Subject
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.port import LoadResult


class FormReading:
    """Reads nothing itself: the load logged every request's form and times."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def begin(self) -> None: ...

    def end(self) -> None: ...

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        if load.requests is None:
            raise MeterError("latency cannot be read of a load that logs no requests; use one of kind `latency`")
        requests = load.requests
        answered = (requests.done > 0) & (requests.status // 100 == 2)
        found = []
        for form, name in enumerate(self._names):
            mine = requests.form == form
            histogram = histogram_of((requests.done - requests.intended)[mine & answered])
            failed = int(np.count_nonzero(mine & ~answered))
            if mine.any():
                found.append(Metric("latency_p50", percentile(histogram, 50, failed), "s", name))
        return found

    def attachments(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None: ...


class Forms:
    """``latency_p50`` of each form, under the names given for the load's own and those of its mix, in their order."""

    name = "forms"
    kinds = frozenset({LoadKind.LATENCY.value})

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def available(self) -> str | None:
        return None

    def open(self, subject: Subject) -> FormReading:
        return FormReading(self._names)
