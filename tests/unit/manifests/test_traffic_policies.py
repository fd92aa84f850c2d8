"""BackendTrafficPolicies as users write them: kept as written, and refused by the name of what is wrong."""

from pathlib import Path

import pytest
from routing_files import load, refusal

from harness.manifests.errors import ManifestError
from harness.manifests.objects import load_manifests, load_policies
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

HEAD = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: BackendTrafficPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n"
TARGET = "  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r}]\n"
WHOLE = """\
  targetRefs:
    - {group: gateway.networking.k8s.io, kind: GRPCRoute, name: r}
    - {group: "", kind: Service, name: s}
  circuitBreaker:
    {maxConnections: 1, maxPendingRequests: 0, maxParallelRequests: 3, maxParallelRetries: 4, maxRequestsPerConnection: 5}
  healthCheck:
    panicThreshold: 10
    passive:
      splitExternalLocalOriginErrors: true
      interval: 3s
      consecutiveLocalOriginFailures: 2
      consecutiveGatewayErrors: 0
      consecutive5XxErrors: 7
      baseEjectionTime: 1m
      maxEjectionPercent: 100
  faultInjection:
    delay: {fixedDelay: 1s500ms, percentage: 0.5}
    abort: {httpStatus: 503, percentage: 25}
  rateLimit:
    type: Local
    local:
      rules:
        - clientSelectors: [{headers: [{name: X-User, type: RegularExpression, value: "a.*", invert: true}]}]
          limit: {requests: 10, unit: Minute}
        - limit: {requests: 100, unit: Hour}
  retry:
    numRetries: 3
    perRetry: {timeout: 250ms, backOff: {baseInterval: 10ms, maxInterval: 1s}}
    retryOn: {triggers: [5xx, retriable-status-codes], httpStatusCodes: [418]}
  timeout: {http: {requestTimeout: 2s}}
"""


def policy(folder: Path, spec: str) -> BackendTrafficPolicy:
    (found,) = load(folder, HEAD + spec).traffic_policies
    return found


def test_every_field_is_kept_as_written(tmp_path: Path) -> None:
    found = policy(tmp_path, WHOLE)
    at = found.origin.file
    assert (str(found.origin), found.ref, found.created) == (f"{at}:2", "shop/p", None)
    assert [(each.kind, each.name, each.group, each.origin.line) for each in found.targets] == [
        ("GRPCRoute", "r", "gateway.networking.k8s.io", 6),
        ("Service", "s", "", 7),
    ]
    assert found.circuit_breaker == CircuitBreaker(1, 0, 3, 4, 5)
    assert found.health_check == HealthCheck(PassiveHealthCheck(True, "3s", 2, 0, 7, "1m", 100), 10)
    assert found.fault_injection == FaultInjection(FaultDelay("1s500ms", 0.5), FaultAbort(503, None, 25))
    assert found.retry == TrafficRetry(3, ("5xx", "retriable-status-codes"), (418,), "250ms", "10ms", "1s")
    assert found.request_timeout == "2s"
    first, second = found.rate_limits or ()
    assert first.selectors == ((SelectedHeader("X-User", "a.*", "RegularExpression", True),),)
    assert (first.requests, first.unit, first.origin.line) == (10, "Minute", 27)
    assert second == RateLimitRule(second.origin, 100, "Hour")


def test_what_is_not_written_is_none(tmp_path: Path) -> None:
    found = policy(tmp_path, TARGET)
    assert found == BackendTrafficPolicy(
        found.origin, "p", "shop", (TargetReference(found.targets[0].origin, "gateway.networking.k8s.io", "HTTPRoute", "r"),)
    )
    assert policy(tmp_path, TARGET + "  retry: {}\n  circuitBreaker: {}\n").retry == TrafficRetry()


