"""Bulk: one TCP stream as fast as it goes, by iperf3."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness.lab.port import LabPod, Process
from harness.model.bench import LoadKind, LoadPoint
from harness.model.result import Metric
from harness.traffic.port import Gauge, LoadFailed, LoadResult
from harness.traffic.tool import failure, not_understood, start

PORT = 5201  # iperf3's own; a scenario's port is held by its HTTP server
GRACE = 15.0  # seconds beyond its duration that iperf3 may take to end
READY = 5.0  # seconds that its server may take to listen
POLL = 0.01


def parse(said: str) -> tuple[int, float]:
    """Bytes that the receiver got and the seconds it took, warm-up left out; raises LoadFailed with iperf3's own error."""
    try:
        report = json.loads(said)
        if "error" in report:
            raise LoadFailed(f"iperf3: {report['error']}")
        received = report["end"]["sum_received"]
        return int(received["bytes"]), float(received["seconds"])
    except (ValueError, KeyError, TypeError):
        raise not_understood("iperf3", said) from None


class Bulk:
    """One stream from client to server on iperf3's own port, whatever is asked. ``count`` is bytes received."""

    kind = str(LoadKind.BULK)

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
        warmup, seconds = math.ceil(point.warmup), math.ceil(point.seconds)  # --omit takes whole seconds
        argv = [
            "iperf3", f"-{point.family}", "-c", server.pod.ip(point.family), "-p", str(PORT), "-J", "-P", "1",
            "-t", str(seconds), "-O", str(warmup), "--connect-timeout", "5000",
        ]  # fmt: skip
        with _server(server):
            process = start(client, argv, "client")
            try:
                _sleep(process, warmup)
                gauge.begin()
                status = _end(process, seconds + GRACE)
                gauge.end()
            finally:
                process.stop()
        said = process.log.read_text(errors="replace")
        size, took = parse(said)
        if status != 0:
            raise failure("iperf3", status, said)
        return LoadResult(size, 0, took, (Metric("bulk", size * 8 / took, "bit/s"),))


@contextmanager
def _server(pod: LabPod) -> Iterator[None]:
    """iperf3's server for one test, listening on both families."""
    process = start(pod, ["iperf3", "-s", "-1", "-p", str(PORT), "--forceflush"], "server")
    try:
        deadline = time.monotonic() + READY
        while "Server listening" not in process.log.read_text(errors="replace"):
            status = process.poll()
            if status is not None:
                raise failure(f"iperf3's server in {pod.pod.ref}", status, process.log.read_text(errors="replace"))
            if time.monotonic() > deadline:
                raise LoadFailed(f"iperf3's server in {pod.pod.ref} does not listen on port {PORT} after {READY:g} s")
            time.sleep(POLL)
        yield
    finally:
        process.stop()


def _sleep(process: Process, seconds: float) -> None:
    """Wait out the warm-up, or less where the process ends before."""
    try:
        process.wait(seconds)
    except TimeoutError:
        return


def _end(process: Process, seconds: float) -> int:
    try:
        return process.wait(seconds)
    except TimeoutError as error:
        raise LoadFailed(f"iperf3 hangs: {error}") from error


LOADS = (Bulk(),)
