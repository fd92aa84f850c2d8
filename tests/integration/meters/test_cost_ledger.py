"""The cost ledger on a real lab: it closes, a known cost stands in its line, and packets in that of their namespace."""

import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.campaign.cell import measure
from harness.campaign.plan import Arm
from harness.campaign.rig import asked_at, attached, labs, put_in_force
from harness.dataplanes import find
from harness.dataplanes.port import Component
from harness.lab.port import Lab, Process
from harness.manifests.bench import load_bench
from harness.meters import account, events
from harness.meters.port import Subject
from harness.model.bench import LoadKind, LoadPoint
from harness.traffic import registered
from harness.traffic.port import LoadResult

Figures = dict[tuple[str, str], float]
CROSS_NODE = Path(__file__).parents[3] / "scenarios" / "bench" / "http-cross-node.yaml"
CLOSES = 0.05
BURN = 0.4  # seconds of CPU time
BURNER = """
import signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
print("parked", flush=True)
signal.sigwait({signal.SIGUSR1})
began = time.thread_time()
while time.thread_time() < began + float(sys.argv[1]):
    pass
print("burnt", time.thread_time() - began, flush=True)
time.sleep(60)
"""
DATAGRAMS = 4000
SENDER = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[2])):
    sender.sendto(b"x" * 64, (sys.argv[1], 9))
