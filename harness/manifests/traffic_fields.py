"""Parts of a BackendTrafficPolicy: circuit breakers, health checks, faults and retries.

Source of the rules: ``circuitbreaker_types.go``, ``healthcheck_types.go``, ``fault_injection.go`` and ``retry_types.go`` in
``api/v1alpha1`` of Envoy Gateway.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from harness.manifests.gateway_fields import Duration, milliseconds
from harness.manifests.shape import Shape, unsupported, wrong
from harness.model.traffic import (
    CircuitBreaker,
    FaultAbort,
    FaultDelay,
    FaultInjection,
    HealthCheck,
    PassiveHealthCheck,
    TrafficRetry,
)

_Most = Annotated[int, Field(ge=0, le=(1 << 32) - 1)]
_Percent = Annotated[int, Field(ge=0, le=100)]
_Percentage = Annotated[float | int, Field(ge=0, le=100)]
_Trigger = Literal[
    "5xx", "gateway-error", "reset", "connect-failure", "retriable-4xx", "refused-stream", "retriable-status-codes",
    "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
]  # fmt: skip


class CircuitBreakerShape(Shape):
    """``circuitBreaker``."""

    max_connections: _Most | None = None
    max_pending_requests: _Most | None = None
    max_parallel_requests: _Most | None = None
    max_parallel_retries: _Most | None = None
    max_requests_per_connection: _Most | None = None
    per_endpoint: Annotated[Any, unsupported("limits are of all pods of a backend together; remove it")] = None

    def value(self) -> CircuitBreaker:
        """The limits as the model holds them."""
        return CircuitBreaker(
            self.max_connections,
            self.max_pending_requests,
            self.max_parallel_requests,
            self.max_parallel_retries,
            self.max_requests_per_connection,
        )


class _Passive(Shape):
    split_external_local_origin_errors: bool | None = None
    interval: Duration | None = None
    consecutive_local_origin_failures: _Most | None = None
    consecutive_gateway_errors: _Most | None = None
    consecutive_5xx_errors: _Most | None = Field(default=None, alias="consecutive5XxErrors")
    base_ejection_time: Duration | None = None
    max_ejection_percent: _Percent | None = None
    failure_percentage_threshold: Annotated[Any, unsupported("backends are ejected for errors in a row; remove it")] = None
    always_eject_one_endpoint: Annotated[Any, unsupported("write maxEjectionPercent")] = None

    @model_validator(mode="after")
    def _durations(self) -> "_Passive":
        for name, value in (("interval", self.interval), ("baseEjectionTime", self.base_ejection_time)):
            if value is not None and not milliseconds(value):
                raise wrong(f"want more than zero, found {value}", name)
        return self

    def value(self) -> PassiveHealthCheck:
        return PassiveHealthCheck(
            self.split_external_local_origin_errors,
            self.interval,
            self.consecutive_local_origin_failures,
            self.consecutive_gateway_errors,
            self.consecutive_5xx_errors,
            self.base_ejection_time,
            self.max_ejection_percent,
        )


class HealthCheckShape(Shape):
    """``healthCheck``."""

    passive: _Passive | None = None
    panic_threshold: _Percent | None = None
    active: Annotated[Any, unsupported("backends are judged by what clients ask them; write passive")] = None

    def value(self) -> HealthCheck:
        """The checks as the model holds them."""
        return HealthCheck(None if self.passive is None else self.passive.value(), self.panic_threshold)


class _Delay(Shape):
    fixed_delay: Duration
    percentage: _Percentage | None = None


class _Abort(Shape):
    http_status: Annotated[int, Field(ge=200, le=599)] | None = None
    grpc_status: Annotated[int, Field(ge=0, le=16)] | None = None
    percentage: _Percentage | None = None

    @model_validator(mode="after")
    def _one_status(self) -> "_Abort":
        if self.http_status is None and self.grpc_status is None:
            raise wrong("missing; write it, or grpcStatus", "httpStatus")
        if self.http_status is not None and self.grpc_status is not None:
            raise wrong("httpStatus beside it; write one of them", "grpcStatus")
        return self


class FaultShape(Shape):
    """``faultInjection``."""

    delay: _Delay | None = None
    abort: _Abort | None = None

    @model_validator(mode="after")
    def _does_something(self) -> "FaultShape":
        if self.delay is None and self.abort is None:
            raise wrong("neither delay nor abort; write one of them, or remove it")
        return self

    def value(self) -> FaultInjection:
        """The faults as the model holds them."""
        delay, abort = self.delay, self.abort
        return FaultInjection(
            None if delay is None else FaultDelay(delay.fixed_delay, delay.percentage),
            None if abort is None else FaultAbort(abort.http_status, abort.grpc_status, abort.percentage),
        )


class _RetryOn(Shape):
    triggers: list[_Trigger] | None = None
    http_status_codes: list[Annotated[int, Field(ge=100, le=599)]] | None = None

    @model_validator(mode="after")
    def _codes_are_asked_for(self) -> "_RetryOn":
        if self.http_status_codes and "retriable-status-codes" not in (self.triggers or ()):
            raise wrong("without effect: no trigger retriable-status-codes; write that too, or remove them", "httpStatusCodes")
        return self


class _BackOff(Shape):
    base_interval: Duration | None = None
    max_interval: Duration | None = None

    @model_validator(mode="after")
    def _one_within_the_other(self) -> "_BackOff":
        if self.base_interval is not None and not milliseconds(self.base_interval):
            raise wrong(f"want more than zero, found {self.base_interval}", "baseInterval")
        if self.max_interval is not None:
            if self.base_interval is None:
                raise wrong("without baseInterval; write that too", "maxInterval")
            if milliseconds(self.max_interval) < milliseconds(self.base_interval):
                raise wrong(f"{self.max_interval} is less than baseInterval, {self.base_interval}; write more", "maxInterval")
        return self


class _PerRetry(Shape):
    timeout: Duration | None = None
    back_off: _BackOff | None = None


class RetryShape(Shape):
    """``retry``."""

    num_retries: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    retry_on: _RetryOn | None = None
    per_retry: _PerRetry | None = None
    num_attempts_per_priority: Annotated[Any, unsupported("backends have no priorities; remove it")] = None

    def value(self) -> TrafficRetry:
        """The retries as the model holds them."""
        on, each = self.retry_on or _RetryOn(), self.per_retry or _PerRetry()
        back_off = each.back_off or _BackOff()
        return TrafficRetry(
            self.num_retries,
            None if on.triggers is None else tuple(on.triggers),
            None if on.http_status_codes is None else tuple(on.http_status_codes),
            each.timeout,
            back_off.base_interval,
            back_off.max_interval,
        )
