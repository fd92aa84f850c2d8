"""What becomes of a request that a backend answers with an error, or late: the timeouts and retries of its rule.

What a rule does not say, the BackendTrafficPolicy does that its requests are under.
Source: ``HTTPRouteTimeouts`` and ``HTTPRouteRetry`` in the reference of Gateway API, and GEP-1731; ``Retry`` in that of Envoy
Gateway, and the conditions that it names at
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from harness.model.route import Retry, Timeouts
from harness.model.routed import Told
from harness.model.traffic import BackendTrafficPolicy, TrafficRetry

GATEWAY_TIMEOUT = 504
_OK, _CONFLICT, _SERVER_ERROR, _UNAVAILABLE = 200, 409, 500, 503
_GATEWAY_ERRORS = (502, 503, 504)
_PART = re.compile(r"([0-9]+)(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True, slots=True)
class Tries:
    """The status that the client gets, and how often the backend reads the request; ``unsaid``: why that is left open."""

    status: int
    count: int
    unsaid: str = ""


@dataclass(frozen=True, slots=True)
class _Again:
    """What is tried again: how often, which statuses, and whether a try that took too long is (None: that is left open)."""

    attempts: int
    status: Callable[[int], bool]
    late: bool | None


def tries(told: Told, timeouts: Timeouts | None, retry: Retry | None, traffic: BackendTrafficPolicy | None = None) -> Tries:
    """What the client gets from a backend that does what it is told, under the limits of a rule, and of a policy."""
    of_policy = None if traffic is None or retry is not None else traffic.retry
    whole = timeouts.request if timeouts else None
    if whole is None and traffic is not None:
        whole = traffic.request_timeout
    each = timeouts.backend_request if timeouts else None
    if each is None and of_policy is not None:
        each = of_policy.timeout
    return _tried(told, _seconds(whole), _seconds(each), _by_policy(of_policy) if of_policy else _by_rule(retry))


def _tried(told: Told, whole: float | None, each: float | None, again: _Again) -> Tries:
    passed = 0.0
    count = 0
    while True:
        count += 1
        obeys = told.first is None or count <= told.first
        status, delay = (told.status, told.delay) if obeys else (_OK, 0.0)
        in_time = each is None or delay <= each
        passed += delay if in_time or each is None else each
        if whole is not None and passed > whole:
            return Tries(GATEWAY_TIMEOUT, count)
        more = count <= again.attempts
        if not in_time:
            if more and again.late:
                continue
            left = "whether a try that took too long is done again is left open" if more and again.late is None else ""
            return Tries(GATEWAY_TIMEOUT, count, left)
        if not more or not again.status(status):
            return Tries(status, count)


def _by_rule(retry: Retry | None) -> _Again:
    """Without ``attempts`` there is one retry."""
    if retry is None:
        return _Again(0, lambda _: False, False)
    codes = retry.codes or ()
    return _Again(1 if retry.attempts is None else retry.attempts, lambda status: status in codes, None)


def _by_policy(retry: TrafficRetry) -> _Again:
    """Without ``numRetries`` there are two; without triggers a status of 503 is one."""
    triggers, codes = retry.triggers or ("retriable-status-codes",), retry.http_status_codes or ()
    codes = codes if retry.triggers else (_UNAVAILABLE,)

    def again(status: int) -> bool:
        return (
            ("5xx" in triggers and status >= _SERVER_ERROR)
            or ("gateway-error" in triggers and status in _GATEWAY_ERRORS)
            or ("retriable-4xx" in triggers and status == _CONFLICT)
            or ("retriable-status-codes" in triggers and status in codes)
        )

    left_open = "gateway-error" in triggers or GATEWAY_TIMEOUT in codes
    late = True if {"5xx", "reset"} & set(triggers) else None if left_open else False
    return _Again(2 if retry.num_retries is None else retry.num_retries, again, late)


def _seconds(written: str | None) -> float | None:
    """A duration of Gateway API (GEP-2257); None for one that is not written, and for zero, which means none."""
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(written or "")) or None
