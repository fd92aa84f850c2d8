"""Which requests to Services the kernel may route: from what a node's Envoy is told of them.

The order of matches, the backends and their weights are Envoy's, so that both ways draw alike; what is asked of a request is
read from Envoy's own matches, and what is not understood here may mean any request.
"""

import re
from collections.abc import Iterable, Iterator

from harness.envoy.route_durations import seconds
from harness.envoy.route_matches import RouteMatch
from harness.envoy.service_hosts import Host, HostRoute
from harness.mesh.l7fronts import Asked, Front, FrontRoute
from harness.mesh.l7layout import SlowRoute
from harness.mesh.texts import Text, texts

_READ = {"path", "path_separated_prefix", "prefix", "safe_regex", "headers", "query_parameters"}
_NOT_AS_SENT = re.compile(
    r"x-envoy-.*|x-forwarded-.*|x-node-p.*|connection|content-length|expect|http2-settings|keep-alive|proxy-connection|te"
    r"|trailer|transfer-encoding|upgrade"
)
"""Headers of which Envoy makes something else before it chooses a route, or that belong to the connection."""


def fronts(hosts: Iterable[Host]) -> tuple[Front, ...]:
    """What an agent is told of virtual hosts: those of Services. Gateways, which ask for hosts, are Envoy's."""
    return tuple(
        Front(
            host.address,
            host.port,
            None if host.clients is None else frozenset(host.clients),
            tuple(each for route in host.routes for each in _routes(route)),
        )
        for host in hosts
        if not host.public
    )


def asked(match: RouteMatch) -> list[Asked]:
    """What a match of Envoy's asks: any of these."""
    certain = match.keys() <= _READ and "query_parameters" not in match
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
    query = bool(match.get("query_parameters"))
    return [Asked(path, exact, method, tuple(headers), query, certain and clear) for path, exact, clear in _paths(match)]


def _paths(match: RouteMatch) -> list[tuple[str, bool, bool]]:
    """Paths with a slash behind them, or beginnings of such; whether they are meant as a whole, and whether that is all."""
    if "path" in match:
        return [(match["path"] + "/", True, True)]
    if "path_separated_prefix" in match:
        return [(match["path_separated_prefix"] + "/", False, True)]
    if "safe_regex" in match:
        found = texts(match["safe_regex"]["regex"]) or [Text("", open=True)]
        return [(each.text, False, False) if each.open else (each.text + "/", True, True) for each in found]
    return [("", False, match.get("prefix") == "/")]


def _routes(route: HostRoute) -> Iterator[FrontRoute]:
    slow = _slow(route)
    ends = [(share.weight, share.backend) for share in route.shares]
    shares = tuple((weight, (end.address, end.port)) for weight, end in ends if end is not None)
    for each in asked(route.match):
        yield FrontRoute(each, () if slow else shares, slow)


def _slow(route: HostRoute) -> SlowRoute | None:
    """Why a route is Envoy's whatever is asked: who is drawn, or whether anybody is, must not depend on the way."""
    if route.filters or route.mirrors or any(share.filters for share in route.shares):
        return SlowRoute.FILTER
    times = route.timeouts
    limited = times is not None and (seconds(times.request) or seconds(times.backend_request))
    if limited or route.retry is not None or route.traffic is not None:
        return SlowRoute.TIMES
    if any(share.backend is None or share.status is not None for share in route.shares):
        return SlowRoute.ANSWERED
    return None
