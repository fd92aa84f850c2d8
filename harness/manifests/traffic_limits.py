"""``rateLimit`` of a BackendTrafficPolicy: the limits that each proxy keeps for itself.

Source of the rules: ``api/v1alpha1/ratelimit_types.go`` of Envoy Gateway.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from harness.manifests.document import Document, Step
from harness.manifests.gateway_fields import HeaderName, regular_expression
from harness.manifests.shape import Shape, unsupported, wrong
from harness.model.traffic import RateLimitRule, SelectedHeader

_Headers = "clients are selected by headers alone; remove it"


class _Header(Shape):
    name: HeaderName
    value: Annotated[str, Field(max_length=1024)] | None = None
    type: Literal["Exact", "RegularExpression", "Distinct"] | None = None
    invert: bool | None = None

    @model_validator(mode="after")
    def _a_value_to_compare(self) -> "_Header":
        if self.type == "Distinct":
            raise wrong("not supported: Distinct, a limit of each value's own; write Exact or RegularExpression", "type")
        if self.value is None:
            raise wrong("missing; write what the header is compared with", "value")
        if self.type == "RegularExpression":
            regular_expression(self.value, "value")
        return self


class _Selector(Shape):
    headers: Annotated[list[_Header], Field(min_length=1, max_length=16)]
    methods: Annotated[Any, unsupported(_Headers)] = None
    path: Annotated[Any, unsupported(_Headers)] = None
    source_cidr: Annotated[Any, Field(alias="sourceCIDR"), unsupported(_Headers)] = None
    query_params: Annotated[Any, unsupported(_Headers)] = None


class _Limit(Shape):
    requests: Annotated[int, Field(ge=1, le=(1 << 32) - 1)]
    unit: Literal["Second", "Minute", "Hour", "Day", "Month", "Year"]


class _Rule(Shape):
    limit: _Limit
    client_selectors: Annotated[list[_Selector], Field(max_length=8)] | None = None
    cost: Annotated[Any, unsupported("each request counts as one; remove it")] = None
    shared: Annotated[Any, unsupported("each target has limits of its own; remove it")] = None
    shadow_mode: Annotated[Any, unsupported("limits are enforced; remove it")] = None

    def value(self, document: Document, path: tuple[Step, ...]) -> RateLimitRule:
        selectors = None
        if self.client_selectors is not None:
            selectors = tuple(tuple(map(_selected, each.headers)) for each in self.client_selectors)
        return RateLimitRule(document.origin(path), self.limit.requests, self.limit.unit, selectors)


def _selected(header: _Header) -> SelectedHeader:
    return SelectedHeader(header.name, header.value or "", header.type, header.invert)


class _Local(Shape):
    rules: Annotated[list[_Rule], Field(max_length=16)] | None = None


class RateLimitShape(Shape):
    """``rateLimit``."""

    type: Literal["Local", "Global"] | None = None
    local: _Local | None = None
    global_: Annotated[Any, Field(alias="global"), unsupported("no service counts for all proxies; write local")] = None

    @model_validator(mode="after")
    def _limits_of_each_proxy(self) -> "RateLimitShape":
        if self.type == "Global":
            raise wrong("not supported: no service counts for all proxies; write Local", "type")
        if self.local is None:
            raise wrong("missing; write the limits that each proxy keeps", "local")
        return self

    def value(self, document: Document, path: tuple[Step, ...]) -> tuple[RateLimitRule, ...]:
        """The rules, of the ``rateLimit`` at ``path``, as the model holds them."""
        at = (*path, "local", "rules")
        rules = (self.local.rules if self.local else None) or ()
        return tuple(each.value(document, (*at, position)) for position, each in enumerate(rules))
