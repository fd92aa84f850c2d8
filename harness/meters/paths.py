"""Which path requests took, and why: the data plane's own counters, as shares of the load's requests."""

from collections.abc import Callable, Mapping, Sequence

from harness.meters.port import Subject
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.port import LoadResult

KINDS = frozenset(
    kind.value
    for kind in (
        LoadKind.LATENCY, LoadKind.COST, LoadKind.MAXIMUM, LoadKind.CLOSED, LoadKind.BLOCKING, LoadKind.CONNECTIONS,
    )
)  # fmt: skip


class PathReading:
    """What was counted between begin and end."""

    def __init__(self, counts: Callable[[], Mapping[str, int]] | None) -> None:
        self._counts = counts
        self._before: Mapping[str, int] = {}
        self._counted: dict[str, int] = {}

    def begin(self) -> None:
        if self._counts is not None:
            self._before = self._counts()

    def end(self) -> None:
        if self._counts is not None:
            self._counted = {name: after - self._before.get(name, 0) for name, after in self._counts().items()}

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        """For each request of the load that was answered; requests under way at begin and end make it a little more or less."""
        if not load.count:
            return ()
        return [Metric("path_per_request", count / load.count, "1", name) for name, count in self._counted.items()]

    def attachments(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None: ...


class Paths:
    """Counters of data planes that have several paths; nothing on others."""

    name = "paths"
    kinds = KINDS

    def available(self) -> str | None:
        return None

    def open(self, subject: Subject) -> PathReading:
        return PathReading(subject.path_counts)


METERS = (Paths(),)
