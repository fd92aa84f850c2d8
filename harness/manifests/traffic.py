"""BackendTrafficPolicy of gateway.envoyproxy.io, checked as the rules of its CRD check it.

A field that is known but not judged is refused by its name.
Source of the rules: ``api/v1alpha1/backendtrafficpolicy_types.go`` of Envoy Gateway, and the types that it names.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, quoted
from harness.manifests.gateway_fields import GROUP as GATEWAY_GROUP
from harness.manifests.gateway_fields import Duration, Group, Kind, ObjectName, RouteMetadata
from harness.manifests.shape import Shape, checked, unsupported, wrong
from harness.manifests.traffic_fields import CircuitBreakerShape, FaultShape, HealthCheckShape, RetryShape
from harness.manifests.traffic_limits import RateLimitShape
from harness.model.traffic import BackendTrafficPolicy, TargetReference

GROUP = "gateway.envoyproxy.io"
API_VERSION = f"{GROUP}/v1alpha1"
KIND = "BackendTrafficPolicy"

_Path = tuple[Step, ...]
_TARGETS = ((GATEWAY_GROUP, "HTTPRoute"), (GATEWAY_GROUP, "GRPCRoute"), (GATEWAY_GROUP, "Gateway"), ("", "Service"))


_Connections = Annotated[Any, unsupported("connections to backends are as the data plane makes them; remove it")]
_Streams = Annotated[Any, unsupported("streams go on as long as they like; remove it")]
_Bodies = Annotated[Any, unsupported("bodies and responses pass as they are; remove it")]
_Targets = Annotated[Any, unsupported("targets are whole objects, by name; write targetRefs")]
_Whole = Annotated[Any, unsupported("the policy of a route stands alone, and is merged with no other; remove it")]
_Balancing = Annotated[Any, unsupported("the pods of a backend are asked in turn; remove it")]
_Telemetry = Annotated[Any, unsupported("there are no traces; remove it")]


class _TargetRef(Shape):
    group: Group
    kind: Kind
    name: ObjectName
    section_name: _Targets = None

    @model_validator(mode="after")
    def _a_known_target(self) -> "_TargetRef":
        if (self.group, self.kind) == (GATEWAY_GROUP, "Service"):
            raise wrong(f"want {quoted('')}, the group of a Service, found {quoted(self.group)}", "group")
        if (self.group, self.kind) not in _TARGETS:
            what = f"a target of kind {self.kind} and group {quoted(self.group)} is not supported"
            instead = f"write an HTTPRoute, GRPCRoute or Gateway, or a Service of group {quoted('')}"
            raise wrong(f"{what}; {instead}", "kind")
        return self


class _HTTPTimeout(Shape):
    request_timeout: Duration | None = None
    connection_idle_timeout: _Connections = None
    max_connection_duration: _Connections = None
    max_stream_duration: _Streams = None
    stream_idle_timeout: _Streams = None


class _Timeout(Shape):
    http: _HTTPTimeout | None = None
    tcp: _Connections = None


class _Spec(Shape):
    target_ref: _TargetRef | None = None
    target_refs: Annotated[list[_TargetRef], Field(min_length=1, max_length=16)] | None = None
    circuit_breaker: CircuitBreakerShape | None = None
    health_check: HealthCheckShape | None = None
    fault_injection: FaultShape | None = None
    rate_limit: RateLimitShape | None = None
    retry: RetryShape | None = None
    timeout: _Timeout | None = None
    target_selectors: _Targets = None
    merge_type: _Whole = None
    load_balancer: _Balancing = None
    proxy_protocol: _Connections = None
    tcp_keepalive: _Connections = None
    connection: _Connections = None
    dns: _Connections = None
    http2: _Connections = None
    use_client_protocol: Literal[True] | None = None  # what is done anyway
    compression: _Bodies = None
    compressor: _Bodies = None
    decompressor: _Bodies = None
    response_override: _Bodies = None
    http_upgrade: _Streams = None
    request_buffer: _Bodies = None
    bandwidth_limit: _Bodies = None
    admission_control: Annotated[Any, unsupported("write rateLimit or circuitBreaker")] = None
    telemetry: _Telemetry = None
    routing_type: _Balancing = None

    @model_validator(mode="after")
    def _targets(self) -> "_Spec":
        if self.target_ref is not None and self.target_refs is not None:
            raise wrong("targetRefs beside it; write it in there", "targetRef")
        if self.target_ref is None and self.target_refs is None:
            raise wrong("missing; write which routes or Services the policy is about", "targetRefs")
        seen: set[tuple[str, str]] = set()
        for position, each in enumerate(self.target_refs or ()):
            if (each.kind, each.name) in seen:
                raise wrong(f"{each.kind} {quoted(each.name)} is a target already; remove it", "targetRefs", position)
            seen.add((each.kind, each.name))
        return self


class _BackendTrafficPolicy(Shape):
    api_version: Any = None
    kind: Any = None
    metadata: RouteMetadata
    spec: _Spec
    status: Any = None


def backend_traffic_policy(document: Document, path: _Path, faults: list[Fault]) -> BackendTrafficPolicy | None:
    """The BackendTrafficPolicy at ``path`` of a document; None, and faults added, where it is not a valid one."""
    shape = checked(document, _BackendTrafficPolicy, faults, path)
    if shape is None:
        return None
    spec, at = shape.spec, (*path, "spec")
    http = None if spec.timeout is None else spec.timeout.http
    limits = spec.rate_limit
    return BackendTrafficPolicy(
        origin=document.origin((*path, "kind")),
        name=shape.metadata.name,
        namespace=shape.metadata.namespace or "default",  # as kubectl does without -n
        targets=tuple(_targets(document, at, spec)),
        circuit_breaker=None if spec.circuit_breaker is None else spec.circuit_breaker.value(),
        health_check=None if spec.health_check is None else spec.health_check.value(),
        fault_injection=None if spec.fault_injection is None else spec.fault_injection.value(),
        rate_limits=None if limits is None else limits.value(document, (*at, "rateLimit")),
        retry=None if spec.retry is None else spec.retry.value(),
        request_timeout=None if http is None else http.request_timeout,
        created=shape.metadata.creation_timestamp,
    )


def _targets(document: Document, at: _Path, spec: _Spec) -> list[TargetReference]:
    found = [] if spec.target_ref is None else [((*at, "targetRef"), spec.target_ref)]
    found += [((*at, "targetRefs", position), each) for position, each in enumerate(spec.target_refs or ())]
    return [TargetReference(document.origin(place), each.group, each.kind, each.name) for place, each in found]
