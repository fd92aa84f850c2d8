"""What a node's Envoy does with requests to Services and Gateways: where they may go, and what policies say of backends."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.dataplanes.scopes import Ground, scopes
from harness.envoy.admission import Direction, Scope
from harness.envoy.aimed_rules import aimed, aimed_prefix, aimed_rules
from harness.envoy.gateway_hosts import gateway_hosts
from harness.envoy.request_rbac import name
from harness.envoy.request_rules import RequestRules
from harness.envoy.service_backends import Backend
from harness.envoy.service_hosts import Host, hosts
from harness.envoy.service_resources import ServiceRules, backends
from harness.mesh.grants import EGRESS, INGRESS, Cluster, Granted
from harness.model.origin import Origin
from harness.model.routing import Routing
from harness.model.topology import Pod, Topology


@dataclass(frozen=True, slots=True)
class Fronts:
    """Services, Gateways and routes, with the addresses of each Service and of each Gateway (``namespace/name``)."""

    routing: Routing
    addresses: Mapping[str, Sequence[str]]
    gateways: Mapping[str, Sequence[str]] = field(default_factory=dict)


NO_FRONTS = Fronts(Routing(), {})


@dataclass(frozen=True, slots=True)
class Routed:
    """Of one Envoy: virtual hosts, and the scopes of all their clients and backends.

    ``clients`` are the addresses of its pods; ``local`` those whose rules about requests to them it alone asks.
    """

    hosts: tuple[Host, ...] = ()
    scopes: tuple[Scope, ...] = ()
    local: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()

    def rules(self, number: int) -> ServiceRules:
        """What Envoy is told; ``number`` is in the names of the policies by which it refuses."""

        def of(backend: Backend) -> RequestRules:
            local, itself = backend.address in self.local, backend.address in self.clients
            return aimed_rules(self.scopes, backend, aimed_prefix(number, backend), local=local, itself=itself)

        return ServiceRules(self.hosts, {each: of(each) for each in backends(self.hosts)})

    def origins(self, number: int) -> dict[str, Origin]:
        """Where the rules were written that refuse, by the names of policies."""
        return {
            name(scope, index, aimed_prefix(number, backend)): scope.origin
            for backend in backends(self.hosts)
            for index, scope in enumerate(aimed(self.scopes, backend))
        }


def routed(fronts: Fronts, topology: Topology, pods: Iterable[Pod], result: Granted, cluster: Cluster) -> Routed:
    """What the node of ``pods`` has to know.

    Packets between its Envoy and a backend meet no program on the client's node, so Envoy judges who may connect, too. It
    judges the rules of backends on other nodes as their nodes do: a client gets the same answer wherever its backend is.
    """
    mine = list(pods)
    by_namespace: dict[str, list[str]] = {}
    for pod in mine:
        by_namespace.setdefault(pod.namespace, []).extend(pod.ips)
    found = hosts(fronts.routing, fronts.addresses, topology, by_namespace)
    found += gateway_hosts(fronts.routing, fronts.gateways, topology)
    if not found:
        return Routed()
    asked = backends(found)
    clients = [ip for pod in mine for ip in pod.ips]
    served = sorted({backend.address for backend in asked})
    ports = sorted({backend.port for backend in asked})
    leaving = [Ground(EGRESS, client, (port, port)) for client in clients for port in ports]
    arriving = [Ground(INGRESS, backend.address, (backend.port, backend.port)) for backend in asked]
    outgoing = [each for each in scopes(result, cluster, clients, leaving) if each.direction is Direction.EGRESS]
    incoming = [each for each in scopes(result, cluster, served, arriving) if each.direction is Direction.INGRESS]
    return Routed(tuple(found), (*outgoing, *incoming), frozenset(clients), frozenset(clients))
