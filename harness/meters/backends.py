"""How the requests to a Service were shared among the pods behind it, as their servers counted them."""

import http.client
import re
from collections.abc import Mapping, Sequence

from harness.lab.port import LabPod
from harness.meters.paths import KINDS
from harness.meters.port import MeterError, Subject
from harness.model.bench import LoadKind
from harness.model.result import Metric
from harness.traffic.nginx import STATUS
from harness.traffic.port import LoadResult

SECONDS = 2.0
_COUNTS = re.compile(r"^\s*(\d+) (\d+) (\d+)\s*$", re.MULTILINE)  # accepted, handled, requests


def requests_read(pod: LabPod, port: int) -> int:
    """How many requests the pod's nginx has read, this one included. Raises MeterError."""
    with pod.entered():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        try:
            connection.request("GET", STATUS)
            said = connection.getresponse().read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise MeterError(f"{pod.pod.ref}: nginx does not say how many requests it has read: {error}") from error
        finally:
            connection.close()
    counts = _COUNTS.search(said)
    if counts is None:
        raise MeterError(f"{pod.pod.ref}: nginx's {STATUS} cannot be understood: {said[:80]!r}")
    return int(counts[3])


class BackendReading:
    """What each backend read between begin and end. Each look is a request itself, and left out."""

    def __init__(self, pods: Sequence[LabPod], port: int) -> None:
        self._pods = pods
        self._port = port
        self._before: Mapping[str, int] = {}
        self._read: dict[str, int] = {}

    def begin(self) -> None:
        self._before = self._counts()

    def end(self) -> None:
        self._read = {ref: after - self._before[ref] - 1 for ref, after in self._counts().items()}

    def _counts(self) -> dict[str, int]:
        return {pod.pod.ref: requests_read(pod, self._port) for pod in self._pods}

    def metrics(self, load: LoadResult) -> Sequence[Metric]:
        """Each backend's share of what all of them read."""
        total = sum(self._read.values())
        return [Metric("backend_share", count / total, "1", ref) for ref, count in self._read.items()] if total else ()

    def attachments(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None: ...


class Backends:
    """Shares of the backends of a Service; nothing where a pod is asked itself."""

    name = "backends"
    kinds = KINDS - {LoadKind.LATENCY.value}  # a look is a request itself

    def available(self) -> str | None:
        return None

    def open(self, subject: Subject) -> BackendReading:
        return BackendReading(subject.backends, subject.port)


METERS = (Backends(),)
