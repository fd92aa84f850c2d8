"""What filters make of a request: another path, host or headers, a redirect, copies for others.

Source: ``HTTPRouteFilter`` and its parts in the reference of Gateway API. Filters are applied in the order that they are
written in, those of a backend after those of its rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.model.route import (
    Filter,
    HeaderChanges,
    PathModifier,
    RequestHeaderModifier,
    RequestMirror,
    RequestRedirect,
    ResponseHeaderModifier,
    URLRewrite,
)
from harness.oracle.routing.message import Message, modified

_FOUND = 302
_SCHEME = "http"  # of listeners and Services here
_WELL_KNOWN = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Filtered:
    """A request after filters; ``redirect``: the filter that answers it instead, if one does."""

    request: Message
    response: tuple[HeaderChanges, ...] = ()
    mirrors: tuple[RequestMirror, ...] = ()
    redirect: RequestRedirect | None = None


def filtered(filters: Sequence[Filter], request: Message, prefix: str) -> Filtered:
    """``request`` after ``filters``; ``prefix``: what the rule's match means by one. Rewrites begin with the path as sent."""
    done = Filtered(request)
    for each in filters:
        match each:
            case RequestHeaderModifier():
                done = replace(done, request=modified(done.request, each.changes))
            case ResponseHeaderModifier():
                done = replace(done, response=(*done.response, each.changes))
            case RequestMirror():
                done = replace(done, mirrors=(*done.mirrors, each))
            case RequestRedirect():
                done = replace(done, redirect=each)
            case URLRewrite():
                path = done.request.path if each.path is None else new_path(each.path, request.path, prefix)
                done = replace(done, request=replace(done.request, path=path, host=each.hostname or done.request.host))
    return done


def new_path(change: PathModifier, path: str, prefix: str) -> str:
    """``path`` as a filter makes it: replaced whole, or by a prefix of whole elements."""
    if change.type == "ReplaceFullPath":
        return change.replace_full_path or "/"
    rest = path.removeprefix(prefix.rstrip("/"))
    return (change.replace_prefix_match or "").rstrip("/") + rest or "/"


def location(redirect: RequestRedirect, request: Message, port: int, prefix: str) -> str:
    """The URL of a redirect of a request that came in at ``port``; a port that its scheme implies is left out."""
    scheme = redirect.scheme or _SCHEME
    if redirect.port is not None:
        port = redirect.port
    elif redirect.scheme is not None:
        port = _WELL_KNOWN[redirect.scheme]
    host = redirect.hostname or (f"[{request.hostname}]" if ":" in request.hostname else request.hostname)
    path = request.path if redirect.path is None else new_path(redirect.path, request.path, prefix)
    at = "" if _WELL_KNOWN[scheme] == port else f":{port}"
    return f"{scheme}://{host}{at}{path}{request.query}"


def status(redirect: RequestRedirect) -> int:
    """The status of a redirect."""
    return _FOUND if redirect.status_code is None else redirect.status_code
