"""Gateway and ReferenceGrant of gateway.networking.k8s.io, checked as the rules of their CRDs check them.

A field that is known but not judged is refused by its name.
Source of the rules: ``apis/v1/gateway_types.go`` and ``apis/v1beta1/referencegrant_types.go`` of Gateway API.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.manifests.addresses import address
from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, quoted
from harness.manifests.gateway_fields import GROUP, Group, Hostname, Kind, Namespace, ObjectName, SectionName
from harness.manifests.kubernetes import Metadata, Port, Selector
from harness.manifests.shape import Shape, checked, unsupported, wrong
from harness.model.route import (
    AllowedRoutes,
    Gateway,
    GatewayAddress,
    GrantFrom,
    GrantTo,
    Listener,
    ReferenceGrant,
    RouteKind,
)

VERSIONS = (f"{GROUP}/v1", f"{GROUP}/v1beta1")
KIND, GRANT_KIND = "Gateway", "ReferenceGrant"

_Path = tuple[Step, ...]


def _protocol(text: str) -> str:
    if text.upper() != "HTTP":  # "HTTP", "http" and "hTtP" are all equivalent
        raise wrong(f"protocol {quoted(text)} is not supported: no Gateway here ends TLS or carries TCP and UDP; write HTTP")
    return text


_Tls = Annotated[Any, unsupported("no Gateway here ends TLS; remove it")]


class _Namespaces(Shape):
    from_: Literal["All", "Same", "Selector"] | None = Field(default=None, alias="from")
    selector: Selector | None = None

    @model_validator(mode="after")
    def _a_selector_to_select_by(self) -> "_Namespaces":
        if self.from_ == "Selector" and self.selector is None:
            raise wrong("missing; from: Selector needs it", "selector")
        return self


class _RouteKind(Shape):
    kind: Kind
    group: Group | None = None


class _AllowedRoutes(Shape):
    namespaces: _Namespaces | None = None
    kinds: Annotated[list[_RouteKind], Field(max_length=8)] | None = None

    def value(self) -> AllowedRoutes:
        """What is allowed, as the model holds it."""
        spaces, kinds = self.namespaces, self.kinds
        return AllowedRoutes(
            None if spaces is None else spaces.from_,
            None if spaces is None or spaces.selector is None else spaces.selector.value(),
            None if kinds is None else tuple(RouteKind(each.kind, each.group) for each in kinds),
        )


class _Listener(Shape):
    name: SectionName
    port: Port
    protocol: Annotated[str, AfterValidator(_protocol)]
    hostname: Hostname | None = None
    allowed_routes: _AllowedRoutes | None = None
    tls: _Tls = None


class _Address(Shape):
    type: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    value: Annotated[str, Field(max_length=253)] | None = None

    @model_validator(mode="after")
    def _an_address_where_one_is_said(self) -> "_Address":
        if self.type in (None, "IPAddress") and self.value:
            address(self.value)
        return self


class _Spec(Shape):
    gateway_class_name: ObjectName
    listeners: Annotated[list[_Listener], Field(min_length=1, max_length=64)]
    addresses: Annotated[list[_Address], Field(max_length=16)] | None = None
    infrastructure: Any = None
    tls: _Tls = None
    allowed_listeners: Annotated[Any, unsupported("ListenerSets are not read; write the listeners here")] = None
    default_scope: Annotated[Any, unsupported("default Gateways are not known here; write parentRefs in the routes")] = None

    @model_validator(mode="after")
    def _listeners_differ(self) -> "_Spec":
        names: set[str] = set()
        places: set[tuple[int, str | None]] = set()
        for position, each in enumerate(self.listeners):
            if each.name in names:
                raise wrong(f"listener {quoted(each.name)} is written already; rename one", "listeners", position, "name")
            if (each.port, each.hostname) in places:
                what = f"another listener has port {each.port} and this hostname; write another"
                raise wrong(what, "listeners", position, "port" if each.hostname is None else "hostname")
            names.add(each.name)
            places.add((each.port, each.hostname))
        return self


class _Gateway(Shape):
    api_version: Any = None
    kind: Any = None
    metadata: Metadata
    spec: _Spec
    status: Any = None


def gateway(document: Document, path: _Path, faults: list[Fault]) -> Gateway | None:
    """The Gateway at ``path`` of a document; None, and faults added, where it is not a valid one."""
    shape = checked(document, _Gateway, faults, path)
    if shape is None:
        return None
    at = (*path, "spec", "listeners")
    return Gateway(
        origin=document.origin((*path, "kind")),
        name=shape.metadata.name,
        namespace=shape.metadata.namespace or "default",  # as kubectl does without -n
        class_name=shape.spec.gateway_class_name,
        listeners=tuple(_listener(document, (*at, i), each) for i, each in enumerate(shape.spec.listeners)),
        addresses=_addresses(document, (*path, "spec", "addresses"), shape.spec.addresses),
    )


def _addresses(document: Document, path: _Path, shapes: list[_Address] | None) -> tuple[GatewayAddress, ...] | None:
    if shapes is None:
        return None
    return tuple(GatewayAddress(document.origin((*path, i)), each.type, each.value) for i, each in enumerate(shapes))


def _listener(document: Document, path: _Path, shape: _Listener) -> Listener:
    allowed = None if shape.allowed_routes is None else shape.allowed_routes.value()
    return Listener(document.origin(path), shape.name, shape.port, shape.protocol, shape.hostname, allowed)


class _From(Shape):
    group: Group
    kind: Kind
    namespace: Namespace


class _To(Shape):
    group: Group
    kind: Kind
    name: ObjectName | None = None


class _GrantSpec(Shape):
    from_: Annotated[list[_From], Field(min_length=1, max_length=16, alias="from")]
    to: Annotated[list[_To], Field(min_length=1, max_length=16)]


class _ReferenceGrant(Shape):
    api_version: Any = None
    kind: Any = None
    metadata: Metadata
    spec: _GrantSpec


def reference_grant(document: Document, path: _Path, faults: list[Fault]) -> ReferenceGrant | None:
    """The ReferenceGrant at ``path`` of a document; None, and faults added, where it is not a valid one."""
    shape = checked(document, _ReferenceGrant, faults, path)
    if shape is None:
        return None
    return ReferenceGrant(
        origin=document.origin((*path, "kind")),
        name=shape.metadata.name,
        namespace=shape.metadata.namespace or "default",
        from_=tuple(GrantFrom(each.group, each.kind, each.namespace) for each in shape.spec.from_),
        to=tuple(GrantTo(each.group, each.kind, each.name) for each in shape.spec.to),
    )
