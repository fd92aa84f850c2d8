"""Which requests to Services the kernel may route: from what a node's Envoy is told of them.

The order of matches, the backends and their weights are Envoy's, so that both ways draw alike; what is asked of a request is
read from Envoy's own matches, and what is not understood here may mean any request.
"""

import re
from collections.abc import Iterable

from harness.envoy.route_durations import seconds
from harness.envoy.route_matches import RouteMatch
from harness.envoy.service_hosts import Host, HostRoute
from harness.mesh.l7fronts import Asked, Front, FrontRoute
from harness.mesh.l7layout import SlowRoute

_READ = {"path", "path_separated_prefix", "prefix", "headers", "query_parameters"}
_NOT_AS_SENT = re.compile(
    r"x-envoy-.*|x-forwarded-.*|x-node-p.*|connection|content-length|expect|http2-settings|keep-alive|proxy-connection|te"
    r"|trailer|transfer-encoding|upgrade"
)
"""Headers of which Envoy makes something else before it chooses a route, or that belong to the connection."""


def fronts(hosts: Iterable[Host]) -> tuple[Front, ...]:
    """What an agent is told of virtual hosts."""
    return tuple(
        Front(
            host.address,
            host.port,
            None if host.clients is None else frozenset(host.clients),
            tuple(map(_route, host.routes)),
        )
        for host in hosts
    )


def asked(match: RouteMatch) -> Asked:
    """What a match of Envoy's asks."""
    certain = match.keys() <= _READ and "query_parameters" not in match
    path, exact = None, "path" in match
    if exact:
        path = match["path"]
    elif "path_separated_prefix" in match:
        path = match["path_separated_prefix"]
    elif match.get("prefix") == "/":
        path = ""
    certain = certain and path is not None
    method, headers = "", []
    for each in match.get("headers", ()):
        name, value = each["name"], each["string_match"].get("exact")
        if name == ":method" and value is not None:
            method = value
        elif (name.startswith(":") and name != ":authority") or _NOT_AS_SENT.fullmatch(name):
            certain = False
        else:
            headers.append(("host" if name == ":authority" else name, value))
            certain = certain and value is not None
    return Asked(path, exact, method, tuple(headers), bool(match.get("query_parameters")), certain)


def _route(route: HostRoute) -> FrontRoute:
    slow = _slow(route)
    ends = [(share.weight, share.backend) for share in route.shares]
    shares = tuple((weight, (end.address, end.port)) for weight, end in ends if end is not None)
    return FrontRoute(asked(route.match), () if slow else shares, slow)


def _slow(route: HostRoute) -> SlowRoute | None:
    """Why a route is Envoy's whatever is asked: who is drawn, or whether anybody is, must not depend on the way."""
    if route.filters or route.mirrors or any(share.filters for share in route.shares):
        return SlowRoute.FILTER
    times = route.timeouts
    if route.retry is not None or (times and (seconds(times.request) or seconds(times.backend_request))):
        return SlowRoute.TIMES
    if any(share.backend is None or share.status is not None for share in route.shares):
        return SlowRoute.ANSWERED
    return None
