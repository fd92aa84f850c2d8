"""BackendTrafficPolicy of gateway.envoyproxy.io, as written.

``None`` always means "the user did not write this field", which differs from an empty value. What an absent field means, and
which of several policies a request is under, is decided by each reader of these values, not here.
Names are those of the API. Source: https://gateway.envoyproxy.io/docs/api/extension_types/
"""

from dataclasses import dataclass

from harness.model.origin import Origin


@dataclass(frozen=True, slots=True)
class TargetReference:
    """One entry of ``targetRefs``: the route, Gateway or Service whose requests a policy is about, in its own namespace."""

    origin: Origin
    group: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """``circuitBreaker``: how much there may be at once."""

    max_connections: int | None = None
    max_pending_requests: int | None = None
    max_parallel_requests: int | None = None
    max_parallel_retries: int | None = None
    max_requests_per_connection: int | None = None


@dataclass(frozen=True, slots=True)
class PassiveHealthCheck:
    """``healthCheck.passive``: which backends are ejected, and for how long (durations as ``30s``)."""

    split_external_local_origin_errors: bool | None = None
    interval: str | None = None
    consecutive_local_origin_failures: int | None = None
    consecutive_gateway_errors: int | None = None
    consecutive_5xx_errors: int | None = None
    base_ejection_time: str | None = None
    max_ejection_percent: int | None = None


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """``healthCheck``; ``panic_threshold`` is the percentage of healthy backends below which all are asked."""

    passive: PassiveHealthCheck | None = None
    panic_threshold: int | None = None


@dataclass(frozen=True, slots=True)
class FaultDelay:
    """``faultInjection.delay``; ``percentage`` is of requests."""

    fixed_delay: str
    percentage: float | None = None


@dataclass(frozen=True, slots=True)
class FaultAbort:
    """``faultInjection.abort``; exactly one of the statuses is written, ``percentage`` is of requests."""

    http_status: int | None = None
    grpc_status: int | None = None
    percentage: float | None = None


@dataclass(frozen=True, slots=True)
class FaultInjection:
    """``faultInjection``."""

    delay: FaultDelay | None = None
    abort: FaultAbort | None = None


@dataclass(frozen=True, slots=True)
class SelectedHeader:
    """One entry of ``headers`` of a client selector; ``type`` is Exact or RegularExpression."""

    name: str
    value: str
    type: str | None = None
    invert: bool | None = None


@dataclass(frozen=True, slots=True)
class RateLimitRule:
    """One entry of ``rateLimit.local.rules``: ``requests`` in a ``unit`` (Second to Year), of those that all selectors mean.

    ``selectors`` are the headers of each entry of ``clientSelectors``.
    """

    origin: Origin
    requests: int
    unit: str
    selectors: tuple[tuple[SelectedHeader, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class TrafficRetry:
    """``retry``; ``triggers`` and ``http_status_codes`` are those of ``retryOn``, the durations those of ``perRetry``."""

    num_retries: int | None = None
    triggers: tuple[str, ...] | None = None
    http_status_codes: tuple[int, ...] | None = None
    timeout: str | None = None
    base_interval: str | None = None
    max_interval: str | None = None


@dataclass(frozen=True, slots=True)
class BackendTrafficPolicy:
    """A BackendTrafficPolicy object. ``origin``: the line of its ``kind``; ``created``: when a server says it was, in RFC 3339.

    ``rate_limits`` are the local ones, ``request_timeout`` is ``timeout.http.requestTimeout``.
    """

    origin: Origin
    name: str
    namespace: str
    targets: tuple[TargetReference, ...]
    circuit_breaker: CircuitBreaker | None = None
    health_check: HealthCheck | None = None
    fault_injection: FaultInjection | None = None
    rate_limits: tuple[RateLimitRule, ...] | None = None
    retry: TrafficRetry | None = None
    request_timeout: str | None = None
    created: str | None = None

    @property
    def ref(self) -> str:
        """``namespace/name``, the way messages name it."""
        return f"{self.namespace}/{self.name}"
