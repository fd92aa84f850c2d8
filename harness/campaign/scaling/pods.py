"""A point of a scenario that varies pods: a lab of so many, a data plane attached anew, and what it costs and takes."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

from harness.campaign.scaling.plan import Spot
from harness.campaign.scaling.world import ASKED, PORT, admitting, cluster, pod, services
from harness.dataplanes.port import Attachment, DataPlane
from harness.lab.cgroups import cpu_usage
from harness.lab.netns import up
from harness.lab.port import Lab
from harness.meters.bpf_memory import BpfMemoryReading
from harness.meters.libbpf import Held
from harness.meters.memory import pss
from harness.model.flow import Flow, Verdict
from harness.model.result import Metric
from harness.model.routing import Routing
from harness.model.scaling import Measured
from harness.traffic.arrivals import Responder, settle
from harness.traffic.canary import canary
from harness.traffic.port import LoadFailed, LoadResult
from harness.traffic.probe import probe
from harness.traffic.responder import serve_all

IDLE_SECONDS = 5.0  # Envoy writes its statistics out every five: so the window holds one such turn of each
SETTLE_SECONDS = 1.0
CHANGES = 3
CANARY_PERIOD = 0.001
AFTER = 5  # flows that a canary begins after a change is said to be in force
NOTHING = LoadResult(1, 0, 1.0)


def measure_pods(spot: Spot, plane: DataPlane) -> list[Metric]:
    """Raises LabError, DataPlaneError, LoadFailed, MeterError."""
    scenario, wanted = spot.scenario, spot.scenario.measure
    routing = services(scenario.clusters, spot.point)
    found: list[Metric] = []
    with ExitStack() as stack:
        lab = stack.enter_context(up(cluster(spot.point)))
        servers = stack.enter_context(serve_all([lab.pod(ASKED.destination)], [PORT]))
        begun = time.monotonic()
        attachment = stack.enter_context(plane.attach(lab))
        attachment.apply([admitting("0")], routing)
        _await_answered(lab, ASKED)
        if Measured.START_UP in wanted:
            found.append(Metric("start_up", time.monotonic() - begun, "s"))
        if any(component.pids for component in attachment.components()):
            time.sleep(SETTLE_SECONDS)
        if Measured.MEMORY in wanted:
            found += memory(attachment)
        if Measured.IDLE_CPU in wanted:
            found += idle_cpu(attachment, IDLE_SECONDS)
        if Measured.POLICY_CHANGE in wanted:
            found += _policy_changes(lab, attachment, servers[ASKED.destination], routing)
        if Measured.START_UP in wanted:
            attachment.apply([admitting("0")], routing)
            found.append(Metric("pod_start_up", _one_more(lab, attachment, spot.point), "s"))
    return found


def memory(attachment: Attachment) -> list[Metric]:
    """PSS of the plane's processes, what the kernel holds for its programs and maps, and both together."""
    components = attachment.components()
    processes = float(sum(pss(pid) for component in components for pid in component.pids))
    held = Held()
    try:
        reading = BpfMemoryReading(held, [held.program(each) for component in components for each in component.programs])
        reading.end()
        (kernel,) = [each.value for each in reading.metrics(NOTHING) if not each.component]
    finally:
        held.close()
    return [
        Metric("pss", processes, "B"), Metric("bpf_memory", kernel, "B"), Metric("memory", processes + kernel, "B"),
    ]  # fmt: skip


def idle_cpu(attachment: Attachment, seconds: float) -> list[Metric]:
    """Processors that the plane's processes keep busy while nobody asks anything, as billed by cgroups.

    Programs of the kernel run when there are packets: a plane without processes takes none, and nothing is waited for.
    """
    folders = {
        component.place.component_cgroup(component.name) for component in attachment.components() if component.place is not None
    }
    if not folders:
        return [Metric("idle_cpu", 0.0, "1")]
    begun, before = time.monotonic(), sum(cpu_usage(folder).usage for folder in folders)
    time.sleep(seconds)
    used = sum(cpu_usage(folder).usage for folder in folders) - before
    return [Metric("idle_cpu", used / (time.monotonic() - begun), "1")]


def _await_answered(lab: Lab, flow: Flow) -> None:
    """Ask once: the plane has said that it is in force. Raises LoadFailed where there is no answer."""
    seen = probe(flow, lab.pod(flow.source), lab.pod(flow.destination), 5.0)
    if seen.verdict is not Verdict.FORWARDED:
        raise LoadFailed(f"{flow} is allowed, but was {seen.verdict}: {seen.detail}")


def _policy_changes(lab: Lab, attachment: Attachment, server: Responder, routing: Routing) -> Iterator[Metric]:
    """A flow that is allowed is denied, several times: until when the plane says so, and until when flows got through."""
    said, seen, late = [], [], 0
    for _ in range(CHANGES):
        attachment.apply([admitting("0")], routing)
        with canary(ASKED, lab, server, CANARY_PERIOD) as bird:
            if not bird.await_answered():
                raise LoadFailed(f"{ASKED} is not answered before the change that denies it")
            called = time.monotonic_ns()
            attachment.apply([admitting("1")], routing)
            returned = time.monotonic_ns()
            bird.await_begun(returned, AFTER)
            bird.end()
            settle([server])
            found = bird.seen(called, returned, at_interface=False)
        said.append((returned - called) / 1e9)
        seen.append(found.last)
        late += found.late
    yield Metric("policy_change", median(said), "s")
    yield Metric("policy_change_seen", median(seen), "s")
    yield Metric("policy_change_late", float(late), "requests")


def _one_more(lab: Lab, attachment: Attachment, number: int) -> float:
    """Seconds from when the plane is told of one more pod until that pod's first request is answered."""
    new = lab.add_pod(pod(number if number % 4 < 2 else number + 4 - number % 4))
    begun = time.monotonic()
    attachment.pods_changed([new], [])
    lab.connect(new.pod.ref)
    _await_answered(lab, Flow(new.pod.ref, ASKED.destination, PORT))
    return time.monotonic() - begun
