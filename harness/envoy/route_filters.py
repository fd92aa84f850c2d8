"""What the filters of a rule and of its backend make of a request, as the context of a script that Envoy runs (route_script).

They run before a request is judged, so that rules of policies see the request as its backend gets it; Envoy's own rewriting
comes after all filters. Source: ``HTTPRouteFilter`` in the reference of Gateway API; docs/routing.md.
"""

from collections.abc import Sequence
from typing import Any

from harness.envoy.node_http import KEPT_HEADER, OWN_HEADER
from harness.model.route import (
    Filter,
    HeaderChanges,
    HTTPHeader,
    PathModifier,
    RequestHeaderModifier,
    RequestRedirect,
    ResponseHeaderModifier,
    URLRewrite,
)

Context = dict[str, Any]
_FOUND = 302
_WELL_KNOWN = {"http": 80, "https": 443}


def context_of(filters: Sequence[Filter], prefix: str, port: int) -> Context:
    """What the script does: the ``steps`` that change the request, or a ``redirect``.

    ``prefix`` is what the match of the rule means by one, ``port`` where the request came in.
    """
    redirect = next((each for each in filters if isinstance(each, RequestRedirect)), None)
    if redirect is not None:
        changes = [_changes(each.changes) for each in filters if isinstance(each, ResponseHeaderModifier)]
        return {"redirect": {**_redirect(redirect, prefix, port), "changes": changes}}
    steps: list[Context] = []
    for each in filters:
        if isinstance(each, RequestHeaderModifier):
            steps.append({"headers": _changes(each.changes, of_request=True)})
        elif isinstance(each, URLRewrite):
            steps.append(({"host": each.hostname} if each.hostname else {}) | _path(each.path, prefix))
    return {"steps": steps}


def response_changes(filters: Sequence[Filter] | None) -> dict[str, Any]:
    """The fields of a route, or of a backend of one, by which Envoy changes the response's headers."""
    fields: dict[str, Any] = {}
    for each in filters or ():
        if isinstance(each, ResponseHeaderModifier):
            options = [_option(header, "OVERWRITE_IF_EXISTS_OR_ADD") for header in each.changes.set or ()]
            options += [_option(header, "APPEND_IF_EXISTS_OR_ADD") for header in each.changes.add or ()]
            if options:
                fields["response_headers_to_add"] = options
            if each.changes.remove:
                fields["response_headers_to_remove"] = list(each.changes.remove)
    return fields


def _option(header: HTTPHeader, action: str) -> dict[str, Any]:
    value = header.value.replace("%", "%%")  # else Envoy takes it for a command
    return {"header": {"key": header.name, "value": value}, "append_action": action, "keep_empty_value": True}


def _changes(changes: HeaderChanges, *, of_request: bool = False) -> Context:
    """Of several entries for one name in a list the first counts."""

    def listed(headers: Sequence[HTTPHeader] | None) -> list[list[str]]:
        first: dict[str, list[str]] = {}
        for each in headers or ():
            name = _name(each.name) if of_request else each.name.lower()
            first.setdefault(name, [name, each.value])
        return list(first.values())

    removed = [_name(name) if of_request else name.lower() for name in changes.remove or ()]
    return {"set": listed(changes.set), "add": listed(changes.add), "remove": removed}


def _name(name: str) -> str:
    """What Envoy calls a request's header: of two it makes something else on their way."""
    return {"host": ":authority", OWN_HEADER: KEPT_HEADER}.get(name.lower(), name.lower())


def _path(path: PathModifier | None, prefix: str) -> Context:
    if path is None:
        return {}
    if path.type == "ReplaceFullPath":
        return {"path": {"full": path.replace_full_path or "/"}}
    return {"path": {"cut": len(prefix.rstrip("/").encode()), "by": (path.replace_prefix_match or "").rstrip("/")}}


def _redirect(redirect: RequestRedirect, prefix: str, port: int) -> Context:
    scheme = redirect.scheme or "http"
    if redirect.port is not None:
        port = redirect.port
    elif redirect.scheme is not None:
        port = _WELL_KNOWN[redirect.scheme]
    return {
        "status": str(redirect.status_code or _FOUND),
        "scheme": scheme,
        "at": "" if port == _WELL_KNOWN[scheme] else f":{port}",
        **({"host": redirect.hostname} if redirect.hostname else {}),
        **_path(redirect.path, prefix),
    }
