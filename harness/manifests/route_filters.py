"""Filters of HTTPRoute and GRPCRoute, checked as the rules of their CRDs check them.

What the API calls invalid although no rule refuses it (two actions for one header) is refused too.
Source of the rules: ``apis/v1/httproute_types.go`` and ``grpcroute_types.go`` of Gateway API.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.manifests.document import Document, Step
from harness.manifests.errors import nearest, quoted
from harness.manifests.gateway_fields import HeaderName, HeaderValue, PreciseHostname
from harness.manifests.kubernetes import Port
from harness.manifests.route_refs import BackendObjectShape
from harness.manifests.shape import Shape, unsupported, wrong
from harness.model import route

_Path = tuple[Step, ...]

_UNSUPPORTED = ("ExtensionRef", "CORS", "ExternalAuth")
_FIELDS = {
    "RequestHeaderModifier": ("requestHeaderModifier", "request_header_modifier"),
    "ResponseHeaderModifier": ("responseHeaderModifier", "response_header_modifier"),
    "RequestMirror": ("requestMirror", "request_mirror"),
    "RequestRedirect": ("requestRedirect", "request_redirect"),
    "URLRewrite": ("urlRewrite", "url_rewrite"),
}
_Extension = Annotated[Any, unsupported("filters of implementations are not known here; remove it")]
_MOST = 16


class _Header(Shape):
    name: HeaderName
    value: HeaderValue


class _HeaderModifier(Shape):
    set_: Annotated[list[_Header], Field(max_length=_MOST)] | None = Field(default=None, alias="set")
    add: Annotated[list[_Header], Field(max_length=_MOST)] | None = None
    remove: Annotated[list[HeaderName], Field(max_length=_MOST)] | None = None

    @model_validator(mode="after")
    def _one_action_a_name(self) -> "_HeaderModifier":
        seen: set[str] = set()
        for action, position, name in self._actions():
            if name.casefold() in seen:
                at = (action, position) if action == "remove" else (action, position, "name")
                raise wrong(f"{quoted(name)} is set, added or removed already; a filter takes one action a header", *at)
            seen.add(name.casefold())
        return self

    def _actions(self) -> Iterator[tuple[str, int, str]]:
        yield from (("set", position, each.name) for position, each in enumerate(self.set_ or ()))
        yield from (("add", position, each.name) for position, each in enumerate(self.add or ()))
        yield from (("remove", position, name) for position, name in enumerate(self.remove or ()))

    def value(self) -> route.HeaderChanges:
        """The changes as the model holds them."""
        return route.HeaderChanges(
            None if self.set_ is None else tuple(route.HTTPHeader(each.name, each.value) for each in self.set_),
            None if self.add is None else tuple(route.HTTPHeader(each.name, each.value) for each in self.add),
            None if self.remove is None else tuple(self.remove),
        )


def _replacement(text: str) -> str:
    if not text.startswith("/") and text != "":
        raise wrong(f"want a path that begins with /, found {quoted(text)}")
    if any(each in "?#" or each <= " " or each == "\x7f" for each in text):
        raise wrong(f"want a path without ?, #, spaces and control characters, found {quoted(text)}")
    return text


_Replacement = Annotated[str, Field(max_length=1024), AfterValidator(_replacement)]


class _PathModifier(Shape):
    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"]
    replace_full_path: _Replacement | None = None
    replace_prefix_match: _Replacement | None = None

    @model_validator(mode="after")
    def _what_the_type_says(self) -> "_PathModifier":
        values = {"ReplaceFullPath": self.replace_full_path, "ReplacePrefixMatch": self.replace_prefix_match}
        for kind, value in values.items():
            field = kind[0].lower() + kind[1:]
            if kind == self.type and value is None:
                raise wrong(f"missing; type {kind} needs it", field)
            if kind != self.type and value is not None:
                raise wrong(f"beside type {self.type}; remove it, or write type {kind}", field)
        return self

    def value(self) -> route.PathModifier:
        """The modifier as the model holds it."""
        return route.PathModifier(self.type, self.replace_full_path, self.replace_prefix_match)


class _Redirect(Shape):
    scheme: Literal["http", "https"] | None = None
    hostname: PreciseHostname | None = None
    path: _PathModifier | None = None
    port: Port | None = None
    status_code: Literal[301, 302, 303, 307, 308] | None = None


class _Rewrite(Shape):
    hostname: PreciseHostname | None = None
    path: _PathModifier | None = None


class _Fraction(Shape):
    numerator: Annotated[int, Field(ge=0, lt=1 << 31)]
    denominator: Annotated[int, Field(ge=1, lt=1 << 31)] | None = None

    @model_validator(mode="after")
    def _at_most_one(self) -> "_Fraction":
        if self.numerator > (100 if self.denominator is None else self.denominator):
            raise wrong("over the denominator (100 where none is written); write a fraction of at most one", "numerator")
        return self


class _Mirror(Shape):
    backend_ref: BackendObjectShape
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
    fraction: _Fraction | None = None

    @model_validator(mode="after")
    def _one_share(self) -> "_Mirror":
        if self.percent is not None and self.fraction is not None:
            raise wrong("percent beside it; write one of them", "fraction")
        return self


class _Filter(Shape):
    types: ClassVar[tuple[str, ...]]

    type: str
    request_header_modifier: _HeaderModifier | None = None
    response_header_modifier: _HeaderModifier | None = None
    request_mirror: _Mirror | None = None
    extension_ref: _Extension = None

    @model_validator(mode="after")
    def _what_the_type_says(self) -> "_Filter":
        if self.type not in self.types:
            if self.type in _UNSUPPORTED:
                raise wrong(f"not supported: {self.type} is not known here; remove the filter", "type")
            hint = nearest(self.type, self.types) or f"; supported are {', '.join(self.types)}"
            raise wrong(f"no filter of type {quoted(self.type)}{hint}", "type")
        for kind in self.types:
            alias, field = _FIELDS[kind]
            written = getattr(self, field) is not None
            if kind == self.type and not written:
                raise wrong(f"missing; a filter of type {kind} needs it", alias)
            if kind != self.type and written:
                raise wrong(f"beside type {self.type}; remove it, or write a filter of type {kind}", alias)
        return self

    def value(self, document: Document, path: _Path) -> route.Filter:
        """The filter, which stands at ``path``, as the model holds it."""
        origin = document.origin(path)
        if self.request_header_modifier is not None:
            return route.RequestHeaderModifier(origin, self.request_header_modifier.value())
        if self.response_header_modifier is not None:
            return route.ResponseHeaderModifier(origin, self.response_header_modifier.value())
        mirror = self.request_mirror
        assert mirror is not None  # noqa: S101 -- the validator saw one field
        fraction = None if mirror.fraction is None else route.Fraction(mirror.fraction.numerator, mirror.fraction.denominator)
        to = mirror.backend_ref.object(document, (*path, "requestMirror", "backendRef"))
        return route.RequestMirror(origin, to, mirror.percent, fraction)


class GRPCFilterShape(_Filter):
    """A filter of a GRPCRoute."""

    types: ClassVar[tuple[str, ...]] = ("RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror")


class HTTPFilterShape(_Filter):
    """A filter of an HTTPRoute."""

    types: ClassVar[tuple[str, ...]] = tuple(_FIELDS)

    request_redirect: _Redirect | None = None
    url_rewrite: _Rewrite | None = None
    cors: Annotated[Any, unsupported("CORS is not known here; remove it")] = None
    external_auth: Annotated[Any, unsupported("no data plane here asks others; remove it")] = None

    def value(self, document: Document, path: _Path) -> route.Filter:
        """The filter, which stands at ``path``, as the model holds it."""
        redirect, rewrite = self.request_redirect, self.url_rewrite
        if redirect is not None:
            change = None if redirect.path is None else redirect.path.value()
            to = (redirect.scheme, redirect.hostname, change, redirect.port, redirect.status_code)
            return route.RequestRedirect(document.origin(path), *to)
        if rewrite is not None:
            change = None if rewrite.path is None else rewrite.path.value()
            return route.URLRewrite(document.origin(path), rewrite.hostname, change)
        return super().value(document, path)

    @property
    def replaces_prefix(self) -> bool:
        """Whether it replaces the prefix that a match names."""
        changes = (self.request_redirect, self.url_rewrite)
        return any(each is not None and each.path is not None and each.path.type == "ReplacePrefixMatch" for each in changes)


GRPCFilters = Annotated[list[GRPCFilterShape], Field(max_length=_MOST)]
HTTPFilters = Annotated[list[HTTPFilterShape], Field(max_length=_MOST)]


def filters_fit(filters: Sequence[_Filter], *at: Step) -> None:
    """Raise what pydantic reports, below ``at``, for a filter that is repeated or that another one excludes."""
    seen: dict[str, int] = {}
    for position, each in enumerate(filters):
        first = seen.setdefault(each.type, position)
        if first != position and each.type != "RequestMirror":
            raise wrong(f"{each.type} is written already; a rule takes one: merge them", *at, position, "type")
    if "RequestRedirect" in seen and "URLRewrite" in seen:
        later = max(seen["RequestRedirect"], seen["URLRewrite"])
        raise wrong("RequestRedirect and URLRewrite exclude one another; remove one", *at, later, "type")


def filter_values(document: Document, path: _Path, filters: Sequence[_Filter] | None) -> tuple[route.Filter, ...] | None:
    """The filters, whose list stands at ``path``, as the model holds them."""
    return None if filters is None else tuple(each.value(document, (*path, i)) for i, each in enumerate(filters))
