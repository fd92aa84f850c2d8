"""What a sidecar is told so that it judges requests, and routes those to Services: chains, clusters, and what they refuse.

The chains never change, so that connections which are open stay open: what is refused stands in route configurations, which
Envoy asks for each request (docs/decisions/0098).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.envoy import tls
from harness.envoy.admission import Direction
from harness.envoy.aimed_rules import of_others
from harness.envoy.chain_choice import DESTINATION, SOURCE, Predicate, all_of, flows_predicate, matching, within
from harness.envoy.clusters import FROM_INBOUND_SOURCE
from harness.envoy.connection_rules import rules_by_certificate
from harness.envoy.judged_flows import JudgedFlows
from harness.envoy.protocol import ALPN, SNIFFED, Protocol
from harness.envoy.request_http import connection_manager
from harness.envoy.request_resources import BACKEND, cluster, routes, upstream
from harness.envoy.request_rules import NONE, RequestRules
from harness.envoy.service_backends import Backend
from harness.envoy.service_resources import SERVICES, ServiceRules, service_clusters, service_manager, service_routes
from harness.envoy.tuning import Tuning

Resource = dict[str, Any]
OUTBOUND, MESH, INBOUND = "outbound-requests", "mesh-requests", "inbound-requests"
"""Chains, and their route configurations: to whoever has no sidecar, to whoever has one, and to the own pod."""

REFUSING = "no-such-port"
RECORDS = "requests"
"""The folder below a sidecar's own where refused requests are written down: beside them are refused connections."""

_MESH_BACKEND, _INBOUND_BACKEND = f"mesh-{BACKEND}", f"inbound-{BACKEND}"
_LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
_DIRECT = "type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is done with the requests of one pod.

    Those of the flows ``outbound`` and ``inbound`` are judged by ``rules``; those to ``fronts``, which are Services', go where
    ``services`` say. ``own`` are the pod's addresses, and ``served`` its ports behind Services. With ``identities`` its clients
    are known by their certificates.
    """

    outbound: tuple[JudgedFlows, ...] = ()
    inbound: tuple[JudgedFlows, ...] = ()
    rules: RequestRules = NONE
    services: ServiceRules = field(default_factory=ServiceRules)
    own: tuple[str, ...] = ()
    served: tuple[int, ...] = ()
    identities: Mapping[str, str] = field(default_factory=dict)

    @property
    def fronts(self) -> list[Backend]:
        """The addresses and ports of Services."""
        return sorted({Backend(each.address, each.port) for each in self.services.hosts})


def request_clusters(asked: Asked, tuning: Tuning, credentials: tls.Credentials | None) -> list[Resource]:
    """Where requests go: as they came, in the protocol in which they came."""
    plain = {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}
    own = upstream({"name": _INBOUND_BACKEND, **plain, **FROM_INBOUND_SOURCE}, tuning)
    if credentials is None:
        return [own, cluster(tuning), *service_clusters(asked.services, tuning)]
    encrypted = {"transport_socket": tls.upstream(credentials, ALPN[Protocol.TCP])}
    backends = [{**each, **encrypted} for each in service_clusters(asked.services, tuning)]
    return [own, cluster(tuning), upstream({"name": _MESH_BACKEND, **plain, **encrypted}, tuning), *backends]


def request_routes(asked: Asked, tuning: Tuning, *, encrypted: bool) -> dict[str, Resource]:
    """The route configurations by name. What a pod asks is judged by its egress, what it is asked by its ingress."""
    rules = rules_by_certificate(asked.rules, asked.identities)
    arriving = _alone(rules, Direction.INGRESS)
    refused = {**arriving.refused, Direction.INGRESS: of_others(arriving.refused[Direction.INGRESS], asked.own)}
    leaving = _alone(rules, Direction.EGRESS)
    found = [
        routes(leaving, tuning, OUTBOUND, BACKEND),
        routes(RequestRules(refused, arriving.headers), tuning, INBOUND, _INBOUND_BACKEND, again=False),
        service_routes(asked.services, tuning),
    ]
    if encrypted:
        found.append(routes(leaving, tuning, MESH, _MESH_BACKEND))
    return {each["name"]: each for each in found}


def outbound_chains(folder: Path, tuning: Tuning, *, encrypted: bool) -> list[Resource]:
    """The chains of the outbound listener that judge requests, and the one that refuses."""
    names = (OUTBOUND, MESH) if encrypted else (OUTBOUND,)
    closing = {"name": "close", "typed_config": {"@type": _DIRECT}}
    return [*(_chain(each, folder, tuning) for each in names), {"name": REFUSING, "filters": [closing]}]


def inbound_chain(folder: Path, tuning: Tuning, credentials: tls.Credentials | None) -> Resource:
    """The chain of the inbound listener that judges requests. Inside TLS it finds out itself what is spoken."""
    chain = _chain(INBOUND, folder, tuning)
    return chain if credentials is None else {**chain, "transport_socket": tls.downstream(credentials)}


def outbound_choices(asked: Asked, mesh: Sequence[str]) -> list[tuple[Predicate, str]]:
    """Which connections go to those chains; ``mesh`` are addresses of pods that take TLS. Services' ports have listeners."""
    fronts = sorted({each.address for each in asked.fronts})
    chosen = [(within(DESTINATION, fronts), REFUSING)] if fronts else []
    for flows in asked.outbound:
        predicate = flows_predicate(flows, DESTINATION)
        chosen += [(all_of([within(DESTINATION, mesh), predicate]), MESH)] if mesh else []
        chosen.append((predicate, OUTBOUND))
    return chosen


