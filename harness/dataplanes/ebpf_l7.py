"""The eBPF mesh with a fast path: requests that the kernel understands go past the nodes' Envoys."""

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from harness.dataplanes.ebpf import options
from harness.dataplanes.ebpf_sockmap import same_node_support
from harness.dataplanes.fast_tuning import DEFAULTS, FastTuning, parse
from harness.dataplanes.flow_folder import FLOWS, NodeFlows, in_order
from harness.dataplanes.flow_records import Record
from harness.dataplanes.judges import Judges
from harness.dataplanes.kafka_proxies import KafkaProxies, kafka_proxies
from harness.dataplanes.l7targets import law
from harness.dataplanes.node_proxies import NodeProxies
from harness.dataplanes.node_proxy import NodeProxy, NodeProxyAttachment, running
from harness.dataplanes.port import (
    Attachment,
    Component,
    DataPlaneError,
    Feature,
    NotConverged,
    RestartKind,
    Revision,
    Support,
)
from harness.envoy.node_envoy import NodeEnvoy
from harness.envoy.process import COMPONENT
from harness.lab.port import Lab, LabError, LabPod
from harness.mesh.errors import MeshError
from harness.mesh.l7 import PINS, FastPath, meanings, names
from harness.mesh.l7process import COMPONENT as AGENT
from harness.mesh.l7process import AgentProcess
from harness.mesh.mesh import Mesh, attached
from harness.mesh.sockmap import obstacle
from harness.model.topology import Pod


class FastProxies(NodeProxies):
    """The nodes' Envoys, and the fast paths past them: these follow what those are told."""

    def __init__(self, lab: Lab, tuning: FastTuning) -> None:
        super().__init__(lab, tuning)
        self._flow_ring = tuning.flow_ring_bytes if tuning.flows else 0
        self._flows: dict[NodeEnvoy, NodeFlows] = {}
        self._paths: dict[NodeEnvoy, tuple[FastPath, AgentProcess]] = {}
        self._mesh: Mesh | None = None

    def open_paths(self, mesh: Mesh, undo: ExitStack) -> None:
        """Make the fast path of every node; closed by ``undo``. Raises MeshError."""
        self._mesh = mesh
        by_node = {agent.node.name: agent for agent in mesh.agents}
        for index, envoy in enumerate(self.envoys):
            node = envoy.node
            proxy = node.component_cgroup(COMPONENT)
            path = FastPath(node, by_node[node.name].maps, proxy, mesh.lab.bpffs / f"{PINS}-{node.name}", self._flow_ring)
            undo.callback(path.close)
            title = f"the fast path's agent of node {node.name}"
            more = self._file_flows(envoy, mesh.lab, undo)
            agent = AgentProcess(node, title, path.pins, proxy, self.folder / f"l7-{index}.sock", more=more)
            undo.callback(agent.stop)
            agent.start()
            self._paths[envoy] = path, agent
        undo.callback(self._paths.clear)
        undo.callback(self._flows.clear)
        self._judge_by_paths()

    def _file_flows(self, envoy: NodeEnvoy, lab: Lab, undo: ExitStack) -> Sequence[str]:
        """What a node's agent is told of flow events: where to file them, and where Envoy has its own."""
        if envoy.flow_log is None:
            return ()
        folder = lab.folder / FLOWS / envoy.node.name
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        self._flows[envoy] = NodeFlows(folder)
        return str(folder), str(envoy.flow_log), str(names().index("flows_lost"))

    def settle(self) -> None:
        super().settle()
        self._judge_by_paths()

    def forget(self, addresses: Iterable[str]) -> None:
        gone = sorted(addresses)
        super().forget(gone)
        for _, agent in self._paths.values():
            agent.forget(gone)

    def follow(self) -> None:
        """Read what the pods send that are there now."""
        for path, _ in self._paths.values():
            path.follow(path.node.pods)

    def _judge_by_paths(self) -> None:
        agents = {} if self._mesh is None else {agent.node.name: agent for agent in self._mesh.agents}
        pods = [ip for pod in self._mesh.lab.pods for ip in pod.pod.ips] if self._mesh else []
        for envoy, (_, agent) in self._paths.items():
            local = [ip for pod in envoy.node.pods for ip in pod.pod.ips]
            said = law(self.scopes_of(envoy), local, pods, self.routed_of(envoy))
            agent.judge_by(agents[envoy.node.name].tables.generation, said)
            if envoy in self._flows:
                self._flows[envoy].now_known(self._lab.topology, self.fronts.addresses, self.rules_of(envoy))

    def restart_agents(self, *, kill: bool) -> None:
        """Have another agent on every node, one after another; no request but those under way is lost. Raises AgentFailed."""
        for _, agent in self._paths.values():
            agent.replace(kill=kill)

    @property
    def agents(self) -> tuple[Component, ...]:
        """The agents, one a node."""
        return tuple(Component(AGENT, path.node, agent.pids) for path, agent in self._paths.values())

    @property
    def programs(self) -> tuple[int, ...]:
        """The ids of the fast paths' programs in the kernel."""
        return tuple(number for path, _ in self._paths.values() for number in path.programs)

    def flows(self) -> list[Record]:
        """What became of each request since the last call, by time."""
        return in_order(self._flows.values())

    def counts(self) -> dict[str, int]:
        """What became of requests, on all nodes; bpf/l7.h says what each name means."""
        return _summed(path.counts() for path, _ in self._paths.values())

    def held(self) -> dict[str, int]:
        """What the paths keep, on all nodes."""
        return _summed(path.held() for path, _ in self._paths.values())


