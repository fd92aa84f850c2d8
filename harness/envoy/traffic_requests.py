"""What a BackendTrafficPolicy does with a request before a backend has it: limits, faults, and how often it is tried.

Source: the filters ``local_ratelimit`` and ``fault``, and ``RetryPolicy``, at https://www.envoyproxy.io/docs/envoy/latest/
"""

from collections.abc import Iterable, Sequence

from harness.envoy.request_http import FILTERS, Resource
from harness.envoy.route_durations import seconds
from harness.envoy.traffic_policies import Governed
from harness.model.traffic import FaultInjection, RateLimitRule, SelectedHeader, TrafficRetry

_LIMITS, _FAULTS = "rate-limits", "faults"
_RULE, _CLIENTS, _SELECTED = "rule", "clients", "selected"
_SECONDS = {"Second": 1, "Minute": 60, "Hour": 3600, "Day": 86_400, "Month": 30 * 86_400, "Year": 365 * 86_400}
_WHOLE = 100.0
_ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
_NO_LIMIT = {"max_tokens": 2**32 - 1, "tokens_per_fill": 2**32 - 1, "fill_interval": "1s"}
_RETRIED = ("connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes")
_RETRIED_CODES = (503,)
_RETRIES = 2
_PICKS = 5  # of a pod that has not had the request, as Envoy Gateway has it
_PREVIOUS_HOSTS = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
}


def traffic_filters() -> list[Resource]:
    """The filters, which do nothing but where a route has settings of theirs. What is limited is never delayed or aborted."""
    limits = {"@type": f"{FILTERS}.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": _LIMITS}
    faults = {"@type": f"{FILTERS}.http.fault.v3.HTTPFault"}
    return [
        {"name": _LIMITS, "disabled": True, "typed_config": limits},
        {"name": _FAULTS, "disabled": True, "typed_config": faults},
    ]


def limits_of_all(governed: Iterable[Governed]) -> Resource:
    """``typed_per_filter_config`` of a route configuration: how many requests there may be of each rule of a rate limit.

    There, not at the routes: matches of one rule, and both IP versions, count together.
    """
    named = {each.name: each for each in governed}
    limits = [(name, number, rule) for name, each in sorted(named.items()) for number, rule in enumerate(_limits(each))]
    if not limits:
        return {}
    settings = {
        "@type": f"{FILTERS}.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": _LIMITS,
        "token_bucket": _NO_LIMIT,
        "filter_enabled": _ALWAYS,
        "filter_enforced": _ALWAYS,
        "descriptors": [
            {"entries": _entries(name, number, rule), "token_bucket": _bucket(rule)} for name, number, rule in limits
        ],
    }
    return {_LIMITS: settings}


def limited_by(governed: Governed) -> list[Resource]:
    """``rate_limits`` of a route: which rules of the limits a request counts for."""
    found = []
    for number, rule in enumerate(_limits(governed)):
        about = {"generic_key": {"descriptor_key": _RULE, "descriptor_value": _named(governed.name, number)}}
        headers = [_header(each) for each in _selected(rule)]
        clients = {"descriptor_key": _CLIENTS, "descriptor_value": _SELECTED, "expect_match": True, "headers": headers}
        found.append({"actions": [about, *([{"header_value_match": clients}] if headers else [])]})
    return found


def faults_of(injection: FaultInjection) -> Resource:
    """``typed_per_filter_config`` of a route: what is injected into its requests."""
    settings: Resource = {"@type": f"{FILTERS}.http.fault.v3.HTTPFault"}
    delay = None if injection.delay is None else seconds(injection.delay.fixed_delay)
    if injection.delay is not None and delay:
        settings["delay"] = {"fixed_delay": delay, "percentage": _part(injection.delay.percentage)}
    if injection.abort is not None:
        abort = injection.abort
        status = {"grpc_status": abort.grpc_status} if abort.http_status is None else {"http_status": abort.http_status}
        settings["abort"] = {**status, "percentage": _part(abort.percentage)}
    return {_FAULTS: settings}


def retries_of(retry: TrafficRetry) -> Resource:
    """``retry_policy``; a retry goes to another pod where there is one."""
    per_try = seconds(retry.timeout)
    limit: Resource = {"per_try_timeout": per_try} if per_try else {}
    count = _RETRIES if retry.num_retries is None else retry.num_retries
    if not count:
        return limit
    triggers, codes = retry.triggers, retry.http_status_codes or ()
    if not triggers:
        triggers, codes = _RETRIED, _RETRIED_CODES
    policy: Resource = {
        "retry_on": ",".join(triggers),
        "num_retries": count,
        "retry_host_predicate": [_PREVIOUS_HOSTS],
        "host_selection_retry_max_attempts": _PICKS,
        **limit,
    }
    if codes:
        policy["retriable_status_codes"] = list(codes)
    base, most = seconds(retry.base_interval), seconds(retry.max_interval)
    if base:
        policy["retry_back_off"] = {"base_interval": base, **({"max_interval": most} if most else {})}
    return policy


def _limits(governed: Governed) -> Sequence[RateLimitRule]:
    return governed.policy.rate_limits or ()


def _named(name: str, number: int) -> str:
    return f"{name} limit {number}"


def _selected(rule: RateLimitRule) -> list[SelectedHeader]:
    """The headers that a request must have: all those of all selectors."""
    return [header for selector in rule.selectors or () for header in selector]


def _entries(name: str, number: int, rule: RateLimitRule) -> list[Resource]:
    about = {"key": _RULE, "value": _named(name, number)}
    return [about, *([{"key": _CLIENTS, "value": _SELECTED}] if _selected(rule) else [])]


def _bucket(rule: RateLimitRule) -> Resource:
    return {"max_tokens": rule.requests, "tokens_per_fill": rule.requests, "fill_interval": f"{_SECONDS[rule.unit]}s"}


def _header(header: SelectedHeader) -> Resource:
    expression = header.type == "RegularExpression"
    wanted = {"safe_regex": {"regex": header.value}} if expression else {"exact": header.value}
    name = ":authority" if header.name.lower() == "host" else header.name.lower()
    return {"name": name, "string_match": wanted, **({"invert_match": True} if header.invert else {})}


def _part(percentage: float | None) -> Resource:
    return {"numerator": round(10_000 * (_WHOLE if percentage is None else percentage)), "denominator": "MILLION"}
