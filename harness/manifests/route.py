"""HTTPRoute and GRPCRoute of gateway.networking.k8s.io, checked as the rules of their CRDs check them.

A field that is known but not judged is refused by its name.
Source of the rules: ``apis/v1/httproute_types.go`` and ``grpcroute_types.go`` of Gateway API, the standard channel of v1.4
and of the experimental one ``port`` of parents and ``retry``.
"""

from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

from pydantic import Field, model_validator

from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, quoted
from harness.manifests.gateway_fields import GROUP, Duration, Hostnames, RouteMetadata, SectionName, milliseconds
from harness.manifests.route_filters import GRPCFilters, HTTPFilters, filter_values, filters_fit
from harness.manifests.route_matches import GRPCMatchShape, HTTPMatchShape
from harness.manifests.route_refs import BackendObjectShape, Parents, parents_differ
from harness.manifests.shape import Shape, checked, unsupported, wrong
from harness.model.origin import Origin
from harness.model.route import BackendRef, GRPCRoute, GRPCRouteRule, HTTPRoute, HTTPRouteRule, ParentReference, Retry, Timeouts

HTTP_KIND, GRPC_KIND = "HTTPRoute", "GRPCRoute"
HTTP_VERSIONS, GRPC_VERSIONS = (f"{GROUP}/v1", f"{GROUP}/v1beta1"), (f"{GROUP}/v1",)

_Path = tuple[Step, ...]

_RULES, _MATCHES, _ALL_MATCHES, _BACKENDS = 16, 64, 128, 16
_Session = Annotated[Any, unsupported("sessions are not kept on one backend; remove it")]
_DefaultGateways = Annotated[Any, unsupported("default Gateways are not known here; write parentRefs")]


class _BackendRef(BackendObjectShape):
    weight: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class _HTTPBackendRef(_BackendRef):
    filters: HTTPFilters | None = None


class _GRPCBackendRef(_BackendRef):
    filters: GRPCFilters | None = None


class _Timeouts(Shape):
    request: Duration | None = None
    backend_request: Duration | None = None

    @model_validator(mode="after")
    def _one_inside_the_other(self) -> "_Timeouts":
        whole, part = (milliseconds(each or "0s") for each in (self.request, self.backend_request))
        if whole and part > whole:
            raise wrong(f"{self.backend_request} is longer than request, {self.request}; write at most that", "backendRequest")
        return self


class _Retry(Shape):
    codes: list[Annotated[int, Field(ge=400, le=599)]] | None = None
    attempts: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    backoff: Duration | None = None

    @model_validator(mode="after")
    def _each_code_once(self) -> "_Retry":
        for position, code in enumerate(self.codes or ()):
            if code in (self.codes or ())[:position]:
                raise wrong(f"{code} is written already; remove it", "codes", position)
        return self


class _HTTPRule(Shape):
    name: SectionName | None = None
    matches: Annotated[list[HTTPMatchShape], Field(max_length=_MATCHES)] | None = None
    filters: HTTPFilters | None = None
    backend_refs: Annotated[list[_HTTPBackendRef], Field(max_length=_BACKENDS)] | None = None
    timeouts: _Timeouts | None = None
    retry: _Retry | None = None
    session_persistence: _Session = None

    @model_validator(mode="after")
    def _filters_fit(self) -> "_HTTPRule":
        filters_fit(self.filters or (), "filters")
        for position, backend in enumerate(self.backend_refs or ()):
            filters_fit(backend.filters or (), "backendRefs", position, "filters")
        if self.backend_refs and any(each.type == "RequestRedirect" for each in self.filters or ()):
            raise wrong("a rule that redirects sends nothing to backends; remove them, or the filter", "backendRefs")
        return self

    @model_validator(mode="after")
    def _a_prefix_to_replace(self) -> "_HTTPRule":
        if self.matches is None or (len(self.matches) == 1 and self.matches[0].matches_a_prefix):
            return self
        what = "replaces a prefix, for which a rule needs exactly one match, of type PathPrefix; write that, or ReplaceFullPath"
        for position, each in enumerate(self.filters or ()):
            if each.replaces_prefix:
                raise wrong(what, "filters", position)
        for position, backend in enumerate(self.backend_refs or ()):
            for inner, each in enumerate(backend.filters or ()):
                if each.replaces_prefix:
                    raise wrong(what, "backendRefs", position, "filters", inner)
        return self


class _GRPCRule(Shape):
    name: SectionName | None = None
    matches: Annotated[list[GRPCMatchShape], Field(max_length=_MATCHES)] | None = None
    filters: GRPCFilters | None = None
    backend_refs: Annotated[list[_GRPCBackendRef], Field(max_length=_BACKENDS)] | None = None
    session_persistence: _Session = None

    @model_validator(mode="after")
    def _filters_fit(self) -> "_GRPCRule":
        filters_fit(self.filters or (), "filters")
        for position, backend in enumerate(self.backend_refs or ()):
            filters_fit(backend.filters or (), "backendRefs", position, "filters")
        return self


class _Spec(Shape):
    parent_refs: Parents | None = None
    hostnames: Hostnames | None = None
    use_default_gateways: _DefaultGateways = None

    @model_validator(mode="after")
    def _parents_differ(self) -> "_Spec":
        parents_differ(self.parent_refs or ())
        return self


