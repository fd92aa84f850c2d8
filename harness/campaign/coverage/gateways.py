"""The classes of requests to Gateways: which listener takes them, and how the routes are bound to it."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from harness.model.cilium import CiliumPolicy, CiliumRule, Policy
from harness.model.flow import is_pod
from harness.model.policy import Rule
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
    every: tuple[Route, ...] = (*routing.http_routes, *routing.grpc_routes)
    traits = {
        "others at its port": taking is not None and any(each.port == taking.port for each in beside),
        "others at other ports": any(each.port != asked.call.port for each in beside),
        "other Gateways": len(routing.gateways) > 1,
        "of several namespaces": any(each.namespace != gateway.namespace for each in routes),
        "with addresses of its own": bool(gateway.addresses),
        "a port in the host": (asked.call.request.host or "").rpartition(":")[2].isdigit(),
        "an address for a host": _is_address((asked.call.request.host or "").strip("[]")),
        "asked by a pod": is_pod(asked.call.source),
    }
    said = [
        f"{_listener(taking)}, {len(routes)} of {len(every)} routes apply",
        *(each for each, found in traits.items() if found),
    ]
    said += sorted({_left_out(each, gateway) for each in every if each not in routes})
    names = sorted({_name(host) for each in routes for host in each.hostnames or (None,)})
    return ", ".join([*said, *([f"host names of routes: {' and '.join(names)}"] if names else [])])


def _taking(asked: Asked, routing: Routing) -> tuple[Gateway, Listener | None]:
    gateway = next(each for each in routing.gateways if each.ref == asked.call.destination)
    return gateway, listener(gateway, asked.call.port, message(asked.call).hostname)


def _left_out(route: Route, gateway: Gateway) -> str:
    """How a route that does not apply is bound to the Gateway."""
    for parent in route.parent_refs or ():
        if parent.name == gateway.name and parent.kind in (None, "Gateway"):
            by = [each for each in ("section_name", "port") if getattr(parent, each) is not None]
            named = any(parent.section_name == each.name for each in gateway.listeners)
            there = any(parent.port == each.port for each in gateway.listeners)
            lacking = [*(["section_name"] * (not named)), *(["port"] * (not there))]
            said = " and ".join(f"{each}{' that is not there' if each in lacking else ''}" for each in by) or "its name"
            return f"another {'of another namespace ' * (route.namespace != gateway.namespace)}is bound by {said}"
    return "another is not bound to it"


def peers_of(policies: Iterable[Policy]) -> str:
    """Which peers the rules of policies name."""
    found: set[str] = set()
    for policy in policies:
        rules: list[CiliumRule | Rule] = []
        if isinstance(policy, CiliumPolicy):
            rules += [rule for spec in policy.specs for rule in (*(spec.ingress or ()), *(spec.egress or ()))]
        else:
            rules += [*(policy.ingress or ()), *(policy.egress or ())]
        for rule in rules:
            if isinstance(rule, CiliumRule):
                found |= {*(rule.entities or ()), *(["endpoints"] if rule.endpoints is not None else [])}
                continue
            for peer in rule.peers or ():
                block = peer.ip_block
                found.add("pods" if block is None else f"addresses of IPv{6 if ':' in block.cidr else 4}")
    return " and ".join(sorted(found)) or "nobody"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _listener(taking: Listener | None) -> str:
    if taking is None:
        return "no listener"
    allowed = taking.allowed_routes
    kinds = "" if allowed is None or not allowed.kinds else " of some kinds"
    return f"a listener for {_name(taking.hostname)} from {(allowed and allowed.from_) or 'Same'}{kinds}"


def _name(host: str | None) -> str:
    return "all hosts" if host is None else "a wildcard" if host.startswith(_WILDCARD) else "one host"
