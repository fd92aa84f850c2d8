"""Loads against a server on loopback: what they measure, and what they say when their tool fails."""

import json
import os
import signal
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hostile import OK, say, serving
from loopback import LocalPod

from harness.model.bench import LoadKind, LoadPoint
from harness.traffic import iperf3, registered, wrk
from harness.traffic.port import LoadFailed, LoadResult


@dataclass
class Gauge:
    calls: list[str] = field(default_factory=list)

    def begin(self) -> None:
        self.calls.append("begin")

    def end(self) -> None:
        self.calls.append("end")


def run(kind: LoadKind, local: LocalPod, port: int, gauge: Gauge, rate: float = 500.0) -> LoadResult:
    point = LoadPoint("test", kind, seconds=0.3, warmup=0.1, connections=4)
    return registered()[kind].run(local, local, port, point, rate, gauge)


def test_every_kind_of_load_is_there() -> None:
    assert set(registered()) == set(LoadKind)


@pytest.mark.parametrize("kind", [LoadKind.LATENCY, LoadKind.COST, LoadKind.TRACE])
def test_open_loop_gives_the_times_of_every_request(kind: LoadKind, local: LocalPod, steady: SimpleNamespace) -> None:
    gauge = Gauge()
    result = run(kind, local, steady.port, gauge)
    metrics = {metric.name: metric.value for metric in result.metrics}
    assert gauge.calls == ["begin", "end"]
    assert result.requests is not None
    assert len(result.requests.done) == pytest.approx(150, abs=75)
    assert result.requests.done.all()
    assert 0 < result.count <= len(result.requests.done) + 4
    assert result.errors == metrics["errors"] == 0
    assert metrics["throughput"] == pytest.approx(len(result.requests.done) / result.seconds)
    assert ("lag_p99" in metrics) == (kind is LoadKind.LATENCY)


@pytest.mark.parametrize("kind", [LoadKind.CONNECTIONS, LoadKind.MAXIMUM, LoadKind.CLOSED, LoadKind.BLOCKING])
def test_closed_loop_gives_its_rate(kind: LoadKind, local: LocalPod, steady: SimpleNamespace) -> None:
    gauge = Gauge()
    result = run(kind, local, steady.port, gauge)
    metrics = {metric.name: metric.value for metric in result.metrics}
    assert gauge.calls == ["begin", "end"]
    assert result.count > 0
    assert result.errors == 0
    assert metrics["throughput"] * result.seconds == pytest.approx(result.count, rel=0.2)


def test_refusals_are_errors_not_throughput(local: LocalPod) -> None:
    with serving(say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) as port:
        for kind in (LoadKind.LATENCY, LoadKind.CONNECTIONS, LoadKind.MAXIMUM, LoadKind.CLOSED, LoadKind.BLOCKING):
            result = run(kind, local, port, Gauge(), rate=50)
            assert result.count == 0
            assert result.errors > 0
            assert result.metrics[0].value == 0


@pytest.mark.parametrize("kind", [LoadKind.CLOSED, LoadKind.BLOCKING])
def test_closed_loops_of_our_own_say_how_long_an_answer_took(kind: LoadKind, local: LocalPod, steady: SimpleNamespace) -> None:
    metrics = {metric.name: metric for metric in run(kind, local, steady.port, Gauge()).metrics}
    answers = metrics["throughput"].value * metrics["service_time_p50"].value  # under way at a time, by Little's law
    assert metrics["service_time_p50"].unit == "s"
    assert 0 < answers <= 4 * 1.5


def test_open_loop_without_a_rate_is_refused(local: LocalPod, steady: SimpleNamespace) -> None:
    with pytest.raises(LoadFailed, match="load test: an open loop needs a rate"):
        run(LoadKind.LATENCY, local, steady.port, Gauge(), rate=0)


@pytest.mark.parametrize("kind", [LoadKind.LATENCY, LoadKind.CONNECTIONS, LoadKind.MAXIMUM])
def test_server_that_is_not_there_is_named(kind: LoadKind, local: LocalPod) -> None:
    with serving(say(OK)) as port:
        pass
    with pytest.raises(LoadFailed, match=r"(openloop|wrk) .*ended with status \d: .*127\.0\.0\.1.*Connection refused"):
        run(kind, local, port, Gauge())


def test_generator_that_is_killed_is_named_with_the_signal(local: LocalPod, steady: SimpleNamespace) -> None:
    class Killer(Gauge):
        def begin(self) -> None:
            os.kill(local.started[-1].pid, signal.SIGKILL)

    with pytest.raises(LoadFailed, match="openloop was killed by SIGKILL: begin"):
        run(LoadKind.LATENCY, local, steady.port, Killer())


def test_generator_does_not_outlive_a_gauge_that_fails(local: LocalPod, steady: SimpleNamespace) -> None:
    class Broken(Gauge):
        def begin(self) -> None:
            raise RuntimeError("no counter")

    with pytest.raises(RuntimeError, match="no counter"):
        run(LoadKind.LATENCY, local, steady.port, Broken())
    assert local.started[-1].poll() is not None


@pytest.mark.parametrize("kind", [LoadKind.MAXIMUM, LoadKind.BULK])
def test_tool_that_is_not_installed_is_named(kind: LoadKind, local: LocalPod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(LoadFailed, match=r"(wrk|iperf3) is not installed"):
        run(kind, local, 1, Gauge())


WRK = """Running 2s test @ http://10.0.0.2:8080/1k
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   512.11us  301.57us  12.40ms   93.86%
    Req/Sec    61.00k     3.12k   66.78k    85.00%
  121412 requests in {time}, 146.91MB read
{notes}Requests/sec:  60612.34
Transfer/sec:     73.34MB
"""


@pytest.mark.parametrize(("time", "seconds"), [("2.00s", 2.0), ("1.50m", 90.0), ("850.00ms", 0.85)])
def test_wrk_report_is_read(time: str, seconds: float) -> None:
    assert wrk.parse(WRK.format(time=time, notes="")) == wrk.Summary(121412, pytest.approx(seconds), 60612.34, 0, 0)


def test_wrk_errors_are_read() -> None:
    notes = "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 412\n"
    summary = wrk.parse(WRK.format(time="2.00s", notes=notes))
    assert summary.socket_errors == 4321
    assert summary.refused == 412


@pytest.mark.parametrize("said", ["", "Segmentation fault", WRK[:200]])
def test_wrk_report_that_is_cut_short_is_refused(said: str) -> None:
    with pytest.raises(LoadFailed, match="wrk printed what cannot be understood"):
        wrk.parse(said)


def test_iperf3_report_is_read() -> None:
    report = {"start": {}, "end": {"sum_sent": {"bytes": 9}, "sum_received": {"bytes": 1250, "seconds": 2.5}}}
    assert iperf3.parse(json.dumps(report)) == (1250, 2.5)


def test_iperf3_says_its_own_error() -> None:
    with pytest.raises(LoadFailed, match="iperf3: unable to connect to server"):
        iperf3.parse('{"start": {}, "error": "unable to connect to server"}')


@pytest.mark.parametrize("said", ["", "{}", '{"end": {}}', '{"end": {"sum_received": {"bytes": "many", "seconds": 1}}}', "[]"])
def test_iperf3_report_that_is_cut_short_is_refused(said: str) -> None:
    with pytest.raises(LoadFailed, match="iperf3 printed what cannot be understood"):
        iperf3.parse(said)
