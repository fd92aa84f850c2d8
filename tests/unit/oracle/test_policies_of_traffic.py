"""What the oracle says of requests under BackendTrafficPolicies."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from harness.model.origin import Origin
from harness.model.request import HTTPRequest
from harness.model.route import Gateway, GRPCRoute, HTTPRoute, Retry, Timeouts
from harness.model.routed import Asked, Told
from harness.model.routing import Call
from harness.model.service import Service
from harness.model.traffic import (
    BackendTrafficPolicy,
    CircuitBreaker,
    FaultAbort,
    FaultDelay,
    FaultInjection,
    HealthCheck,
    PassiveHealthCheck,
    RateLimitRule,
    SelectedHeader,
    TargetReference,
    TrafficRetry,
)
from harness.oracle.routing.traffic import Effect, effects, open_to_others, own_answers, policy_of
from harness.oracle.routing.trying import Tries, tries

HERE = Origin("m.yaml", 1)
GATEWAY = "gateway.networking.k8s.io"
ROUTE, SERVICE = HTTPRoute(HERE, "web", "shop"), Service(HERE, "web", "shop")


def policy(name: str = "p", kind: str = "HTTPRoute", of: str = "web", **fields: Any) -> BackendTrafficPolicy:
    target = TargetReference(HERE, "" if kind == "Service" else GATEWAY, kind, of)
    return BackendTrafficPolicy(HERE, name, "shop", (target,), **fields)


def asked(*, together: bool = False, told: Told = Told(), **headers: str) -> Asked:  # noqa: B008
    request = HTTPRequest(headers=tuple(headers.items()))
    return Asked(Call("shop/client", "shop/web", 80, request), 4, 9, told, together)


def test_a_routes_policy_stands_before_that_of_what_was_asked() -> None:
    own, front = policy("b"), policy("a", "Service")
    assert policy_of([front, own], ROUTE, SERVICE) == own
    assert policy_of([front, own], None, SERVICE) == front
    assert policy_of([own], None, SERVICE) is None
    assert policy_of([own], replace(ROUTE, namespace="other"), SERVICE) is None
    assert policy_of([own], GRPCRoute(HERE, "web", "shop"), SERVICE) is None


def test_a_gateways_policy_is_for_what_was_asked_of_the_gateway() -> None:
    front = policy("a", "Gateway")
    assert policy_of([front], ROUTE, Gateway(HERE, "web", "shop", "c", ())) == front
    assert policy_of([front], ROUTE, SERVICE) is None


def test_of_several_policies_the_oldest_counts_and_then_the_first_by_name() -> None:
    old = policy("z", created="2026-01-01T00:00:00Z")
    older = policy("y", created="2025-12-31T23:30:00-01:00")
    assert policy_of([policy("a"), old], ROUTE, SERVICE) == old
    assert policy_of([older, old], ROUTE, SERVICE) == old  # which is half an hour the older one
    assert policy_of([policy("b"), policy("a")], ROUTE, SERVICE) == policy("a")


@pytest.mark.parametrize(
    ("injection", "found"),
    [
        (None, [Effect(Fraction(1))]),
        (FaultInjection(FaultDelay("1s500ms")), [Effect(Fraction(1), 1.5)]),
        (FaultInjection(FaultDelay("1s", 0)), [Effect(Fraction(1))]),
        (FaultInjection(abort=FaultAbort(503)), [Effect(Fraction(1), http_status=503)]),
        (FaultInjection(abort=FaultAbort(None, 0)), [Effect(Fraction(1), grpc_status=0)]),
        (FaultInjection(abort=FaultAbort(503, None, 0)), [Effect(Fraction(1))]),
        (
            FaultInjection(FaultDelay("1s", 50), FaultAbort(503, None, 0.1)),
            [
                Effect(Fraction(1, 2000), 1.0, 503),
                Effect(Fraction(999, 2000), 1.0),
                Effect(Fraction(1, 2000), 0.0, 503),
                Effect(Fraction(999, 2000)),
            ],
        ),
    ],
)
def test_faults_are_drawn_apart_from_each_other(injection: FaultInjection | None, found: list[Effect]) -> None:
    assert list(effects(policy(fault_injection=injection))) == found
    assert [each.aborts for each in found] == [each.http_status == 503 or each.grpc_status == 0 for each in found]


def test_without_a_policy_nothing_is_injected() -> None:
    assert list(effects(None)) == [Effect(Fraction(1))]
    assert own_answers(None, asked(), {}) == frozenset()
    assert not open_to_others(None, asked(), {})


def test_a_breaker_answers_only_what_is_asked_at_one_time() -> None:
    breaks = policy(circuit_breaker=CircuitBreaker())
    assert own_answers(breaks, asked(together=True), {}) == {503}
    assert own_answers(breaks, asked(), {}) == frozenset()


@pytest.mark.parametrize(
    ("selectors", "headers", "counts"),
    [
        (None, {}, True),
        ([("x-a", "1", None, None)], {"X-A": "1"}, True),
        ([("x-a", "1", None, None)], {"X-A": "2"}, False),
        ([("x-a", "1", None, None)], {}, False),
        ([("x-a", "1", None, True)], {"x-a": "2"}, True),
        ([("x-a", "1", None, True)], {}, False),
        ([("x-a", "a.*", "RegularExpression", None)], {"x-a": "abc"}, True),
        ([("x-a", "a.*", "RegularExpression", None)], {"x-a": "bac"}, False),
        ([("x-a", "1", None, None), ("x-b", "2", None, None)], {"x-a": "1"}, False),
        ([("x-a", "1", None, None), ("x-b", "2", None, None)], {"x-a": "1", "x-b": "2"}, True),
    ],
)
def test_a_limit_counts_requests_that_have_all_headers(selectors: Any, headers: dict[str, str], counts: bool) -> None:
    chosen = None if selectors is None else tuple((SelectedHeader(*each),) for each in selectors)
    limited = policy(rate_limits=(RateLimitRule(HERE, 1, "Hour", chosen),))
    assert own_answers(limited, asked(), headers) == ({429} if counts else set())
    assert open_to_others(limited, asked(), headers) is counts


def test_what_depends_on_others_or_on_the_pod_is_left_open() -> None:
    assert open_to_others(policy(health_check=HealthCheck(PassiveHealthCheck())), asked(), {})
    assert not open_to_others(policy(health_check=HealthCheck(panic_threshold=1)), asked(), {})
    assert open_to_others(policy(), asked(told=Told(503, only="shop/v1")), {})
    assert not open_to_others(policy(), asked(told=Told(503)), {})


@pytest.mark.parametrize(
    ("told", "fields", "found"),
    [
        (Told(503), {"retry": TrafficRetry()}, Tries(503, 3)),
        (Told(503, first=1), {"retry": TrafficRetry()}, Tries(200, 2)),
        (Told(500), {"retry": TrafficRetry()}, Tries(500, 1)),
        (Told(500), {"retry": TrafficRetry(4, ("5xx",))}, Tries(500, 5)),
        (Told(503), {"retry": TrafficRetry(0, ("5xx",))}, Tries(503, 1)),
        (Told(500), {"retry": TrafficRetry(4, ("gateway-error",))}, Tries(500, 1)),
        (Told(504), {"retry": TrafficRetry(1, ("gateway-error",))}, Tries(504, 2)),
        (Told(409), {"retry": TrafficRetry(1, ("retriable-4xx",))}, Tries(409, 2)),
        (Told(408), {"retry": TrafficRetry(1, ("retriable-4xx",))}, Tries(408, 1)),
        (Told(418), {"retry": TrafficRetry(1, ("retriable-status-codes",), (418,))}, Tries(418, 2)),
        (Told(503), {"retry": TrafficRetry(1, ("retriable-status-codes",), (418,))}, Tries(503, 1)),
        (Told(delay=2), {"retry": TrafficRetry(2, ("5xx",), timeout="1s")}, Tries(504, 3)),
        (Told(delay=2, first=1), {"retry": TrafficRetry(2, ("reset",), timeout="1s")}, Tries(200, 2)),
        (Told(delay=2), {"retry": TrafficRetry(2, ("retriable-4xx",), timeout="1s")}, Tries(504, 1)),
        (Told(delay=2), {"request_timeout": "1s"}, Tries(504, 1)),
        (Told(delay=2), {"request_timeout": "3s"}, Tries(200, 1)),
        (Told(503, delay=0.7), {"request_timeout": "1s", "retry": TrafficRetry(5)}, Tries(504, 2)),
    ],
)
def test_retries_and_limits_of_a_policy(told: Told, fields: dict[str, Any], found: Tries) -> None:
    assert tries(told, None, None, policy(**fields)) == found


def test_whether_a_gateway_error_is_one_of_the_proxy_too_is_left_open() -> None:
    found = tries(Told(delay=2), None, None, policy(retry=TrafficRetry(2, ("gateway-error",), timeout="1s")))
    assert found.unsaid


def test_what_the_rule_writes_stands_before_the_policy() -> None:
    both = policy(retry=TrafficRetry(5, ("5xx",), timeout="1s"), request_timeout="1s")
    assert tries(Told(503), None, Retry((500,), 1), both) == Tries(503, 1)
    assert tries(Told(delay=2), Timeouts("0s"), Retry((500,), 1), both) == Tries(200, 1)  # nor the policy's limit of each try
    assert tries(Told(delay=2), Timeouts("9s", "3s"), None, both) == Tries(200, 1)
