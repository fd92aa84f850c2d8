"""One Envoy a node for TCP alone, as ztunnel is in Istio's ambient mode: mutual TLS between nodes, L4 policy by identity.

It is not ztunnel and does not speak HBONE: a client's connection travels in a TLS connection of its own, to the address that
was meant. No BPF program takes part.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.dataplanes.envoy_restart import RESTART_SECONDS, restart
from harness.dataplanes.l4_nodes import L4Nodes
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
    network_policies,
    unrouted,
)
from harness.envoy.errors import EnvoyError, NotAccepted
from harness.envoy.l4_redirect import SPOOFED, STRAY
from harness.envoy.l4_tuning import DEFAULTS, L4Tuning, parse
from harness.envoy.process import COMPONENT
from harness.envoy.rbac_verdict import Connection
from harness.lab.port import Lab, LabError, LabPod
from harness.model.cilium import Policy
from harness.model.flow import Evidence, Flow, Verdict, is_pod
from harness.model.policy import NetworkPolicy
from harness.model.routing import Routing
from harness.model.topology import Pod

_REJECTED = Yes(denies=Verdict.REJECTED)
_TCP_ALONE = "only TCP is handed to the node's Envoy: other protocols pass it by"
_NO_REQUESTS = "bytes of TCP are passed on; requests are not parsed"
_SUPPORT: dict[Feature, Support] = {
    Feature.POLICY_TCP: _REJECTED,
    Feature.POLICY_UDP: No(_TCP_ALONE),
    Feature.POLICY_ICMP: No(_TCP_ALONE),
    Feature.POLICY_CIDR: _REJECTED,
    Feature.POLICY_CILIUM: No("CiliumNetworkPolicy is not compiled for L4 RBAC"),
    Feature.POLICY_DENY: No("explicit denials are CiliumNetworkPolicy's"),
    Feature.POLICY_HTTP: No(_NO_REQUESTS),
    Feature.POLICY_KAFKA: No(_NO_REQUESTS),
    Feature.IPV6: Yes(),
    Feature.REVOKE_OPEN_CONNECTIONS: _REJECTED,
    Feature.ENCRYPTION: Yes(),
    Feature.L7_HTTP: No(_NO_REQUESTS),
    Feature.L7_ROUTING: No(_NO_REQUESTS),
    Feature.L7_GATEWAYS: No(_NO_REQUESTS),
    Feature.L7_TRAFFIC: No(_NO_REQUESTS),
    Feature.HOT_RESTART: Yes(),
    Feature.SAME_NODE_FAST_PATH: No("the node's Envoy is passed on one node too, once"),
}
_TEXTS = {
    SPOOFED: "the source address is not the sending pod's",
    STRAY: "a packet of no connection that Envoy has: it is older than the data plane, or ended",
}


class NodeL4Attachment:
    """The nodes' Envoys in force on a lab."""

    def __init__(self, plane: str, lab: Lab, nodes: L4Nodes) -> None:
        self._plane = plane
        self._lab = lab
        self._nodes = nodes
        self._revision = 0
        self._policies: Sequence[NetworkPolicy] = ()

    def apply(self, policies: Sequence[Policy], routing: Routing = NO_ROUTING) -> Revision:
        unrouted(routing, self._plane)
        return self._change(network_policies(policies, self._plane), ())

    def pods_changed(self, added: Sequence[LabPod], removed: Sequence[Pod]) -> Revision:
        return self._change(self._policies, [ip for pod in removed for ip in pod.ips])

    def _change(self, policies: Sequence[NetworkPolicy], gone: Sequence[str]) -> Revision:
        begun = time.monotonic()
        try:
            self._nodes.enforce(policies, gone)
        except NotAccepted as error:
            raise NotConverged(f"{self._plane}: {error}") from None
        except (EnvoyError, LabError, OSError) as error:
            raise NotConverged(f"{self._plane}: connections are not judged as they should be: {error}") from error
        self._policies = policies
        self._revision += 1
        return Revision(self._revision, time.monotonic() - begun)

    def evidence(self, flow: Flow) -> Evidence | None:
        """What an Envoy refused under the policies in force, the client's first; else what they ended, or the rules dropped."""
        if flow.protocol != "TCP":
            return None
        source, destination = (self._address(end, flow.family) for end in (flow.source, flow.destination))
        for envoy in sorted(self._nodes.envoys, key=lambda each: source not in _addresses(each.node.pods)):
            denial = envoy.latest_denial(source, destination, flow.port)
            if denial is not None:
                detail = f"{denial.direction} on node {envoy.node.name}" + (f", peer {denial.peer}" if denial.peer else "")
                return Evidence(self._plane, denial.details, detail=detail)
        connection = Connection(source, destination, flow.port)
        ended = self._nodes.ended(connection)
        if ended is not None:
            return Evidence(self._plane, "revoked", detail=ended)
        for kind, text in _TEXTS.items():
            node = self._nodes.known(kind, connection)
            if node is not None:
                return Evidence(self._plane, kind, detail=f"on node {node.name}: {text}")
        return None

    def _address(self, end: str, family: int) -> str:
        if not is_pod(end):
            return end
        try:
            return self._lab.pod(end).pod.ip(family)
        except KeyError:
            raise DataPlaneError(f"{self._plane}: no pod {end} in topology {self._lab.topology.name}") from None

    def components(self) -> Sequence[Component]:
        return [Component(COMPONENT, envoy.node, envoy.process.pids) for envoy in self._nodes.envoys]

    def restart(self, component: str, how: RestartKind) -> None:
        """``component`` is ``proxy`` for every Envoy, one after another, or a node's name for that node's."""
        chosen = [envoy for envoy in self._nodes.envoys if component in (COMPONENT, envoy.node.name)]
        if not chosen:
            raise DataPlaneError(f"{self._plane} has no component {component!r} to restart: name {COMPONENT}, or a node")
        for envoy in chosen:
            try:
                restart(envoy.process, how)
                envoy.await_serving(RESTART_SECONDS)
            except (EnvoyError, LabError) as error:
                raise DataPlaneError(f"{self._plane}: {how} restart failed: {error}") from None


def _addresses(pods: Sequence[LabPod]) -> set[str]:
    return {ip for pod in pods for ip in pod.pod.ips}


class NodeL4:
    """Node Envoys for TCP."""

    def __init__(self, name: str = "node-l4", title: str = "Node Envoys for TCP", tuning: L4Tuning = DEFAULTS) -> None:
        self.name = name
        self.title = title
        self._tuning = tuning

    def tuned(self, settings: str) -> "NodeL4":
        return NodeL4(f"{self.name}@{settings}", f"{self.title} ({settings})", parse(settings))

    def supports(self, feature: Feature) -> Support:
        return _SUPPORT[feature]

    @contextmanager
    def attach(self, lab: Lab) -> Iterator[Attachment]:
        try:
            nodes = L4Nodes(lab, self._tuning)
        except (EnvoyError, OSError) as error:
            raise DataPlaneError(f"{self.name}: {error}") from None
        try:
            nodes.start()
        except (EnvoyError, LabError, OSError) as error:
            nodes.stop()
            raise DataPlaneError(f"{self.name}: {error}") from None
        except BaseException:
            nodes.stop()
            raise
        try:
            yield NodeL4Attachment(self.name, lab, nodes)
        finally:
            nodes.stop()
        shutil.rmtree(nodes.folder)


DATA_PLANES = (NodeL4(),)
