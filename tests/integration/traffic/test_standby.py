"""The generator's second thread: sends what the first one is kept from sending."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from harness.lab import netns
from harness.lab.idle import kept_awake
from harness.lab.netns import NetnsLab
from harness.model.bench import LoadKind, LoadPoint
from harness.model.topology import Namespace, Pod, Topology
from harness.traffic.generator import generate
from harness.traffic.nginx import serve
from harness.traffic.openloop import SPIN

TOPOLOGY = Topology("standby", ("n1",), (Namespace("b", {}),), (Pod("client", "b", "n1"), Pod("server", "b", "n1")))
RATE = 1000
TAKEN, TIMES = 0.008, 20  # seconds that the processor is taken away for, shorter than free connections last; how often
HOG = f"""
import os, time
os.sched_setaffinity(0, {{0}})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
for _ in range({TIMES}):
    end = time.monotonic() + {TAKEN}
    while time.monotonic() < end:
        pass
    time.sleep(0.02)
"""


class NoGauge:
    def begin(self) -> None: ...

    def end(self) -> None: ...


@pytest.fixture(scope="module")
def pair() -> Iterator[NetnsLab]:
    with kept_awake(), netns.up(TOPOLOGY) as lab, serve(lab.pod("b/server"), 8080, lab.folder):
        yield lab


def late_sends(lab: NetnsLab, first_on: set[int], all_on: set[int]) -> int:
    """How many sends were over half of TAKEN late while a real-time program took processor 0 away again and again."""
    client, server = lab.pod("b/client"), lab.pod("b/server")
    point = LoadPoint("latency", LoadKind.LATENCY, rate=RATE, seconds=1.2, warmup=0.1, connections=16)

    def disturb() -> None:
        tasks = client.component_cgroup("client") / "cgroup.procs"
        deadline = time.monotonic() + 10
        while not (pids := tasks.read_text().split()) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)  # past the shell that becomes the generator, and its connecting
        os.sched_setaffinity(int(pids[0]), first_on)
        subprocess.run([sys.executable, "-c", HOG], check=True, timeout=30)

    mine = os.sched_getaffinity(0)
    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        os.sched_setaffinity(0, all_on)
        run = generate(client, server.pod.ip(4), 8080, point, RATE, NoGauge(), spin=SPIN)
    finally:
        os.sched_setaffinity(0, mine)
        disturbing.join()
    assert run.errors == 0
    return int(np.count_nonzero(run.requests.lag > TAKEN / 2 * 1e9))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is no second processor to stand by on")
def test_the_second_thread_sends_while_the_firsts_processor_is_taken_away(pair: NetnsLab) -> None:
    alone = late_sends(pair, {0}, {0})
    assert alone > TIMES  # the disturbance disturbs
    assert late_sends(pair, {0}, os.sched_getaffinity(0)) < alone / 4
