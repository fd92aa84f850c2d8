"""Whether a request satisfies a match, and how specific the match is.

Source: ``HTTPRouteMatch``, ``HTTPRouteRule`` and ``GRPCRouteRule`` in the reference of Gateway API. What it leaves open
(regular expressions, repeated headers and parameters) is chosen as docs/routing.md says.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import re2

from harness.model.route import GRPCRouteMatch, GRPCRouteRule, HTTPRouteMatch, HTTPRouteRule, PathMatch, ValueMatch
from harness.oracle.routing.message import Message

_REGEX = "RegularExpression"
_EXACT, _EXPRESSION, _PREFIX = 2, 1, 0  # the higher, the more specific

Rank = tuple[int, ...]
"""How specific a match is: of two, the greater one wins."""


def http_ranks(rule: HTTPRouteRule, request: Message) -> Iterator[Rank]:
    """The ranks of all matches of a rule that a request satisfies."""
    for match in rule.matches or (HTTPRouteMatch(rule.origin),):
        if _http(match, request):
            yield _http_rank(match)


def grpc_ranks(rule: GRPCRouteRule, request: Message) -> Iterator[Rank]:
    """The ranks of all matches of a rule that a call satisfies; what is no call satisfies none."""
    for match in rule.matches or (GRPCRouteMatch(rule.origin),):
        if request.grpc and _grpc(match, request):
            yield _grpc_rank(match)


def matched_prefix(rule: HTTPRouteRule) -> str:
    """The prefix that a filter of the rule may replace: such a rule has exactly one match, of a prefix."""
    if rule.matches and rule.matches[0].path is not None:
        return rule.matches[0].path.value or "/"
    return "/"


def _http(match: HTTPRouteMatch, request: Message) -> bool:
    return (
        _path(match.path or PathMatch(), request.path)
        and (match.method is None or match.method == request.method)
        and all(_value(each, request.header(each.name)) for each in _considered(match.headers))
        and all(_value(each, request.parameter(each.name)) for each in match.query_params or ())
    )


def _http_rank(match: HTTPRouteMatch) -> Rank:
    """Exact path, longest prefix, method, number of headers, number of parameters."""
    path = match.path or PathMatch()
    value = "/" if path.value is None else path.value
    kind = {"Exact": _EXACT, _REGEX: _EXPRESSION}.get(path.type or "PathPrefix", _PREFIX)
    length = len(value.rstrip("/")) if kind == _PREFIX else len(value) if kind == _EXPRESSION else 0
    headers, parameters = len(_considered(match.headers)), len(match.query_params or ())
    return (kind, length, 0 if match.method is None else 1, headers, parameters)


def _path(wanted: PathMatch, path: str) -> bool:
    """A prefix is made of whole elements; a slash at its end is ignored."""
    value = "/" if wanted.value is None else wanted.value
    if wanted.type == "Exact":
        return path == value
    if wanted.type == _REGEX:
        return _matches_whole(value, path)
    prefix = value.rstrip("/")
    return path == prefix or path.startswith(f"{prefix}/")


def _considered(matches: Sequence[ValueMatch] | None) -> Sequence[ValueMatch]:
    """Of several matches of one header only the first counts, and names are compared without regard to case."""
    first: dict[str, ValueMatch] = {}
    for each in matches or ():
        first.setdefault(each.name.lower(), each)
    return tuple(first.values())


def _value(match: ValueMatch, sent: str | None) -> bool:
    if sent is None:
        return False
    return _matches_whole(match.value, sent) if match.type == _REGEX else match.value == sent


def _grpc(match: GRPCRouteMatch, request: Message) -> bool:
    service, method = request.call
    wanted = match.method
    if wanted is not None:
        for pattern, asked in ((wanted.service, service), (wanted.method, method)):
            if pattern and not (_matches_whole(pattern, asked) if wanted.type == _REGEX else pattern == asked):
                return False
    return all(_value(each, request.header(each.name)) for each in _considered(match.headers))


def _grpc_rank(match: GRPCRouteMatch) -> Rank:
    """Characters of the service, of the method, number of headers."""
    method = match.method
    service_length, method_length = (0, 0) if method is None else (len(method.service or ""), len(method.method or ""))
    return (service_length, method_length, len(_considered(match.headers)))


def _matches_whole(expression: str, text: str) -> bool:
    return _compiled(expression).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _compiled(expression: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(expression, options)
