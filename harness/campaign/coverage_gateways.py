"""The classes of requests to Gateways: which listener takes them, and how the routes are bound to it."""

from collections.abc import Sequence

from harness.model.flow import is_pod
from harness.model.route import Gateway, Listener, Route
from harness.model.routed import Asked
from harness.model.routing import Routing
from harness.model.topology import Topology
from harness.oracle.routing.attachment import listener, of_listener
from harness.oracle.routing.message import message

_WILDCARD = "*."


def at_gateway(asked: Asked, routing: Routing, topology: Topology) -> Sequence[Route]:
    """The routes of the listener that takes a request; none where none does."""
    gateway, taking = _taking(asked, routing)
    labels = {each.name: each.labels for each in topology.namespaces}
    return [] if taking is None else of_listener((*routing.http_routes, *routing.grpc_routes), gateway, taking, labels)


def listening(routes: Sequence[Route], asked: Asked, routing: Routing) -> str:
    """What the listener is like that takes a request, of how many, and its ``routes``."""
    gateway, taking = _taking(asked, routing)
    beside = [each for each in gateway.listeners if each is not taking]
    every = (*routing.http_routes, *routing.grpc_routes)
    traits = {
        "others at its port": taking is not None and any(each.port == taking.port for each in beside),
        "others at other ports": any(each.port != asked.call.port for each in beside),
        "other Gateways": len(routing.gateways) > 1,
        "of several namespaces": any(each.namespace != gateway.namespace for each in routes),
        "with addresses of its own": bool(gateway.addresses),
        "a port in the host": ":" in (asked.call.request.host or ""),
        "asked by a pod": is_pod(asked.call.source),
    }
    said = [
        f"{_listener(taking)}, {len(routes)} of {len(every)} routes apply",
        *(each for each, found in traits.items() if found),
    ]
    names = sorted({_name(host) for each in routes for host in each.hostnames or (None,)})
    return ", ".join([*said, *([f"host names of routes: {' and '.join(names)}"] if names else [])])


def _taking(asked: Asked, routing: Routing) -> tuple[Gateway, Listener | None]:
    gateway = next(each for each in routing.gateways if each.ref == asked.call.destination)
    return gateway, listener(gateway, asked.call.port, message(asked.call).hostname)


def _listener(taking: Listener | None) -> str:
    if taking is None:
        return "no listener"
    allowed = taking.allowed_routes
    kinds = "" if allowed is None or not allowed.kinds else " of some kinds"
    return f"a listener for {_name(taking.hostname)} from {(allowed and allowed.from_) or 'Same'}{kinds}"


def _name(host: str | None) -> str:
    return "all hosts" if host is None else "a wildcard" if host.startswith(_WILDCARD) else "one host"
