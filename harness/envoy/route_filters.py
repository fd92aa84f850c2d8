"""What the filters of a rule and of its backend make of a request, as the context of a script that Envoy runs (route_script).

They run before a request is judged, so that rules of policies see the request as its backend gets it; Envoy's own rewriting
comes after all filters. Source: ``HTTPRouteFilter`` in the reference of Gateway API; docs/routing.md.
"""

from collections.abc import Sequence
from typing import Any

from harness.envoy.request_http import KEPT_HEADER, OWN_HEADER
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
        return {"redirect": _redirect(redirect, prefix, port)}
    steps: list[Context] = []
    for each in filters:
        if isinstance(each, RequestHeaderModifier):
            steps.append({"headers": _changes(each.changes)})
        elif isinstance(each, URLRewrite):
            steps.append(({"host": each.hostname} if each.hostname else {}) | _path(each.path, prefix))
    return {"steps": steps}


def response_changes(filters: Sequence[Filter]) -> dict[str, Any]:
    """The fields of a backend of a route by which Envoy changes the response's headers, as the filters would one by one.

    Envoy takes headers away before it adds any.
    """
    added: dict[str, list[dict[str, Any]]] = {}
    removed: set[str] = set()
    for each in filters:
        if isinstance(each, ResponseHeaderModifier):
            for header in _first(each.changes.set):
                added[header.name.lower()] = [_option(header, "OVERWRITE_IF_EXISTS_OR_ADD")]
            for header in _first(each.changes.add):
                added.setdefault(header.name.lower(), []).append(_option(header, "APPEND_IF_EXISTS_OR_ADD"))
            for name in each.changes.remove or ():
                added.pop(name.lower(), None)
                removed.add(name.lower())
    options = [option for some in added.values() for option in some]
    return ({"response_headers_to_add": options} if options else {}) | (
        {"response_headers_to_remove": sorted(removed)} if removed else {}
    )


def _option(header: HTTPHeader, action: str) -> dict[str, Any]:
    value = header.value.replace("%", "%%")  # else Envoy takes it for a command
    return {"header": {"key": header.name, "value": value}, "append_action": action, "keep_empty_value": True}


def _changes(changes: HeaderChanges) -> Context:
    return {
        "set": [[_name(each.name), each.value] for each in _first(changes.set)],
        "add": [[_name(each.name), each.value] for each in _first(changes.add)],
        "remove": [_name(name) for name in changes.remove or ()],
    }


def _first(headers: Sequence[HTTPHeader] | None) -> list[HTTPHeader]:
    """Of several entries for one name the first counts."""
    found: dict[str, HTTPHeader] = {}
    for each in headers or ():
        found.setdefault(each.name.lower(), each)
    return list(found.values())


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
