"""CPU and memory of real processes in a lab's cgroups."""

import sys
import time

import pytest

from harness.dataplanes.port import Component
from harness.lab.port import Lab, Process
from harness.meters import cpu, memory
from harness.meters.port import Subject
from harness.traffic.port import LoadResult

BURN = 0.3  # seconds of CPU time
BURNER = """
import sys, time
while time.process_time() < float(sys.argv[1]):
    pass
print("done", flush=True)
time.sleep(60)
"""
HOARDER = """
import time
kept = bytearray(b"x" * (32 << 20))
print("ready", flush=True)
time.sleep(60)
"""


def say(process: Process, line: str) -> None:
    deadline = time.monotonic() + 20
    while line not in process.log.read_text():
        assert process.poll() is None, process.log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def subject(pair_lab: Lab) -> Subject:
    client = pair_lab.pod("shop/client")
    return Subject(pair_lab, client, pair_lab.pod("shop/server"), (Component("proxy", client),))


def test_burnt_cpu_is_billed_to_the_component_that_burnt_it(subject: Subject) -> None:
    reading = cpu.METERS[0].open(subject)
    reading.begin()
    burner = subject.client.start([sys.executable, "-c", BURNER, str(BURN)], component="proxy")
    say(burner, "done")
    reading.end()
    burner.stop()
    found = {(m.name, m.component): m.value for m in reading.metrics(LoadResult(1, 0, 1.0))}
    # what the process did before it was in its cgroup is in its own clock, not in the bill; the bill lags by up to a tick
    assert found["cpu_per_request", "client-proxy"] == pytest.approx(BURN, rel=0.1)
    assert found["cpu_user_per_request", "client-proxy"] + found["cpu_system_per_request", "client-proxy"] == pytest.approx(
        found["cpu_per_request", "client-proxy"], abs=1e-5
    )
    assert found["cpu_per_request", "server"] == 0
    assert found["cpu_per_request", ""] == pytest.approx(found["cpu_per_request", "client-proxy"])


def test_memory_is_that_of_the_components_processes(subject: Subject) -> None:
    hoarders = [subject.client.start([sys.executable, "-c", HOARDER], component="proxy") for _ in range(2)]
    for hoarder in hoarders:
        say(hoarder, "ready")
    reading = memory.METERS[0].open(subject)
    reading.begin()
    reading.end()
    for hoarder in hoarders:
        hoarder.stop()
    found = {metric.component: metric.value for metric in reading.metrics(LoadResult(1, 0, 1.0))}
    assert 64 << 20 <= found["client-proxy"] < 128 << 20
    assert found[""] == found["client-proxy"]
