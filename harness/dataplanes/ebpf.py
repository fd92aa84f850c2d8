"""Our eBPF mesh: policy by identity in tc programs, without a proxy and without an agent process."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address

from harness.dataplanes.port import (
    NO_ROUTING,
    Attachment,
    Component,
    DataPlaneError,
    Feature,
    No,
    NotConverged,
    RestartKind,
    Revision,
    Support,
    Yes,
    unrouted,
)
from harness.lab.port import Lab, LabPod
from harness.mesh.agent import Options
from harness.mesh.drops import reasons
from harness.mesh.errors import MeshError
from harness.mesh.grants import EGRESS
from harness.mesh.hooks import HookKind
from harness.mesh.layout import ICMP_PROTOCOLS, PROTOCOLS
from harness.mesh.mesh import Mesh, attached
from harness.model.cilium import Policy
from harness.model.flow import Evidence, Flow, Verdict, is_pod
from harness.model.routing import Routing
from harness.model.topology import Pod

HOOK = "MESHPROOF_EBPF_HOOK"
"""``tcx`` or ``clsact`` in this environment variable overrules what the kernel offers."""

HOST_ROUTING = "MESHPROOF_EBPF_HOST_ROUTING"
"""``0`` in this environment variable sends every packet through the nodes' stacks, to measure what going past them gives."""

_DROPPED = Yes(denies=Verdict.DROPPED)
_NO_REQUESTS = "packets are judged by addresses and ports; requests are not parsed"
_SUPPORT: dict[Feature, Support] = {
    Feature.POLICY_TCP: _DROPPED,
    Feature.POLICY_UDP: _DROPPED,
    Feature.POLICY_ICMP: _DROPPED,
    Feature.POLICY_CIDR: _DROPPED,
    Feature.POLICY_CILIUM: _DROPPED,
    Feature.POLICY_DENY: _DROPPED,
    Feature.IPV6: Yes(),
    Feature.REVOKE_OPEN_CONNECTIONS: _DROPPED,
    Feature.ENCRYPTION: No("packets between nodes are sent as they are"),
    Feature.POLICY_HTTP: No(_NO_REQUESTS),
    Feature.POLICY_KAFKA: No(_NO_REQUESTS),
    Feature.L7_HTTP: No(_NO_REQUESTS),
    Feature.L7_ROUTING: No(_NO_REQUESTS),
    Feature.L7_GATEWAYS: No(_NO_REQUESTS),
    Feature.L7_TRAFFIC: No(_NO_REQUESTS),
    Feature.HOT_RESTART: Yes(),
    Feature.SAME_NODE_FAST_PATH: No("sockets of one node are joined by ebpf-sockmap and ebpf-l7"),
}


class EbpfAttachment:
    """The mesh in force on a lab. ``plane`` is what it is called in messages and evidence."""

    plane = "ebpf"

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    def apply(self, policies: Sequence[Policy], routing: Routing = NO_ROUTING) -> Revision:
        unrouted(routing, self.plane)
        return self._enforced(policies)

    def _enforced(self, policies: Sequence[Policy], fronts: Sequence[str] = ()) -> Revision:
        try:
            generation, seconds = self._mesh.apply(policies, fronts)
        except MeshError as error:
            raise NotConverged(f"{self.plane}: the policies are not enforced: {error}") from error
        return Revision(generation, seconds)

    def pods_changed(self, added: Sequence[LabPod], removed: Sequence[Pod]) -> Revision:
        try:
            generation, seconds = self._mesh.pods_changed(removed)
        except MeshError as error:
            raise NotConverged(f"{self.plane}: the change of pods is not in force: {error}") from error
        return Revision(generation, seconds)

    def evidence(self, flow: Flow) -> Evidence | None:
        source, destination = (self.address(end, flow.family) for end in (flow.source, flow.destination))
        protocol = ICMP_PROTOCOLS[flow.family] if flow.protocol == "ICMP" else PROTOCOLS[flow.protocol]
        found = self._mesh.latest_drop(source, destination, protocol, flow.port)
        if found is None:
            return None
        agent, drop = found
        reason = reasons()[drop.reason]
        rule = self._mesh.rule(drop)
        way = "egress" if drop.direction == EGRESS else "ingress"
        return Evidence(self.plane, reason.name, str(rule) if rule else None, f"{way} on node {agent.node.name}: {reason.text}")

    def address(self, end: str, family: int) -> str:
        """The address of an end of a flow."""
        return str(ip_address(self._mesh.lab.topology.pod(end).ip(family) if is_pod(end) else end))

    def components(self) -> Sequence[Component]:
        """Programs in the kernel only: there is no agent process, the harness does what one would do."""
        return (Component("bpf", programs=tuple(id_ for agent in self._mesh.agents for id_ in agent.programs)),)

    def restart(self, component: str, how: RestartKind) -> None:
        if component != "bpf":
            raise DataPlaneError(f"{self.plane} has no component {component!r} that could be restarted")
        if how is not RestartKind.HOT:
            raise DataPlaneError(f"{self.plane}: bpf has no process that a {how} restart could stop; programs are replaced hot")
        try:
            for agent in self._mesh.agents:
                agent.reload()
        except MeshError as error:
            raise DataPlaneError(f"{self.plane}: the programs were not replaced: {error}") from error


class Ebpf:
    """Programs on tcx, or clsact below Linux 6.6, on every pod's veth and every wire."""

    name = "ebpf"
    title = "eBPF mesh"

    def supports(self, feature: Feature) -> Support:
        return _SUPPORT[feature]

    @contextmanager
    def attach(self, lab: Lab) -> Iterator[Attachment]:
        entered = False
        try:
            with attached(lab, options()) as mesh:
                entered = True
                yield EbpfAttachment(mesh)
        except MeshError as error:
            raise DataPlaneError(f"ebpf could not be {'detached' if entered else 'attached'}: {error}") from error


def options() -> Options:
    """What the environment chooses. Raises DataPlaneError for words that mean nothing."""
    hook = os.environ.get(HOOK)
    if hook is not None and hook not in tuple(HookKind):
        raise DataPlaneError(f"{HOOK}={hook}: write tcx or clsact, or leave it unset")
    routing = os.environ.get(HOST_ROUTING, "1")
    if routing not in ("0", "1"):
        raise DataPlaneError(f"{HOST_ROUTING}={routing}: write 0 or 1, or leave it unset")
    return Options(HookKind(hook) if hook else None, routing == "1")


DATA_PLANES = (Ebpf(),)
