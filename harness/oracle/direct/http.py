"""Rules of Cilium's about requests of HTTP: ``toPorts[].rules.http``.

Source: ``pkg/policy/api/http.go`` of Cilium and the matchers that its agent gives to Envoy: expressions are RE2's and match the
whole of ``:path`` (with its query), ``:method`` and ``:authority``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import re2

from harness.model.cilium import HeaderMatch, HTTPRule
from harness.model.request import GRPCRequest, HTTPRequest
from harness.oracle.direct.paths import hides_dots, normal

_GRPC_HEADERS = (("content-type", "application/grpc"), ("te", "trailers"))


def as_http(request: HTTPRequest | GRPCRequest) -> HTTPRequest:
    """A call of gRPC as the request that it is.

    Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
    """
    if isinstance(request, GRPCRequest):
        return HTTPRequest("POST", f"/{request.method}", request.host, (*_GRPC_HEADERS, *request.headers))
    return request


def allows(rule: HTTPRule, request: HTTPRequest, host: str) -> bool:
    """Whether ``rule`` allows ``request``, whose ``Host`` is ``host`` where it names none itself."""
    asked = ((rule.path, normal(request.path)), (rule.method, request.method), (rule.host, request.host or host))
    if rule.path and hides_dots(request.path):
        return False
    return (
        all(not expression or re2.fullmatch(expression, text) is not None for expression, text in asked)
        and all(_has(entry, request) for entry in rule.headers or ())
        and all(_matches(match, request) for match in rule.header_matches or ())
    )


def passed_on(rules: Iterable[HTTPRule], request: HTTPRequest, host: str) -> HTTPRequest:
    """What the rules that allow ``request`` make of its headers, in their order, each of what the one before has left."""
    for rule in rules:
        if allows(rule, request, host):
            for match in rule.header_matches or ():
                request = replace(request, headers=_changed(match, request))
    return request


def _changed(match: HeaderMatch, request: HTTPRequest) -> tuple[tuple[str, str], ...]:
    values = list(_values(match.name, request))
    if match.mismatch in (None, "LOG") or (",".join(values) == match.value if match.value else bool(values)):
        return request.headers
    others = tuple(each for each in request.headers if each[0].lower() != match.name.lower())
    added = ((match.name, match.value or ""),)
    return {"ADD": (*request.headers, *added), "REPLACE": (*others, *added), "DELETE": others}[match.mismatch or ""]


def _has(entry: str, request: HTTPRequest) -> bool:
    """An entry of ``headers``: ``Name: value``, or a name alone, which need only be there."""
    name, _, value = entry.partition(" ")
    values = list(_values(name.removesuffix(":"), request))
    return bool(values) and (not value or ",".join(values) == value)


def _matches(match: HeaderMatch, request: HTTPRequest) -> bool:
    """With ``mismatch`` the request is changed or logged, and goes on."""
    if match.mismatch:
        return True
    values = list(_values(match.name, request))
    return bool(values) and (not match.value or ",".join(values) == match.value)


def _values(name: str, request: HTTPRequest) -> Iterator[str]:
    return (value for each, value in request.headers if each.lower() == name.lower())
