"""What policies and routes say to each pod's sidecar: who may connect, whose requests are judged, and how."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.dataplanes.port import DataPlaneError
from harness.dataplanes.request_law import RequestLaw
from harness.dataplanes.routed import Fronts, routed
from harness.dataplanes.scopes import EVERY_PORT, Ground, scopes
from harness.envoy.admission import Direction, Scope
from harness.envoy.certificates import spiffe_id
from harness.envoy.configuration import ConnectionFilters
from harness.envoy.connection_rules import connection_filters
from harness.envoy.judged_flows import JudgedFlows, judged_flows, toward
from harness.envoy.rbac import egress_filters, ingress_filters
from harness.envoy.selection import Selection
from harness.envoy.service_resources import backends
from harness.envoy.sidecar_requests import Asked
from harness.mesh.grants import EGRESS, INGRESS, Cluster, Granted
from harness.mesh.identity import identities
from harness.mesh.policy import granted
from harness.model.cilium import Policy
from harness.model.policy import NetworkPolicy
from harness.model.topology import Pod, Topology


@dataclass(frozen=True, slots=True)
class PodLaw:
    """Of one pod: the filters of its ``connections``, what is said of its ``requests``, and of which flows they are judged."""

    connections: ConnectionFilters = field(default_factory=ConnectionFilters)
    requests: RequestLaw = field(default_factory=RequestLaw)
    outbound: tuple[JudgedFlows, ...] = ()
    inbound: tuple[JudgedFlows, ...] = ()
    own: tuple[str, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)

    def asked(self, number: int) -> Asked:
        """What its sidecar is told of requests; ``number`` is in the names of the policies by which it refuses."""
        told = self.requests.told(number)
        behind = {each.port for each in backends(told.services.hosts) if each.address in self.own}
        served = tuple(sorted(behind))
        return Asked(self.outbound, self.inbound, told.rules, told.services, self.own, served, self.known)


@dataclass(frozen=True, slots=True)
class Law:
    """Of all pods (``namespace/name``). ``judging``: some requests are judged, or a Service's.

    ``fronts`` are addresses of Services.
    """

    pods: Mapping[str, PodLaw] = field(default_factory=dict)
    judging: bool = False
    fronts: frozenset[str] = frozenset()


def law(policies: Sequence[Policy], fronts: Fronts, topology: Topology, plane: str, *, encrypted: bool, judging: bool) -> Law:
    """What ``policies`` and routes say. With ``judging`` of requests, too, although none may be looked into any more.

    NetworkPolicies alone are compiled as they are written; as soon as there are others, or Services, all are compiled as the
    mesh resolves them, with destinations and denials of every kind. Raises PolicyError, and DataPlaneError for what Envoy
    cannot judge.
    """
    written = [each for each in policies if isinstance(each, NetworkPolicy)]
    if not judging and not fronts.routing.services and len(written) == len(policies):
        return Law({pod.ref: PodLaw(each) for pod, each in _as_written(written, topology, encrypted=encrypted)})
    cluster = Cluster.of(topology, identities(topology))
    result = granted(policies, cluster)
    for grant in result.grants:
        if grant.requests is not None and grant.requests.kafka is not None:
            what = f"toPorts.rules.kafka: {plane} does not judge requests of Kafka; leave the rules out, or the data plane"
            raise DataPlaneError(f"{grant.requests.origin}: {what}")
    judging = judging or bool(fronts.routing.services) or any(grant.requests is not None for grant in result.grants)
    found = {pod.ref: _scopes(pod, result, cluster) for pod in topology.pods}
    known = {ip: spiffe_id(pod.namespace, pod.name) for pod in topology.pods for ip in pod.ips} if encrypted else {}
    if fronts.routing.services or len(written) < len(policies):
        connections = {pod.ref: _as_resolved(pod, found[pod.ref], known) for pod in topology.pods}
    else:
        connections = {pod.ref: each for pod, each in _as_written(written, topology, encrypted=encrypted)}
    if not judging:
        return Law({ref: PodLaw(each) for ref, each in connections.items()})
    pods = {}
    for pod in topology.pods:
        # no backend is this Envoy's to change headers for: that is done where a request arrives
        there = replace(routed(fronts, topology, [pod], result, cluster), local=frozenset())
        outbound, inbound = (tuple(_judged(pod, way, found, topology)) for way in (Direction.EGRESS, Direction.INGRESS))
        requests = RequestLaw(found[pod.ref], there)
        pods[pod.ref] = PodLaw(connections[pod.ref], requests, outbound, inbound, pod.ips, known)
    return Law(pods, judging, frozenset(each for some in fronts.addresses.values() for each in some))


def _as_written(
    policies: Sequence[NetworkPolicy], topology: Topology, *, encrypted: bool
) -> Iterator[tuple[Pod, ConnectionFilters]]:
    selection = Selection(topology)
    for pod in topology.pods:
        ingress = ingress_filters(pod, policies, selection, by_certificate=encrypted)
        yield pod, ConnectionFilters(tuple(egress_filters(pod, policies, selection)), tuple(ingress))


def _as_resolved(pod: Pod, said: Sequence[Scope], known: Mapping[str, str]) -> ConnectionFilters:
    return ConnectionFilters(
        tuple(connection_filters("outbound", said, Direction.EGRESS, pod.ips, {})),
        tuple(connection_filters("inbound", said, Direction.INGRESS, pod.ips, known)),
    )


def _scopes(pod: Pod, result: Granted, cluster: Cluster) -> tuple[Scope, ...]:
    """All that is said of a pod's connections over TCP, of whatever port: open ones may be judged by any of it."""
    everything = [Ground(direction, ip, EVERY_PORT) for direction in (EGRESS, INGRESS) for ip in pod.ips]
    return tuple(scopes(result, cluster, pod.ips, everything))


def _judged(pod: Pod, direction: Direction, found: Mapping[str, Sequence[Scope]], topology: Topology) -> list[JudgedFlows]:
    """The flows of ``pod`` in one direction whose requests are judged, at its own end or at the other.

    Both ends read them alike, so that a request reaches the end that judges it as it was sent.
    """
    other = Direction.INGRESS if direction is Direction.EGRESS else Direction.EGRESS
    flows = [*judged_flows(found[pod.ref], direction)]
    for peer in topology.pods:
        if peer.ref != pod.ref:
            flows += toward(found[peer.ref], other, pod.ips, peer.ips)
    return list(dict.fromkeys(flows))
