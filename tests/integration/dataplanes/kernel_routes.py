"""Routes of the Service ``shop/web``, as tests of what the kernel routes write them."""

from collections.abc import Sequence

from service_world import HERE, SERVICES

from harness.model.route import (
    BackendObject,
    BackendRef,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
    ValueMatch,
)
from harness.model.routing import Routing


def to(*names: str, weights: Sequence[int] = ()) -> tuple[BackendRef, ...]:
    given = weights or [1] * len(names)
    return tuple(BackendRef(BackendObject(HERE, name, port=80), weight) for name, weight in zip(names, given, strict=True))


def match(path: str | None = None, kind: str = "PathPrefix", method: str | None = None, **headers: str) -> HTTPRouteMatch:
    asked = tuple(ValueMatch(name.replace("_", "-"), value) for name, value in headers.items())
    return HTTPRouteMatch(HERE, PathMatch(kind, path) if path else None, asked or None, None, method)


def routing(*rules: HTTPRouteRule) -> Routing:
    route = HTTPRoute(HERE, "r", "shop", (ParentReference(HERE, "web", "", "Service"),), None, rules)
    return Routing(SERVICES, http_routes=(route,) if rules else ())


def when(asked: HTTPRouteMatch, *names: str) -> HTTPRouteRule:
    return HTTPRouteRule(HERE, matches=(asked,), backend_refs=to(*names))
