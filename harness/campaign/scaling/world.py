"""The clusters of scaling scenarios: so many pods on two nodes, so many Services, and a policy that admits half of the pods."""

from harness.model.flow import Flow
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy, Peer, Rule
from harness.model.route import (
    BackendObject,
    BackendRef,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
)
from harness.model.routing import Routing
from harness.model.service import Service, ServicePort
from harness.model.topology import Namespace, Pod, Topology

NAMESPACE = "scale"
NODES = ("n1", "n2")
PORT = 8080
FIRST_BACKEND_PORT = 20_000
FAMILIES = 2  # a Service is a cluster of each
RULES_OF_A_ROUTE = 16  # as many as Gateway API allows
HERE = Origin("scaling", 1)


def pod(number: int) -> Pod:
    """Pods take turns over the nodes; of any two neighbours on a node one is of the half that the policy admits."""
    labels = {"app": f"p{number}", "half": str(number // 2 % 2)}
    return Pod(f"p{number}", NAMESPACE, NODES[number % len(NODES)], labels)


def cluster(pods: int) -> Topology:
    """``pods`` pods on two nodes."""
    return Topology("scaling", NODES, (Namespace(NAMESPACE),), tuple(pod(number) for number in range(pods)))


def admitting(half: str) -> NetworkPolicy:
    """Isolates all pods, and lets in the pods of one half: ``0``, of which p0 is, or ``1``."""
    rule = Rule(HERE, (Peer(HERE, LabelSelector({"half": half})),))
    return NetworkPolicy(HERE, f"half-{half}", NAMESPACE, LabelSelector(), ("Ingress",), (rule,))


ASKED = Flow(f"{NAMESPACE}/p0", f"{NAMESPACE}/p1", PORT)
"""From the first pod to the second, which is on the other node; asked for readiness and through changes."""


def services(clusters: int, pods: int) -> Routing:
    """Services that give every Envoy ``clusters`` clusters: one Service to ask, whose routes send to all the others.

    Each of the others has one pod and a port of its own, and so one cluster for each family. All sidecars of a mesh are told
    of all Services, and all hang on one listener: as Istio's do, which has one for each port that is asked.
    """
    count = clusters // FAMILIES
    if not count:
        return Routing()
    front = Service(HERE, "all", NAMESPACE, (ServicePort(HERE, 80, "http", PORT),), {"app": "p1"})
    backs = [
        Service(
            HERE, f"s{number}", NAMESPACE, (ServicePort(HERE, 80, "http", FIRST_BACKEND_PORT + number),),
            {"app": f"p{number % pods}"}, cluster_ip="None",
        )
        for number in range(count)
    ]  # fmt: skip
    rules = [_rule(number) for number in range(count)]
    parent = (ParentReference(HERE, "all", group="", kind="Service", port=80),)
    routes = [
        HTTPRoute(HERE, f"r{first}", NAMESPACE, parent_refs=parent, rules=tuple(rules[first : first + RULES_OF_A_ROUTE]))
        for first in range(0, count, RULES_OF_A_ROUTE)
    ]
    return Routing(services=(front, *backs), http_routes=tuple(routes))


def _rule(number: int) -> HTTPRouteRule:
    match = HTTPRouteMatch(HERE, PathMatch("PathPrefix", f"/s{number}"))
    return HTTPRouteRule(HERE, matches=(match,), backend_refs=(BackendRef(BackendObject(HERE, f"s{number}", port=80)),))
