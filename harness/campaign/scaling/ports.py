"""A point of a scenario that varies policy entries on data planes as they are: requests under a policy of so many ports."""

from contextlib import ExitStack

from harness.campaign.scaling.plan import Spot
from harness.campaign.scaling.requests import LabCpu
from harness.campaign.scaling.world import ASKED, HERE, NAMESPACE, PORT, cluster
from harness.dataplanes.port import DataPlane
from harness.lab.netns import up
from harness.model.bench import LoadKind, LoadPoint
from harness.model.policy import LabelSelector, NetworkPolicy, Peer, PolicyPort, Rule
from harness.model.result import Metric
from harness.traffic.connections import NewConnections
from harness.traffic.nginx import serve
from harness.traffic.port import LoadFailed

FIRST_PORT = 10_000
LOAD = LoadPoint("requests", LoadKind.CONNECTIONS, seconds=1, warmup=0.3, connections=16, path="/name")
"""A connection for each request: of an open one, most data planes remember what was decided."""


def of_ports(count: int) -> NetworkPolicy:
    """Lets p0 ask p1 on ``count`` ports, the last of which is PORT: who walks through them in order meets all others first."""
    ports = tuple(PolicyPort(HERE, "TCP", port) for port in [*range(FIRST_PORT, FIRST_PORT + count - 1), PORT])
    rule = Rule(HERE, (Peer(HERE, LabelSelector({"app": "p0"})),), ports)
    return NetworkPolicy(HERE, "ports", NAMESPACE, LabelSelector({"app": "p1"}), ("Ingress",), (rule,))


def measure_ports(spot: Spot, plane: DataPlane) -> list[Metric]:
    """Raises LabError, DataPlaneError, LoadFailed."""
    with ExitStack() as stack:
        lab = stack.enter_context(up(cluster(2)))
        client, server = lab.pod(ASKED.source), lab.pod(ASKED.destination)
        stack.enter_context(serve(server, PORT, lab.folder))
        attachment = stack.enter_context(plane.attach(lab))
        revision = attachment.apply([of_ports(spot.point)])
        gauge = LabCpu(lab)
        result = NewConnections().run(client, server, PORT, LOAD, 0.0, gauge)
    if not result.count:
        raise LoadFailed(f"no request was answered ({result.errors} errors)")
    cpu = Metric("cpu_per_request", gauge.used / result.count, "s")
    return [*result.metrics, cpu, Metric("policy_apply", revision.seconds, "s")]
