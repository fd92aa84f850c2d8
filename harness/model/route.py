"""Gateway, HTTPRoute, GRPCRoute and ReferenceGrant of gateway.networking.k8s.io, as written.

``None`` always means "the user did not write this field", which differs from an empty value. What an absent field means,
which route a request takes and which of several wins is decided by each reader of these values, not here.
Names are those of the API. Source: https://gateway-api.sigs.k8s.io/reference/spec/
"""

from dataclasses import dataclass

from harness.model.origin import Origin
from harness.model.policy import LabelSelector


@dataclass(frozen=True, slots=True)
class ParentReference:
    """One entry of ``parentRefs``: the Gateway or Service whose requests a route takes."""

    origin: Origin
    name: str
    group: str | None = None
    kind: str | None = None
    namespace: str | None = None
    section_name: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class PathMatch:
    """``matches[].path``; ``type`` is Exact, PathPrefix or RegularExpression."""

    type: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class ValueMatch:
    """One entry of ``headers`` or ``queryParams`` of a match; ``type`` is Exact or RegularExpression."""

    name: str
    value: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class HTTPRouteMatch:
    """One entry of a rule's ``matches``."""

    origin: Origin
    path: PathMatch | None = None
    headers: tuple[ValueMatch, ...] | None = None
    query_params: tuple[ValueMatch, ...] | None = None
    method: str | None = None


@dataclass(frozen=True, slots=True)
class GRPCMethodMatch:
    """``matches[].method`` of a GRPCRoute; ``type`` is Exact or RegularExpression."""

    type: str | None = None
    service: str | None = None
    method: str | None = None


@dataclass(frozen=True, slots=True)
class GRPCRouteMatch:
    """One entry of a rule's ``matches``."""

    origin: Origin
    method: GRPCMethodMatch | None = None
    headers: tuple[ValueMatch, ...] | None = None


@dataclass(frozen=True, slots=True)
class HTTPHeader:
    """A header that a filter sets or adds."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class HeaderChanges:
    """What a filter changes in the headers of a request or a response."""

    set: tuple[HTTPHeader, ...] | None = None
    add: tuple[HTTPHeader, ...] | None = None
    remove: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RequestHeaderModifier:
    """A filter of this type."""

    origin: Origin
    changes: HeaderChanges


@dataclass(frozen=True, slots=True)
class ResponseHeaderModifier:
    """A filter of this type."""

    origin: Origin
    changes: HeaderChanges


@dataclass(frozen=True, slots=True)
class PathModifier:
    """``path`` of a redirect or rewrite; ``type`` is ReplaceFullPath or ReplacePrefixMatch."""

    type: str
    replace_full_path: str | None = None
    replace_prefix_match: str | None = None


@dataclass(frozen=True, slots=True)
class RequestRedirect:
    """A filter of this type."""

    origin: Origin
    scheme: str | None = None
    hostname: str | None = None
    path: PathModifier | None = None
    port: int | None = None
    status_code: int | None = None


@dataclass(frozen=True, slots=True)
class URLRewrite:
    """A filter of this type."""

    origin: Origin
    hostname: str | None = None
    path: PathModifier | None = None


@dataclass(frozen=True, slots=True)
class BackendObject:
    """What a rule or a mirror sends requests to: a Service, unless ``group`` and ``kind`` say otherwise."""

    origin: Origin
    name: str
    group: str | None = None
    kind: str | None = None
    namespace: str | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Fraction:
    """The share of requests that a mirror gets."""

    numerator: int
    denominator: int | None = None


@dataclass(frozen=True, slots=True)
class RequestMirror:
    """A filter of this type; of ``percent`` and ``fraction`` at most one is written."""

    origin: Origin
    backend: BackendObject
    percent: int | None = None
    fraction: Fraction | None = None


Filter = RequestHeaderModifier | ResponseHeaderModifier | RequestRedirect | URLRewrite | RequestMirror


@dataclass(frozen=True, slots=True)
class BackendRef:
    """One entry of ``backendRefs``."""

    backend: BackendObject
    weight: int | None = None
    filters: tuple[Filter, ...] | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """``timeouts`` of a rule, as durations of Gateway API (``1m30s``); zero is none."""

    request: str | None = None
    backend_request: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """``retry`` of a rule; ``backoff`` is a duration of Gateway API."""

    codes: tuple[int, ...] | None = None
    attempts: int | None = None
    backoff: str | None = None


@dataclass(frozen=True, slots=True)
class HTTPRouteRule:
    """One entry of ``rules``."""

    origin: Origin
    name: str | None = None
    matches: tuple[HTTPRouteMatch, ...] | None = None
    filters: tuple[Filter, ...] | None = None
    backend_refs: tuple[BackendRef, ...] | None = None
    timeouts: Timeouts | None = None
    retry: Retry | None = None


@dataclass(frozen=True, slots=True)
class GRPCRouteRule:
    """One entry of ``rules``; its filters modify headers or mirror."""

    origin: Origin
    name: str | None = None
    matches: tuple[GRPCRouteMatch, ...] | None = None
    filters: tuple[Filter, ...] | None = None
    backend_refs: tuple[BackendRef, ...] | None = None


@dataclass(frozen=True, slots=True)
class HTTPRoute:
    """An HTTPRoute object. ``origin``: the line of its ``kind``; ``created``: when a server says it was, in RFC 3339."""

    origin: Origin
    name: str
    namespace: str
    parent_refs: tuple[ParentReference, ...] | None = None
    hostnames: tuple[str, ...] | None = None
    rules: tuple[HTTPRouteRule, ...] | None = None
    created: str | None = None


@dataclass(frozen=True, slots=True)
class GRPCRoute:
    """A GRPCRoute object; ``origin`` and ``created`` as of an HTTPRoute."""

    origin: Origin
    name: str
    namespace: str
    parent_refs: tuple[ParentReference, ...] | None = None
    hostnames: tuple[str, ...] | None = None
    rules: tuple[GRPCRouteRule, ...] | None = None
    created: str | None = None


Route = HTTPRoute | GRPCRoute


@dataclass(frozen=True, slots=True)
class RouteKind:
    """One entry of ``allowedRoutes.kinds``."""

    kind: str
    group: str | None = None


@dataclass(frozen=True, slots=True)
class AllowedRoutes:
    """``allowedRoutes`` of a listener; ``from_`` is All, Same or Selector."""

    from_: str | None = None
    selector: LabelSelector | None = None
    kinds: tuple[RouteKind, ...] | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """One entry of ``listeners``."""

    origin: Origin
    name: str
    port: int
    protocol: str
    hostname: str | None = None
    allowed_routes: AllowedRoutes | None = None


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """One entry of a Gateway's ``addresses``; ``type`` is IPAddress, Hostname or an implementation's own."""

    origin: Origin
    type: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """A Gateway object; ``origin`` is the line of its ``kind``."""

    origin: Origin
    name: str
    namespace: str
    class_name: str
    listeners: tuple[Listener, ...]
    addresses: tuple[GatewayAddress, ...] | None = None

    @property
    def ref(self) -> str:
        """``namespace/name``, the way every file and message names a Gateway."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class GrantFrom:
    """One entry of ``from``: who may refer."""

    group: str
    kind: str
    namespace: str


@dataclass(frozen=True, slots=True)
class GrantTo:
    """One entry of ``to``: what may be referred to; with ``name`` None all of the kind."""

    group: str
    kind: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ReferenceGrant:
    """A ReferenceGrant object; ``origin`` is the line of its ``kind``."""

    origin: Origin
    name: str
    namespace: str
    from_: tuple[GrantFrom, ...]
    to: tuple[GrantTo, ...]
