"""One Envoy a node, as Cilium has it: the eBPF mesh's programs judge packets, the node's Envoy judges requests.

Only TCP to ports that a policy narrows by ``rules.http`` goes through an Envoy, once a node: the client's egress is judged at
its node, the backend's ingress at its own, and both at once where the two are the same. Where it narrows them by
``rules.kafka`` it goes through a proxy of our own instead, as Envoy has no filter for these rules.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from harness.dataplanes.ebpf import Ebpf, EbpfAttachment, options
from harness.dataplanes.envoy_restart import restart
from harness.dataplanes.judges import Judges
from harness.dataplanes.kafka_evidence import KAFKA_DENIED, described, is_about
from harness.dataplanes.kafka_proxies import KafkaProxies, kafka_proxies
from harness.dataplanes.node_proxies import NodeProxies
from harness.dataplanes.port import (
    NO_ROUTING,
    Attachment,
    Component,
    DataPlaneError,
    Feature,
    NotConverged,
    RestartKind,
    Revision,
    Support,
    Yes,
)
from harness.dataplanes.request_law import check_routing, written_down
from harness.dataplanes.routed import Fronts
from harness.envoy.errors import EnvoyError
from harness.envoy.node_tuning import DEFAULTS, NodeTuning, parse
from harness.envoy.process import COMPONENT
from harness.envoy.transparent import HAIRPIN
from harness.kafka.control import COMPONENT as KAFKA_COMPONENT
from harness.kafka.control import KafkaProxyError
from harness.lab.gateway_addresses import gateway_addresses
from harness.lab.port import Lab, LabError, LabPod
from harness.lab.service_addresses import service_addresses
from harness.mesh.errors import MeshError
from harness.mesh.mesh import Mesh, attached
from harness.model.cilium import Policy
from harness.model.flow import Evidence, Flow, Verdict
from harness.model.request import KafkaRequest
from harness.model.routing import Routing
from harness.model.topology import Pod

Proxies = TypeVar("Proxies", bound=NodeProxies)
_OF_REQUESTS = (
    Feature.L7_HTTP,
    Feature.POLICY_HTTP,
    Feature.POLICY_KAFKA,
    Feature.L7_ROUTING,
    Feature.L7_GATEWAYS,
    Feature.L7_TRAFFIC,
)


class NodeProxyAttachment(EbpfAttachment):
    """The mesh and the nodes' Envoys in force on a lab."""

    def __init__(self, plane: str, mesh: Mesh, proxies: NodeProxies, kafka: KafkaProxies) -> None:
        super().__init__(mesh)
        self.plane = plane
        self._proxies = proxies
        self._kafka = kafka

    def apply(self, policies: Sequence[Policy], routing: Routing = NO_ROUTING) -> Revision:
        """As the port says. Services and Gateways have the addresses that the lab's topology gives them (harness.lab)."""
        check_routing(routing, self.plane)
        former = self._proxies.fronts
        try:
            addresses = service_addresses(routing.services, self._mesh.lab.topology)
            gateways = gateway_addresses(routing.gateways, addresses, self._mesh.lab.topology)
        except LabError as error:
            raise DataPlaneError(f"{self.plane}: {error}") from None
        fronts = [address for some in (addresses, gateways) for each in some.values() for address in each]
        self._proxies.fronts = Fronts(routing, addresses, gateways)
        try:
            return self._converged(lambda: self._enforced(policies, [*fronts, *HAIRPIN.values()] if fronts else []))
        except DataPlaneError:
            self._proxies.fronts = former
            raise

    def pods_changed(self, added: Sequence[LabPod], removed: Sequence[Pod]) -> Revision:
        return self._converged(lambda: super(NodeProxyAttachment, self).pods_changed(added, removed))

    def _converged(self, change: Callable[[], Revision]) -> Revision:
        try:
            return change()
        except (EnvoyError, KafkaProxyError, LabError) as error:
            raise NotConverged(f"{self.plane}: requests are not judged as they should be: {error}") from error

    def evidence(self, flow: Flow) -> Evidence | None:
        """What a proxy refused under the policies in force, else what the programs dropped."""
        refusal = None
        if flow.protocol == "TCP":
            refusal = None if isinstance(flow.request, KafkaRequest) else self._refusal(flow)
            refusal = refusal or self._kafka_refusal(flow)
        return refusal or super().evidence(flow)

    def _kafka_refusal(self, flow: Flow) -> Evidence | None:
        source, destination = (self.address(end, flow.family) for end in (flow.source, flow.destination))
        for proxy, refused in self._kafka.latest_refusal(source, destination, flow.port):
            if is_about(refused, flow.request):
                where = f"{refused.side or 'proxy'} on node {proxy.node.name}: {described(refused)}"
                return Evidence(self.plane, KAFKA_DENIED, refused.origin or None, where)
        return None

    def _refusal(self, flow: Flow) -> Evidence | None:
        asked = written_down(flow.request, normalised_times=int(self._proxies.normalises))
        source, destination = (self.address(end, flow.family) for end in (flow.source, flow.destination))
        found = self._proxies.latest_refusal(source, destination, flow.port, asked)
        if found is None:
            return None
        envoy, refused, rule = found
        where = f"{refused.direction} on node {envoy.node.name}: {refused.method} {refused.path}"
        return Evidence(self.plane, "rbac_access_denied", str(rule) if rule else None, where)

    def components(self) -> Sequence[Component]:
        """An Envoy a node, the proxies for Kafka that run, and the programs."""
        envoys = [Component(COMPONENT, envoy.node, envoy.process.pids) for envoy in self._proxies.envoys]
        kafka = [Component(KAFKA_COMPONENT, each.node, each.pids) for each in self._kafka.proxies if each.pids]
        return (*envoys, *kafka, *super().components())

    def restart(self, component: str, how: RestartKind) -> None:
        """``component`` is ``proxy`` for every Envoy, one after another, a node's name for that node's, ``bpf``, or
        ``kafka-proxy`` for every proxy for Kafka, which has no hot restart.
        """
        if component == KAFKA_COMPONENT:
            self._restart_kafka(how)
            return
        chosen = [envoy for envoy in self._proxies.envoys if component in (COMPONENT, envoy.node.name)]
        if not chosen:
            super().restart(component, how)
        for envoy in chosen:
            try:
                restart(envoy.process, how)
            except (EnvoyError, LabError) as error:
                raise DataPlaneError(f"{self.plane}: {how} restart failed: {error}") from None

    def _restart_kafka(self, how: RestartKind) -> None:
        if how is RestartKind.HOT:
            raise DataPlaneError(f"{self.plane}: a proxy for Kafka has no hot restart; connections end with it")
        try:
            for proxy in self._kafka.proxies:
                proxy.restart()
        except (KafkaProxyError, LabError) as error:
            raise DataPlaneError(f"{self.plane}: {how} restart failed: {error}") from None