def _summed(each: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in each:
        total.update(one)
    return dict(total)


class EbpfL7Attachment(NodeProxyAttachment):
    """The mesh, the nodes' Envoys and the fast paths in force on a lab."""

    def __init__(self, plane: str, mesh: Mesh, proxies: FastProxies, kafka: KafkaProxies) -> None:
        super().__init__(plane, mesh, proxies, kafka)
        self._fast = proxies

    def pods_changed(self, added: Sequence[LabPod], removed: Sequence[Pod]) -> Revision:
        try:
            self._fast.follow()
        except MeshError as error:
            raise NotConverged(f"{self.plane}: the change of pods is not in force: {error}") from error
        return super().pods_changed(added, removed)

    def components(self) -> Sequence[Component]:
        """Those of the node proxy, the fast path's programs, and an agent a node."""
        return (*super().components(), Component("l7", programs=self._fast.programs), *self._fast.agents)

    def restart(self, component: str, how: RestartKind) -> None:
        """``l7-agent`` is every node's agent; the rest as ``node-proxy``."""
        if component != AGENT:
            super().restart(component, how)
            return
        if how is RestartKind.HOT:
            raise DataPlaneError(f"{self.plane}: an agent's connections cannot be handed to another process; restart it cold")
        try:
            self._fast.restart_agents(kill=how is RestartKind.KILL)
        except (MeshError, LabError) as error:
            raise DataPlaneError(f"{self.plane}: {how} restart failed: {error}") from None

    def path_counts(self) -> dict[str, int]:
        """How many requests took which path, and why."""
        return self._fast.counts()

    def flows(self) -> list[Record]:
        """A record of each request since the last call (docs/ebpf-l7.md), where flows are asked for."""
        return self._fast.flows()

    def path_held(self) -> dict[str, int]:
        """How many connections and sockets the fast paths know of: what they keep when nothing is going on is a leak."""
        return self._fast.held()


class EbpfL7(NodeProxy):
    """``node-proxy``, and past it the fast path."""

    def __init__(
        self, name: str = "ebpf-l7", title: str = "eBPF mesh with requests in the kernel", tuning: FastTuning = DEFAULTS
    ) -> None:
        # Envoy takes a connection whose requests go past it for an idle one.
        self._fast_tuning = replace(tuning, idle_timeout=False)
        super().__init__(name, title, self._fast_tuning)

    def tuned(self, settings: str) -> "EbpfL7":
        return EbpfL7(f"{self.name}@{settings}", f"{self.title} ({settings})", parse(settings))

    def paths(self) -> Mapping[str, str]:
        """What ``path_counts`` of its attachments counts."""
        return meanings()

    def supports(self, feature: Feature) -> Support:
        return same_node_support() if feature is Feature.SAME_NODE_FAST_PATH else super().supports(feature)

    def _attached(self, lab: Lab, undo: ExitStack) -> Attachment:
        proxies = undo.enter_context(running(FastProxies(lab, self._fast_tuning)))
        kafka = undo.enter_context(kafka_proxies(lab))
        mesh = undo.enter_context(attached(lab, options(), Judges(kafka, proxies)))
        if obstacle() is None:
            proxies.open_paths(mesh, undo)
        return EbpfL7Attachment(self.name, mesh, proxies, kafka)


DATA_PLANES = (EbpfL7(),)