class _HTTPSpec(_Spec):
    rules: Annotated[list[_HTTPRule], Field(min_length=1, max_length=_RULES)] | None = None

    @model_validator(mode="after")
    def _rules_fit(self) -> "_HTTPSpec":
        _names_and_matches(self.rules or ())
        return self


class _GRPCSpec(_Spec):
    rules: Annotated[list[_GRPCRule], Field(max_length=_RULES)] | None = None

    @model_validator(mode="after")
    def _rules_fit(self) -> "_GRPCSpec":
        _names_and_matches(self.rules or ())
        return self


def _names_and_matches(rules: Sequence[_HTTPRule | _GRPCRule]) -> None:
    seen: set[str] = set()
    matches = 0
    for position, rule in enumerate(rules):
        if rule.name is not None and rule.name in seen:
            raise wrong(f"{quoted(rule.name)} is the name of another rule; rename one", "rules", position, "name")
        seen.add(rule.name or "")
        matches += 1 if rule.matches is None else len(rule.matches)
        if matches > _ALL_MATCHES:
            raise wrong(f"over {_ALL_MATCHES} matches in the route up to here; split it", "rules", position, "matches")


class _HTTPRoute(Shape):
    api_version: Any = None
    kind: Any = None
    metadata: RouteMetadata
    spec: _HTTPSpec
    status: Any = None


class _GRPCRoute(Shape):
    api_version: Any = None
    kind: Any = None
    metadata: RouteMetadata
    spec: _GRPCSpec
    status: Any = None


def http_route(document: Document, path: _Path, faults: list[Fault]) -> HTTPRoute | None:
    """The HTTPRoute at ``path`` of a document; None, and faults added, where it is not a valid one."""
    shape = checked(document, _HTTPRoute, faults, path)
    if shape is None:
        return None
    at, rules = (*path, "spec", "rules"), shape.spec.rules
    written = None if rules is None else tuple(_http_rule(document, (*at, i), rule) for i, rule in enumerate(rules))
    return HTTPRoute(rules=written, **_head(document, path, shape.metadata, shape.spec))


def grpc_route(document: Document, path: _Path, faults: list[Fault]) -> GRPCRoute | None:
    """The GRPCRoute at ``path`` of a document; None, and faults added, where it is not a valid one."""
    shape = checked(document, _GRPCRoute, faults, path)
    if shape is None:
        return None
    at, rules = (*path, "spec", "rules"), shape.spec.rules
    written = None if rules is None else tuple(_grpc_rule(document, (*at, i), rule) for i, rule in enumerate(rules))
    return GRPCRoute(rules=written, **_head(document, path, shape.metadata, shape.spec))


class _Head(TypedDict):
    """What routes of both kinds have."""

    origin: Origin
    name: str
    namespace: str
    parent_refs: tuple[ParentReference, ...] | None
    hostnames: tuple[str, ...] | None
    created: str | None


def _head(document: Document, path: _Path, metadata: RouteMetadata, spec: _Spec) -> _Head:
    return {
        "origin": document.origin((*path, "kind")),
        "name": metadata.name,
        "namespace": metadata.namespace or "default",  # as kubectl does without -n
        "parent_refs": _parents(document, path, spec),
        "hostnames": None if spec.hostnames is None else tuple(spec.hostnames),
        "created": metadata.creation_timestamp,
    }


def _parents(document: Document, path: _Path, spec: _Spec) -> tuple[ParentReference, ...] | None:
    if spec.parent_refs is None:
        return None
    at = (*path, "spec", "parentRefs")
    return tuple(each.value(document, (*at, i)) for i, each in enumerate(spec.parent_refs))


def _http_rule(document: Document, path: _Path, rule: _HTTPRule) -> HTTPRouteRule:
    matches, timeouts, retry = rule.matches, rule.timeouts, rule.retry
    codes = None if retry is None or retry.codes is None else tuple(retry.codes)
    return HTTPRouteRule(
        document.origin(path),
        name=rule.name,
        matches=None if matches is None else tuple(m.value(document, (*path, "matches", i)) for i, m in enumerate(matches)),
        filters=filter_values(document, (*path, "filters"), rule.filters),
        backend_refs=_backends(document, path, rule.backend_refs),
        timeouts=None if timeouts is None else Timeouts(timeouts.request, timeouts.backend_request),
        retry=None if retry is None else Retry(codes, retry.attempts, retry.backoff),
    )


def _grpc_rule(document: Document, path: _Path, rule: _GRPCRule) -> GRPCRouteRule:
    matches = rule.matches
    return GRPCRouteRule(
        document.origin(path),
        name=rule.name,
        matches=None if matches is None else tuple(m.value(document, (*path, "matches", i)) for i, m in enumerate(matches)),
        filters=filter_values(document, (*path, "filters"), rule.filters),
        backend_refs=_backends(document, path, rule.backend_refs),
    )


def _backends(
    document: Document, path: _Path, refs: Sequence[_HTTPBackendRef | _GRPCBackendRef] | None
) -> tuple[BackendRef, ...] | None:
    if refs is None:
        return None
    at = (*path, "backendRefs")
    return tuple(
        BackendRef(each.object(document, (*at, i)), each.weight, filter_values(document, (*at, i, "filters"), each.filters))
        for i, each in enumerate(refs)
    )
