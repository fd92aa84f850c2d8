"""Matches of HTTPRoute and GRPCRoute as those of Envoy's routes, and the order in which Envoy has to ask them.

Gateway API takes the most specific match, Envoy the first of a list that is met: so each match has a place in the list.
Source: ``HTTPRouteRule``, ``HTTPRouteMatch`` and ``GRPCRouteRule`` in the reference of Gateway API; docs/routing.md.
"""

import re
from collections.abc import Sequence
from typing import Any

from harness.model.route import GRPCMethodMatch, GRPCRouteMatch, HTTPRouteMatch, PathMatch, ValueMatch

RouteMatch = dict[str, Any]
Place = tuple[int, ...]
"""The smaller, the earlier a match is asked."""

EVERYTHING: RouteMatch = {"prefix": "/"}
_REGEX = "RegularExpression"


def http_match(match: HTTPRouteMatch) -> RouteMatch:
    """``envoy.config.route.v3.RouteMatch``."""
    asked = _path(match.path or PathMatch())
    headers = [] if match.method is None else [{"name": ":method", "string_match": {"exact": match.method}}]
    headers += _headers(match.headers)
    if headers:
        asked["headers"] = headers
    if match.query_params:
        asked["query_parameters"] = [{"name": each.name, "string_match": _string(each)} for each in match.query_params]
    return asked


def http_place(match: HTTPRouteMatch) -> Place:
    """Exact paths, then the longest expression, then the longest prefix; a method, more headers, more parameters."""
    path = match.path or PathMatch()
    value = path.value or "/"
    if path.type == "Exact":
        by_path = (0, 0)
    elif path.type == _REGEX:
        by_path = (1, -len(value))
    else:
        by_path = (2, -len(value.rstrip("/")))
    return (*by_path, int(match.method is None), -len(_headers(match.headers)), -len(match.query_params or ()))


def grpc_match(match: GRPCRouteMatch) -> RouteMatch:
    """``envoy.config.route.v3.RouteMatch``, which only calls of gRPC meet."""
    method = match.method or GRPCMethodMatch()
    headers = [{"name": ":method", "string_match": {"exact": "POST"}}, *_headers(match.headers)]
    return {**_call(method), "grpc": {}, "headers": headers}


def grpc_place(match: GRPCRouteMatch) -> Place:
    """More characters of the service, then of the method; more headers."""
    method = match.method or GRPCMethodMatch()
    return (-len(method.service or ""), -len(method.method or ""), -len(_headers(match.headers)))


def _path(path: PathMatch) -> RouteMatch:
    value = path.value or "/"
    if path.type == "Exact":
        return {"path": value}
    if path.type == _REGEX:
        return {"safe_regex": {"regex": value}}
    prefix = value.rstrip("/")
    return {"path_separated_prefix": prefix} if prefix else dict(EVERYTHING)


def _call(method: GRPCMethodMatch) -> RouteMatch:
    """The path of a call is ``/service/method``; what follows the last slash is the method."""
    if not method.service and not method.method:
        return dict(EVERYTHING)
    written = (lambda text: f"(?:{text})") if method.type == _REGEX else re.escape
    service = f"{written(method.service)}/" if method.service else "(?:.*/)?"
    return {"safe_regex": {"regex": f"/{service}{written(method.method) if method.method else '[^/]*'}"}}


def _headers(matches: Sequence[ValueMatch] | None) -> list[dict[str, Any]]:
    """Of several about one header the first alone; Envoy joins what a request has of one by commas."""
    found: dict[str, dict[str, Any]] = {}
    for each in matches or ():
        name = each.name.lower()
        found.setdefault(name, {"name": ":authority" if name == "host" else name, "string_match": _string(each)})
    return list(found.values())


def _string(match: ValueMatch) -> dict[str, Any]:
    return {"safe_regex": {"regex": match.value}} if match.type == _REGEX else {"exact": match.value}
