"""The most that a path can do: wrk's closed loop. Its latencies suffer from coordinated omission and are never used."""

import math
import re
from dataclasses import dataclass

from harness.lab.port import LabPod
from harness.model.bench import LoadKind, LoadPoint
from harness.model.result import Metric
from harness.traffic.port import Gauge, LoadResult
from harness.traffic.tool import not_understood, run

GRACE = 15.0  # seconds beyond its duration that wrk may take to end
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
TOTAL = re.compile(r"^\s*(\d+) requests in ([\d.]+)(us|ms|s|m|h),", re.MULTILINE)
RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
SOCKET_ERRORS = re.compile(r"^\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", re.MULTILINE)
BAD_STATUS = re.compile(r"^\s*Non-2xx or 3xx responses: (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Summary:
    """What wrk reports. ``requests`` are answers of any status, ``refused`` those with neither 2xx nor 3xx."""

    requests: int
    seconds: float
    rate: float
    refused: int
    socket_errors: int


def parse(said: str) -> Summary:
    """wrk 4.1's report; raises LoadFailed where it is not one."""
    total, rate = TOTAL.search(said), RATE.search(said)
    if total is None or rate is None:
        raise not_understood("wrk", said)
    broken, refused = SOCKET_ERRORS.search(said), BAD_STATUS.search(said)
    return Summary(
        requests=int(total[1]),
        seconds=float(total[2]) * UNITS[total[3]],
        rate=float(rate[1]),
        refused=int(refused[1]) if refused else 0,
        socket_errors=sum(int(number) for number in broken.groups()) if broken else 0,
    )


class Maximum:
    """As many requests as ``point.connections`` connections of one thread can do."""

    kind = str(LoadKind.MAXIMUM)

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
        address = address or server.pod.ip(point.family)
        url = f"http://{f'[{address}]' if point.family == 6 else address}:{port}{point.path}"
        if point.warmup > 0:
            self._wrk(client, url, point, point.warmup)
        gauge.begin()
        summary = self._wrk(client, url, point, point.seconds)
        gauge.end()
        count = summary.requests - summary.refused
        errors = summary.refused + summary.socket_errors
        share = count / summary.requests if summary.requests else 0.0
        metrics = (Metric("throughput", summary.rate * share, "1/s"), Metric("errors", errors, "requests"))
        return LoadResult(count, errors, summary.seconds, metrics)

    @staticmethod
    def _wrk(client: LabPod, url: str, point: LoadPoint, seconds: float) -> Summary:
        whole = math.ceil(seconds)  # wrk takes whole seconds
        headers = [word for name, value in point.headers for word in ("-H", f"{name}: {value}")]
        argv = ["wrk", "-t", "1", "-c", str(point.connections), "-d", f"{whole}s", *headers, url]
        return parse(run(client, argv, "client", whole + GRACE).stdout)


LOADS = (Maximum(),)