print("sent", flush=True)
"""
SINK = """
import socket, time
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sink.bind(("", 9))
print("bound", flush=True)
time.sleep(60)
"""


def printed(process: Process, word: str) -> str:
    """What the process has printed, once ``word`` is in it."""
    deadline = time.monotonic() + 30
    while word not in (said := process.log.read_text()):
        assert process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.005)
    return said


def read(subject: Subject, act: Callable[[], None]) -> Figures:
    """The ledger of what happens in ``act``, as of one request."""
    reading = account.METERS[0].open(subject)
    try:
        reading.begin()
        act()
        reading.end()
        return {(metric.name, metric.component): metric.value for metric in reading.metrics(LoadResult(1, 0, 1.0))}
    finally:
        reading.close()


def lines(figures: Figures) -> dict[str, float]:
    return {component: value for (name, component), value in figures.items() if name == "cpu_ledger_per_request"}


def test_a_known_cost_stands_in_the_line_of_the_component_that_has_it(pair_lab: Lab) -> None:
    client = pair_lab.pod("shop/client")
    burner = client.start([sys.executable, "-c", BURNER, str(BURN)], component="proxy")
    printed(burner, "parked")

    def burn() -> None:
        burner.signal(signal.SIGUSR1)
        printed(burner, "burnt")

    try:
        figures = read(Subject(pair_lab, client, pair_lab.pod("shop/server"), (Component("proxy", client),)), burn)
        burnt = float(re.findall(r"burnt ([\d.]+)", burner.log.read_text())[0])
    finally:
        burner.stop()
    assert lines(figures)["client-proxy"] == pytest.approx(burnt, rel=CLOSES)
    assert lines(figures)["server"] == 0
    assert abs(figures["cpu_ledger_residual", ""]) <= CLOSES


def test_tasks_of_the_lab_that_no_line_names_are_left_over_and_named_by_their_threads(pair_lab: Lab) -> None:
    client = pair_lab.pod("shop/client")
    burner = client.start([sys.executable, "-c", BURNER, str(BURN)], component="stowaway")
    printed(burner, "parked")

    def burn() -> None:
        burner.signal(signal.SIGUSR1)
        printed(burner, "burnt")

    try:
        figures = read(Subject(pair_lab, client, pair_lab.pod("shop/server"), ()), burn)
    finally:
        burner.stop()
    assert figures["cpu_ledger_residual", ""] > 0.9
    strangers = [component for name, component in figures if name == "thread_time_per_request"]
    assert any(component.startswith("no component: python") for component in strangers)


def test_packets_are_charged_to_the_namespaces_that_take_them_in(pair_lab: Lab) -> None:
    """Datagrams one way, to a pod that does not answer: its namespace and the nodes' work, the client's takes nothing in."""
    client, server = pair_lab.pod("shop/client"), pair_lab.pod("shop/server")
    with ExitStack() as stack:
        sink = server.start([sys.executable, "-c", SINK], component="server")
        stack.callback(sink.stop)
        printed(sink, "bound")

        def send() -> None:
            client.run([sys.executable, "-c", SENDER, server.pod.ip(4), str(DATAGRAMS)], component="client")

        send()  # neighbours are known from here on: no answer of theirs is in the figures
        found = lines(read(Subject(pair_lab, client, server, ()), send))
    each = {name: spent * 1e9 / DATAGRAMS for name, spent in found.items()}
    assert each["server-network"] > 50  # nanoseconds a datagram
    assert each["node-network"] > each["server-network"]  # two nodes take each in and hand it on
    # the client takes in nothing, but for an answer to a neighbour's question now and then
    assert each["client-network"] < 0.05 * each["server-network"]
    assert each["other-network"] < 0.05 * each["server-network"]
    assert each["server"] < 0.05 * each["client"]  # it never wakes


@pytest.mark.parametrize("name", ["plain", "sidecar", "ebpf"])
def test_the_ledger_of_requests_closes(name: str) -> None:
    (scenario,) = load_bench([CROSS_NODE])
    arm, plane = Arm(name, name), find(name)
    point = LoadPoint("trace", LoadKind.TRACE, 0.5, 0.1, 1000.0, arrivals="fixed")
    with labs([arm], [scenario]) as made, attached([arm], made, {name: plane}) as rig:
        assert not rig.broken
        lab, attachment = made[name], rig.attachments[name]
        put_in_force(attachment, scenario, plane)
        subject = Subject(lab, lab.pod(scenario.client), lab.pod(scenario.server), attachment.components(), port=scenario.port)
        outcome = measure(
            registered()[LoadKind.TRACE],
            [*account.METERS, *events.METERS],
            subject,
            asked_at(lab, scenario, plane, 4),
            point,
            1000.0,
        )
    figures = {(metric.name, metric.component): metric.value for metric in outcome.metrics}
    assert abs(figures["cpu_ledger_residual", ""]) <= CLOSES
    found = lines(figures)
    busy = {"client", "server", "node-network"} | ({"client-proxy", "server-proxy"} if name == "sidecar" else set())
    busy |= {"programs"} if name == "ebpf" else set()
    assert all(found[line] > 0 for line in busy)
    assert all(spent >= 0 for spent in found.values())
    assert 0 < figures["tracing_per_request", ""] < found[""]
    # whoever passes a message on takes it from the kernel once and gives it back once
    passes = 6 if name == "sidecar" else 2
    assert figures["copies", ""] == pytest.approx(passes * figures["copies", "client"], rel=0.1)
    assert figures["copies_from_user", ""] == pytest.approx(figures["copies", ""], rel=0.1)
    assert figures["copies_from_queues", ""] == 0


def test_reads_of_what_programs_redirect_count_as_copies() -> None:
    """The tracepoint for packets does not see them: a socket whose queue a program filled has no packet to copy."""
    (scenario,) = load_bench([CROSS_NODE.with_name("http-same-node.yaml")])
    arm, plane = Arm("ebpf-sockmap", "ebpf-sockmap"), find("ebpf-sockmap")
    point = LoadPoint("trace", LoadKind.TRACE, 0.3, 0.2, 1000.0, arrivals="fixed")
    with labs([arm], [scenario]) as made, attached([arm], made, {"ebpf-sockmap": plane}) as rig:
        lab, attachment = made["ebpf-sockmap"], rig.attachments["ebpf-sockmap"]
        put_in_force(attachment, scenario, plane)
        subject = Subject(lab, lab.pod(scenario.client), lab.pod(scenario.server), attachment.components(), port=scenario.port)
        outcome = measure(
            registered()[LoadKind.TRACE], events.METERS, subject, asked_at(lab, scenario, plane, 4), point, 1000.0
        )
    figures = {(metric.name, metric.component): metric.value for metric in outcome.metrics}
    assert figures["copies", "server"] == pytest.approx(figures["copies_from_user", "server"], rel=0.1)
    assert figures["copies_from_queues", "server"] == pytest.approx(figures["copies", "server"], rel=0.1)
