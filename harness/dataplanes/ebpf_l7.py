"""The eBPF mesh with a fast path: requests that the kernel understands go past the nodes' Envoys."""

import socket
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from harness.dataplanes.ebpf import options
from harness.dataplanes.ebpf_sockmap import same_node_support
from harness.dataplanes.judges import Judges
from harness.dataplanes.kafka_proxies import KafkaProxies, kafka_proxies
from harness.dataplanes.l7targets import NodeTargets
from harness.dataplanes.node_proxies import NodeProxies
from harness.dataplanes.node_proxy import NodeProxy, NodeProxyAttachment, running
from harness.dataplanes.port import Attachment, Component, Feature, NotConverged, Revision, Support
from harness.envoy.descriptors import connection
from harness.envoy.node_envoy import NodeEnvoy
from harness.envoy.node_tuning import DEFAULTS, NodeTuning, parse
from harness.envoy.process import COMPONENT
from harness.lab.port import Lab, LabPod
from harness.mesh.errors import MeshError
from harness.mesh.l7 import PINS, FastPath
from harness.mesh.l7agent import FastPathAgent, ProxySocket
from harness.mesh.mesh import Mesh, attached
from harness.mesh.sockmap import obstacle
from harness.model.topology import Pod


class FastProxies(NodeProxies):
    """The nodes' Envoys, and the fast paths past them: these follow what those are told."""

    def __init__(self, lab: Lab, tuning: NodeTuning) -> None:
        super().__init__(lab, tuning)
        self._paths: dict[NodeEnvoy, tuple[FastPath, FastPathAgent]] = {}
        self._mesh: Mesh | None = None

    def open_paths(self, mesh: Mesh, undo: ExitStack) -> None:
        """Make the fast path of every node; closed by ``undo``. Raises MeshError."""
        self._mesh = mesh
        by_node = {agent.node.name: agent for agent in mesh.agents}
        for envoy in self.envoys:
            node = envoy.node
            pins = mesh.lab.bpffs / f"{PINS}-{node.name}"
            path = FastPath(node, by_node[node.name].maps, node.component_cgroup(COMPONENT), pins)
            undo.callback(path.close)
            agent = FastPathAgent(path, _socket_of(envoy))
            agent.start()
            undo.callback(agent.stop)
            self._paths[envoy] = path, agent
        undo.callback(self._paths.clear)
        self._judge_by_paths()

    def settle(self) -> None:
        super().settle()
        self._judge_by_paths()

    def forget(self, addresses: Iterable[str]) -> None:
        gone = set(addresses)
        super().forget(gone)
        for path, agent in self._paths.values():
            agent.forget(path.forget(gone))

    def follow(self) -> None:
        """Read what the pods send that are there now."""
        for path, _ in self._paths.values():
            path.follow(path.node.pods)

    def _judge_by_paths(self) -> None:
        agents = {} if self._mesh is None else {agent.node.name: agent for agent in self._mesh.agents}
        pods = frozenset(ip for pod in self._mesh.lab.pods for ip in pod.pod.ips) if self._mesh else frozenset()
        for envoy, (path, agent) in self._paths.items():
            local = frozenset(ip for pod in envoy.node.pods for ip in pod.pod.ips)
            path.judge_by(agents[envoy.node.name].tables.generation, NodeTargets(self.scopes_of(envoy), local, pods))
            agent.renew()

    @property
    def programs(self) -> tuple[int, ...]:
        """The ids of the fast paths' programs in the kernel."""
        return tuple(number for path, _ in self._paths.values() for number in path.programs)

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
        """Those of the node proxy, and the fast path's programs."""
        return (*super().components(), Component("l7", programs=self._fast.programs))

    def path_counts(self) -> dict[str, int]:
        """How many requests took which path, and why."""
        return self._fast.counts()

    def path_held(self) -> dict[str, int]:
        """How many connections and sockets the fast paths know of: what they keep when nothing is going on is a leak."""
        return self._fast.held()


class EbpfL7(NodeProxy):
    """``node-proxy``, and past it the fast path."""

    def __init__(
        self, name: str = "ebpf-l7", title: str = "eBPF mesh with requests in the kernel", tuning: NodeTuning = DEFAULTS
    ) -> None:
        # Envoy takes a connection whose requests go past it for an idle one.
        super().__init__(name, title, replace(tuning, idle_timeout=False))

    def tuned(self, settings: str) -> "EbpfL7":
        return EbpfL7(f"{self.name}@{settings}", f"{self.title} ({settings})", parse(settings))

    def supports(self, feature: Feature) -> Support:
        return same_node_support() if feature is Feature.SAME_NODE_FAST_PATH else super().supports(feature)

    def _attached(self, lab: Lab, undo: ExitStack) -> Attachment:
        proxies = undo.enter_context(running(FastProxies(lab, self._tuning)))
        kafka = undo.enter_context(kafka_proxies(lab))
        mesh = undo.enter_context(attached(lab, options(), Judges(kafka, proxies)))
        if obstacle() is None:
            proxies.open_paths(mesh, undo)
        return EbpfL7Attachment(self.name, mesh, proxies, kafka)


def _socket_of(envoy: NodeEnvoy) -> ProxySocket:
    def find(client: str, client_port: int, backend: str, port: int) -> socket.socket | None:
        return connection(envoy.process.pids, (backend, port), (client, client_port))

    return find


DATA_PLANES = (EbpfL7(),)
