"""Matches of HTTPRoute and GRPCRoute, checked as the rules of their CRDs check them; regular expressions are of RE2.

Source of the rules: ``apis/v1/httproute_types.go`` and ``grpcroute_types.go`` of Gateway API.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from harness.manifests.document import Document, Step
from harness.manifests.errors import quoted
from harness.manifests.gateway_fields import HeaderName, HeaderValue, regular_expression
from harness.manifests.shape import Shape, wrong
from harness.model.route import GRPCMethodMatch, GRPCRouteMatch, HTTPRouteMatch, PathMatch, ValueMatch

_Path = tuple[Step, ...]

_REGEX = "RegularExpression"
_PATH = re.compile(r"(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+")
_INSIDE = ("//", "/./", "/../", "%2f", "%2F")
_AT_THE_END = ("/.", "/..")
_SERVICE = re.compile(r"\.?[A-Za-z_][A-Za-z_0-9]*(\.[A-Za-z_][A-Za-z_0-9]*)*")
_METHOD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_MOST = 16


class _PathMatch(Shape):
    type: Literal["Exact", "PathPrefix", "RegularExpression"] | None = None
    value: Annotated[str, Field(max_length=1024)] | None = None

    @model_validator(mode="after")
    def _as_the_type_wants(self) -> "_PathMatch":
        text = "/" if self.value is None else self.value
        if self.type == _REGEX:
            regular_expression(text, "value")
            return self
        if not text.startswith("/"):
            raise wrong(f"want a path that begins with /, found {quoted(text)}", "value")
        for part in _INSIDE:
            if part in text:
                raise wrong(f"{quoted(part)} in {quoted(text)}; write the path without it", "value")
        if text.endswith(_AT_THE_END):
            raise wrong(f"{quoted(text)} ends with a dot segment; write the path without it", "value")
        if not _PATH.fullmatch(text):
            raise wrong(f"want letters, digits, -/._~!$&'()*+,;=:@ and %XX, found {quoted(text)}", "value")
        return self


class _ValueMatch(Shape):
    name: HeaderName
    value: HeaderValue
    type: Literal["Exact", "RegularExpression"] | None = None

    @model_validator(mode="after")
    def _as_the_type_wants(self) -> "_ValueMatch":
        if self.type == _REGEX:
            regular_expression(self.value, "value")
        return self


class _QueryParamMatch(_ValueMatch):
    value: Annotated[str, Field(min_length=1, max_length=1024)]


def _names_differ(matches: Sequence[_ValueMatch] | None, field: str) -> None:
    seen: set[str] = set()
    for position, each in enumerate(matches or ()):
        if each.name in seen:
            raise wrong(f"{quoted(each.name)} is matched already; write one match a name", field, position, "name")
        seen.add(each.name)


def _values(matches: Sequence[_ValueMatch] | None) -> tuple[ValueMatch, ...] | None:
    return None if matches is None else tuple(ValueMatch(each.name, each.value, each.type) for each in matches)


class HTTPMatchShape(Shape):
    """One entry of ``matches`` of an HTTPRoute's rule."""

    path: _PathMatch | None = None
    headers: Annotated[list[_ValueMatch], Field(max_length=_MOST)] | None = None
    query_params: Annotated[list[_QueryParamMatch], Field(max_length=_MOST)] | None = None
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] | None = None

    @model_validator(mode="after")
    def _names(self) -> "HTTPMatchShape":
        _names_differ(self.headers, "headers")
        _names_differ(self.query_params, "queryParams")
        return self

    @property
    def matches_a_prefix(self) -> bool:
        """Whether its path is a PathPrefix, as it is where none is written."""
        return self.path is None or self.path.type in (None, "PathPrefix")

    def value(self, document: Document, path: _Path) -> HTTPRouteMatch:
        """The match, which stands at ``path``, as the model holds it."""
        return HTTPRouteMatch(
            document.origin(path),
            None if self.path is None else PathMatch(self.path.type, self.path.value),
            _values(self.headers),
            _values(self.query_params),
            self.method,
        )


class _MethodMatch(Shape):
    type: Literal["Exact", "RegularExpression"] | None = None
    service: Annotated[str, Field(max_length=1024)] | None = None
    method: Annotated[str, Field(max_length=1024)] | None = None

    @model_validator(mode="after")
    def _as_the_type_wants(self) -> "_MethodMatch":
        if not self.service and not self.method:
            raise wrong("neither service nor method; write one of them, or both")
        if self.type == _REGEX:
            regular_expression(self.service or "", "service")
            regular_expression(self.method or "", "method")
            return self
        if self.service is not None and not _SERVICE.fullmatch(self.service):
            raise wrong(f"want a service such as package.Service, found {quoted(self.service)}", "service")
        if self.method is not None and not _METHOD.fullmatch(self.method):
            raise wrong(f"want a method's name (letters, digits, '_'), found {quoted(self.method)}", "method")
        return self


class GRPCMatchShape(Shape):
    """One entry of ``matches`` of a GRPCRoute's rule."""

    method: _MethodMatch | None = None
    headers: Annotated[list[_ValueMatch], Field(max_length=_MOST)] | None = None

    @model_validator(mode="after")
    def _names(self) -> "GRPCMatchShape":
        _names_differ(self.headers, "headers")
        return self

    def value(self, document: Document, path: _Path) -> GRPCRouteMatch:
        """The match, which stands at ``path``, as the model holds it."""
        method = self.method
        return GRPCRouteMatch(
            document.origin(path),
            None if method is None else GRPCMethodMatch(method.type, method.service, method.method),
            _values(self.headers),
        )