def test_the_deprecated_single_target_is_read(tmp_path: Path) -> None:
    found = policy(tmp_path, '  targetRef: {group: "", kind: Service, name: s}\n')
    assert [(each.kind, each.name, each.origin.line) for each in found.targets] == [("Service", "s", 5)]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("  retry: {}\n", "4: spec.targetRefs: missing; write which routes or Services the policy is about"),
        (
            TARGET + '  targetRef: {group: "", kind: Service, name: s}\n',
            "6: spec.targetRef: targetRefs beside it; write it in there",
        ),
        (
            "  targetRefs: [{group: g, kind: HTTPRoute, name: r}]\n",
            '5: spec.targetRefs[0].kind: a target of kind HTTPRoute and group "g"',
        ),
        (
            "  targetRefs: [{group: gateway.networking.k8s.io, kind: Service, name: s}]\n",
            '5: spec.targetRefs[0].group: want "", the group of a Service, found "gateway.networking.k8s.io"',
        ),
        (
            "  targetRefs: [{group: gateway.networking.k8s.io, kind: TCPRoute, name: r}]\n",
            "5: spec.targetRefs[0].kind: a target of kind TCPRoute",
        ),
        (TARGET.replace("name: r", "name: r, sectionName: a"), "5: spec.targetRefs[0].sectionName: not supported: "),
        (
            '  targetRefs: [{group: "", kind: Service, name: s}, {group: "", kind: Service, name: s}]\n',
            '5: spec.targetRefs[1]: Service "s" is a target already; remove it',
        ),
        (TARGET + "  targetSelectors: [{kind: HTTPRoute}]\n", "6: spec.targetSelectors: not supported: "),
        (TARGET + "  loadBalancer: {type: Random}\n", "6: spec.loadBalancer: not supported: "),
        (TARGET + "  mergeType: StrategicMerge\n", "6: spec.mergeType: not supported: "),
        (TARGET + "  circuitbreaker: {}\n", '6: spec: unknown field "circuitbreaker" (did you mean "circuitBreaker"?)'),
        (TARGET + "  circuitBreaker: {maxConnections: -1}\n", "6: spec.circuitBreaker.maxConnections: want at least 0, found"),
        (TARGET + "  circuitBreaker: {maxConnections: 1.5}\n", "6: spec.circuitBreaker.maxConnections: want an integer"),
        (TARGET + "  circuitBreaker: {perEndpoint: {}}\n", "6: spec.circuitBreaker.perEndpoint: not supported: "),
        (TARGET + "  healthCheck: {active: {type: TCP}}\n", "6: spec.healthCheck.active: not supported: "),
        (TARGET + "  healthCheck: {passive: {interval: 0s}}\n", "6: spec.healthCheck.passive.interval: want more than zero"),
        (TARGET + "  healthCheck: {passive: {interval: fast}}\n", "6: spec.healthCheck.passive.interval: want a duration"),
        (TARGET + "  healthCheck: {passive: {maxEjectionPercent: 101}}\n", "maxEjectionPercent: want at most 100"),
        (TARGET + "  healthCheck: {passive: {failurePercentageThreshold: 5}}\n", "failurePercentageThreshold: not supported"),
        (TARGET + "  faultInjection: {}\n", "6: spec.faultInjection: neither delay nor abort"),
        (TARGET + "  faultInjection: {delay: {percentage: 5}}\n", "6: spec.faultInjection.delay.fixedDelay: missing; write it"),
        (
            TARGET + "  faultInjection: {abort: {}}\n",
            "6: spec.faultInjection.abort.httpStatus: missing; write it, or grpcStatus",
        ),
        (TARGET + "  faultInjection: {abort: {httpStatus: 503, grpcStatus: 1}}\n", "abort.grpcStatus: httpStatus beside it"),
        (TARGET + "  faultInjection: {abort: {grpcStatus: 17}}\n", "abort.grpcStatus: want at most 16, found the number 17"),
        (TARGET + "  faultInjection: {abort: {httpStatus: 503, percentage: 101}}\n", "abort.percentage"),
        (TARGET + "  rateLimit: {type: Global, global: {}}\n", "6: spec.rateLimit.global: not supported"),
        (TARGET + "  rateLimit: {type: Local}\n", "6: spec.rateLimit.local: missing; write the limits that each proxy keeps"),
        (TARGET + "  rateLimit: {local: {rules: [{limit: {requests: 1, unit: Week}}]}}\n", "limit.unit: want Second, Minute"),
        (TARGET + "  rateLimit: {local: {rules: [{limit: {requests: 0, unit: Day}}]}}\n", "limit.requests: want at least 1"),
        (
            TARGET + "  rateLimit: {local: {rules: [{shared: true, limit: {requests: 1, unit: Day}}]}}\n",
            "6: spec.rateLimit.local.rules[0].shared: not supported: ",
        ),
        (
            TARGET
            + "  rateLimit: {local: {rules: [{clientSelectors: [{path: {value: /}}], limit: {requests: 1, unit: Day}}]}}\n",
            "6: spec.rateLimit.local.rules[0].clientSelectors[0].path: not supported: clients are selected by headers alone",
        ),
        (
            TARGET
            + "  rateLimit: {local: {rules: [{clientSelectors: [{headers: [{name: a, type: Distinct}]}], "
            + "limit: {requests: 1, unit: Day}}]}}\n",
            "clientSelectors[0].headers[0].type: not supported: Distinct",
        ),
        (
            TARGET
            + "  rateLimit: {local: {rules: [{clientSelectors: [{headers: [{name: a, type: RegularExpression, value: '('}]}], "
            + "limit: {requests: 1, unit: Day}}]}}\n",
            'headers[0].value: RE2 does not take "("',
        ),
        (TARGET + "  retry: {numRetries: -1}\n", "6: spec.retry.numRetries: want at least 0"),
        (TARGET + "  retry: {retryOn: {triggers: [often]}}\n", "6: spec.retry.retryOn.triggers[0]: want 5xx, gateway-error"),
        (
            TARGET + "  retry: {retryOn: {triggers: [5xx], httpStatusCodes: [503]}}\n",
            "6: spec.retry.retryOn.httpStatusCodes: without effect: no trigger retriable-status-codes",
        ),
        (TARGET + "  retry: {perRetry: {backOff: {maxInterval: 1s}}}\n", "backOff.maxInterval: without baseInterval"),
        (
            TARGET + "  retry: {perRetry: {backOff: {baseInterval: 2s, maxInterval: 1s}}}\n",
            "backOff.maxInterval: 1s is less than baseInterval, 2s; write more",
        ),
        (TARGET + "  timeout: {tcp: {connectTimeout: 1s}}\n", "6: spec.timeout.tcp: not supported: "),
        (TARGET + "  timeout: {http: {connectionIdleTimeout: 1s}}\n", "timeout.http.connectionIdleTimeout: not supported: "),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, spec: str, said: str) -> None:
    faults = refusal(tmp_path, HEAD + spec)
    assert [each for each in faults if said in each], faults


