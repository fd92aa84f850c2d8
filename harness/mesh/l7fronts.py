"""What an agent is told of Services: the matches of their routes, in the order in which they are asked, and backends."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.mesh.l7layout import SlowRoute

End = tuple[str, int]
"""An address and a port."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a match asks of a request.

    ``path``: what the request's path begins with, or is where ``exact``, once there is a slash behind it: so whole elements are
    told by a slash at their end. ``headers`` by names in lower case, with their values or None for any; ``query``: there has to
    be one. A match that is not ``certain`` asks for more: who meets all this may meet it, nobody else does.
    """

    path: str = ""
    exact: bool = False
    method: str = ""
    headers: tuple[tuple[str, str | None], ...] = ()
    query: bool = False
    certain: bool = True


@dataclass(frozen=True, slots=True)
class FrontRoute:
    """Requests that meet ``asked`` go to one of ``shares`` (weights and pods), or are the proxy's, for the reason ``slow``."""

    asked: Asked
    shares: tuple[tuple[int, End], ...] = ()
    slow: SlowRoute | None = None


@dataclass(frozen=True, slots=True)
class Front:
    """A port of a Service's address, and its routes for ``clients`` (addresses), or for all who are in no other's list."""

    address: str
    port: int
    clients: frozenset[str] | None
    routes: tuple[FrontRoute, ...]


def front_of(fronts: Iterable[Front], client: str, asked: End) -> Front | None:
    """The front that takes a client's requests to an address and port; None where these are no Service's."""
    here = [each for each in fronts if (each.address, each.port) == asked]
    own = (each for each in here if each.clients is not None and client in each.clients)
    return next(own, next((each for each in here if each.clients is None), None))


def written(front: Front) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "at": [front.address, front.port],
        "clients": None if front.clients is None else sorted(front.clients),
        "routes": [
            [
                [asked.path, asked.exact, asked.method, asked.headers, asked.query, asked.certain],
                [[weight, *end] for weight, end in route.shares],
                route.slow,
            ]
            for route in front.routes
            for asked in (route.asked,)
        ],
    }


def read(data: dict[str, Any]) -> Front:
    """What ``written`` gave. Raises KeyError, TypeError or ValueError for what it cannot have given."""
    address, port = data["at"]
    clients = data["clients"]
    return Front(
        address, port, None if clients is None else frozenset(clients), tuple(_route(*each) for each in data["routes"])
    )


def _route(asked: list[Any], shares: list[list[Any]], slow: int | None) -> FrontRoute:
    path, exact, method, headers, query, certain = asked
    return FrontRoute(
        Asked(path, exact, method, tuple((name, value) for name, value in headers), query, certain),
        tuple((weight, (address, port)) for weight, address, port in shares),
        None if slow is None else SlowRoute(slow),
    )
