"""A point where data planes are compared: as many requests as they can do under one rule about requests, and their CPU time."""

import time
from contextlib import ExitStack

from harness.campaign.scaling.plan import Spot
from harness.campaign.scaling.world import HERE, NAMESPACE, PORT, cluster
from harness.dataplanes.port import Attachment, CountsPaths, DataPlane
from harness.lab.cgroups import cpu_usage
from harness.lab.netns import up
from harness.lab.port import Lab
from harness.model.bench import LoadKind, LoadPoint
from harness.model.cilium import CiliumPolicy, CiliumPort, CiliumRule, CiliumSpec, HTTPRule, L7Rules, PortRule
from harness.model.policy import LabelSelector
from harness.model.result import Metric
from harness.traffic.nginx import serve
from harness.traffic.port import LoadFailed, LoadResult
from harness.traffic.wrk import Maximum

PATH = "/name"
PODS = 3  # p0 asks p2, which is on its node: the shortest way, of which events are the largest part
CLIENT, SERVER = f"{NAMESPACE}/p0", f"{NAMESPACE}/p2"
LOAD = LoadPoint("requests", LoadKind.MAXIMUM, seconds=1, warmup=0, connections=32, path=PATH)
SETTLE_SECONDS = 20.0
MOST_SLOW = 0.01  # of the requests, where a plane has a fast path: else what is compared is the slow one


class LabCpu:
    """CPU seconds of all nodes and pods of a lab: whoever pays for an event is in it."""

    def __init__(self, lab: Lab) -> None:
        self._folders = [place.cgroup for place in (*lab.nodes, *lab.pods)]
        self.used = 0.0

    def begin(self) -> None:
        self.used = -self._usage()

    def end(self) -> None:
        self.used += self._usage()

    def _usage(self) -> float:
        return float(sum(cpu_usage(folder).usage for folder in self._folders))


def one_rule() -> CiliumPolicy:
    """Lets p0 ask p2 for PATH, and for nothing else."""
    rules = L7Rules(HERE, (HTTPRule(HERE, "GET", PATH),))
    port = PortRule(HERE, (CiliumPort(HERE, str(PORT), None, "TCP"),), rules)
    rule = CiliumRule(HERE, endpoints=(LabelSelector({"app": "p0"}),), ports=(port,))
    return CiliumPolicy(HERE, "one-rule", NAMESPACE, (CiliumSpec(HERE, LabelSelector({"app": "p2"}), ingress=(rule,)),))


def measure_requests(spot: Spot, plane: DataPlane) -> list[Metric]:
    """Raises LabError, DataPlaneError, LoadFailed."""
    with ExitStack() as stack:
        lab = stack.enter_context(up(cluster(PODS)))
        stack.enter_context(serve(lab.pod(SERVER), PORT, lab.folder))
        attachment = stack.enter_context(plane.attach(lab))
        attachment.apply([one_rule()])
        gauge = LabCpu(lab)
        _warm(lab, attachment, gauge)
        lost = _lost(attachment)
        result = _asked(lab, gauge)
        lost = _lost(attachment) - lost
    if not result.count:
        raise LoadFailed(f"no request was answered ({result.errors} errors)")
    cpu = Metric("cpu_per_request", gauge.used / result.count, "s")
    return [*result.metrics, cpu, Metric("flows_lost", float(lost), "requests")]


def _asked(lab: Lab, gauge: LabCpu) -> LoadResult:
    return Maximum().run(lab.pod(CLIENT), lab.pod(SERVER), PORT, LOAD, 0.0, gauge)


def _warm(lab: Lab, attachment: Attachment, gauge: LabCpu) -> None:
    """Load until requests go the fast way, where there is one; once, where there is none. Raises LoadFailed."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        before = attachment.path_counts() if isinstance(attachment, CountsPaths) else {}
        _asked(lab, gauge)
        after = attachment.path_counts() if isinstance(attachment, CountsPaths) else {}
        came = {name: count - before[name] for name, count in after.items()}
        slow = sum(count for name, count in came.items() if name.startswith("slow_"))
        if not came or slow < MOST_SLOW * max(1, slow + came.get("fast", 0)):
            return
        if time.monotonic() > deadline:
            raise LoadFailed(f"{slow} of {slow + came.get('fast', 0)} requests still take the slow path: {came}")


def _lost(attachment: Attachment) -> int:
    return attachment.path_counts().get("flows_lost", 0) if isinstance(attachment, CountsPaths) else 0