def test_two_of_one_name_and_other_kinds_of_the_group_are_refused(tmp_path: Path) -> None:
    (twice,) = refusal(tmp_path, f"{HEAD}{TARGET}---\n{HEAD}{TARGET}")
    assert twice.startswith('8: BackendTrafficPolicy "shop/p" is written already at')
    (other,) = refusal(tmp_path, HEAD.replace("BackendTrafficPolicy", "SecurityPolicy") + TARGET)
    assert "SecurityPolicy of gateway.envoyproxy.io/v1alpha1 is not supported; write it as a BackendTrafficPolicy of" in other


def test_an_envoy_proxy_is_counted(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(HEAD.replace("BackendTrafficPolicy", "EnvoyProxy") + "  logging: {}\n")
    assert load_manifests([tmp_path]).not_judged == {"EnvoyProxy": 1}


def test_lists_of_them_are_read(tmp_path: Path) -> None:
    text = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: BackendTrafficPolicyList\nitems:\n"
    item = "- metadata: {name: p}\n  spec: {targetRefs: [{group: '', kind: Service, name: s}]}\n"
    assert [each.ref for each in load(tmp_path, text + item).traffic_policies] == ["default/p"]


def test_they_are_refused_where_nobody_puts_them_in_force(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(HEAD + TARGET)
    with pytest.raises(ManifestError, match=r'BackendTrafficPolicy "shop/p" is in force only where requests'):
        load_policies([tmp_path])