def inbound_choices(asked: Asked, declared: Mapping[int, Protocol], *, encrypted: bool) -> list[tuple[Predicate, str]]:
    """Which connections the inbound chain takes; ``declared`` are protocols of ports by their names.

    HTTP to the ports of Services is among them, so that requests arrive as their client's sidecar sent them. Inside TLS they
    are told to be bytes, and pass as they are.
    """
    chosen = [(flows_predicate(flows, SOURCE), INBOUND) for flows in asked.inbound]
    for port in () if encrypted else asked.served:
        protocol, match = declared.get(port), {"destination_port": port}
        if protocol is None:
            spoken = [each for names in SNIFFED.values() for each in names]
            chosen.append((matching({**match, "application_protocols": spoken}), INBOUND))
        elif protocol is not Protocol.TCP:
            chosen.append((matching(match), INBOUND))
    return chosen


def service_listeners(asked: Asked, folder: Path, tuning: Tuning) -> list[Resource]:
    """A listener for each address and port of a Service, to which the outbound listener hands what was meant for it."""
    manager = service_manager(tuning, folder / RECORDS)
    return [
        {
            "@type": _LISTENER,
            "name": f"service {front}",
            "bind_to_port": False,
            "traffic_direction": "OUTBOUND",
            "address": {"socket_address": {"address": front.address, "port_value": front.port}},
            "filter_chains": [{"name": SERVICES, "filters": [manager]}],
            **({} if tuning.buffer_bytes is None else {"per_connection_buffer_limit_bytes": tuning.buffer_bytes}),
        }
        for front in asked.fronts
    ]


def marks(count: int) -> Resource:
    """A listener that listens nowhere. Each chain more shows what workers have taken up, and drains nothing."""
    closing = {"name": "close", "typed_config": {"@type": _DIRECT}}
    chains = [
        {"name": f"{n}", "filter_chain_match": {"destination_port": n}, "filters": [closing]} for n in range(1, count + 1)
    ]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 1}}
    return {"@type": _LISTENER, "name": "marks", "bind_to_port": False, "address": address, "filter_chains": chains}


def refusing_also(asked: Asked, former: Asked) -> Asked:
    """``asked``, but what ``former`` refuses is refused, too, and what either judges is judged."""
    return replace(
        asked,
        outbound=tuple(dict.fromkeys((*asked.outbound, *former.outbound))),
        inbound=tuple(dict.fromkeys((*asked.inbound, *former.inbound))),
        rules=asked.rules.refusing_also(former.rules),
        services=asked.services.refusing_also(former.services),
        served=tuple(sorted({*asked.served, *former.served})),
    )


def _alone(rules: RequestRules, direction: Direction) -> RequestRules:
    """The rules of one direction; the other's refuse nothing."""
    return RequestRules(
        {**NONE.refused, direction: rules.refused[direction]}, {**NONE.headers, direction: rules.headers[direction]}
    )


def _chain(name: str, folder: Path, tuning: Tuning) -> Resource:
    return {"name": name, "filters": [connection_manager(tuning, folder / RECORDS, name)]}