class NodeProxy:
    """The eBPF mesh with an Envoy on every node."""

    def __init__(self, name: str = "node-proxy", title: str = "Node Envoys", tuning: NodeTuning = DEFAULTS) -> None:
        self.name = name
        self.title = title
        self._tuning = tuning

    def tuned(self, settings: str) -> "NodeProxy":
        tuning = parse(settings)
        if tuning.flows:
            raise ValueError("flows are what ebpf-l7 has; this plane has an access_log")
        return NodeProxy(f"{self.name}@{settings}", f"{self.title} ({settings})", tuning)

    def supports(self, feature: Feature) -> Support:
        if feature in _OF_REQUESTS:
            return Yes(denies=Verdict.REJECTED)
        return Ebpf().supports(feature)

    @contextmanager
    def attach(self, lab: Lab) -> Iterator[Attachment]:
        entered = False
        try:
            with ExitStack() as undo:
                attachment = self._attached(lab, undo)
                entered = True
                yield attachment
        except (MeshError, EnvoyError, KafkaProxyError, LabError, OSError) as error:
            if entered and not isinstance(error, (MeshError, EnvoyError, KafkaProxyError)):
                raise
            raise DataPlaneError(f"{self.name} could not be {'detached' if entered else 'attached'}: {error}") from error

    def _attached(self, lab: Lab, undo: ExitStack) -> Attachment:
        proxies = undo.enter_context(running(NodeProxies(lab, self._tuning)))
        kafka = undo.enter_context(kafka_proxies(lab))
        mesh = undo.enter_context(attached(lab, options(), Judges(kafka, proxies)))
        return NodeProxyAttachment(self.name, mesh, proxies, kafka)


@contextmanager
def running(proxies: Proxies) -> Iterator[Proxies]:
    """The Envoys, serving and fed by the nodes' stacks. Their files are kept where that failed, as errors name them."""
    try:
        proxies.start()
        yield proxies
    finally:
        proxies.stop()
    shutil.rmtree(proxies.folder)


DATA_PLANES = (NodeProxy(),)
