"""What Envoy is told of BackendTrafficPolicies."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from harness.envoy.aimed_rules import aimed_prefix
from harness.envoy.node_tuning import DEFAULTS
from harness.envoy.request_rules import NONE, RequestRules
from harness.envoy.resources import library, message
from harness.envoy.service_backends import Backend
from harness.envoy.service_hosts import Host, hosts
from harness.envoy.service_resources import ServiceRules, backends, service_clusters, service_endpoints, service_routes
from harness.model.origin import Origin
from harness.model.route import (
    BackendObject,
    BackendRef,
    GRPCRoute,
    GRPCRouteRule,
    HTTPRoute,
    HTTPRouteRule,
    ParentReference,
    Retry,
    Timeouts,
)
from harness.model.routing import Routing
from harness.model.service import Service, ServicePort
from harness.model.topology import Pod, Topology
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

HERE = Origin("m.yaml", 1)
GATEWAY = "gateway.networking.k8s.io"
OF_ROUTE = TargetReference(HERE, GATEWAY, "HTTPRoute", "r")
OF_SERVICE = TargetReference(HERE, "", "Service", "web")
POLICY = BackendTrafficPolicy(HERE, "p", "shop", (OF_ROUTE,))
TOPOLOGY = Topology(
    "t", ("n1",), (), tuple(Pod(f"p{n}", "shop", "n1", {"app": "web"}, ips=(f"10.0.0.{n}", f"fd00::{n}")) for n in (1, 2))
)
SERVICES = (Service(HERE, "web", "shop", (ServicePort(HERE, 80),), {"app": "web"}),)
ADDRESSES = {"shop/web": ("172.20.0.1", "fd00:172:20::1")}
PARENT = ParentReference(HERE, "web", "", "Service")
REFS = (BackendRef(BackendObject(HERE, "web", port=80)),)


def route(*rules: HTTPRouteRule) -> HTTPRoute:
    return HTTPRoute(HERE, "r", "shop", (PARENT,), None, rules or (HTTPRouteRule(HERE, backend_refs=REFS),))


def compiled(*policies: BackendTrafficPolicy, routed: HTTPRoute | GRPCRoute | None = None) -> list[Host]:
    http = (routed,) if isinstance(routed, HTTPRoute) else ()
    grpc = (routed,) if isinstance(routed, GRPCRoute) else ()
    return hosts(Routing(SERVICES, (), http, grpc, (), policies), ADDRESSES, TOPOLOGY, {})


def told(found: list[Host], rules: Mapping[Backend, RequestRules] | None = None) -> ServiceRules:
    return ServiceRules(tuple(found), dict.fromkeys(backends(found), NONE) | dict(rules or {}))


def action(*policies: BackendTrafficPolicy, routed: HTTPRoute | None = None) -> dict[str, Any]:
    services = told(compiled(*policies, routed=routed or route()))
    found: dict[str, Any] = service_routes(services, DEFAULTS)["virtual_hosts"][0]["routes"][0]["route"]
    return found


def clusters(*policies: BackendTrafficPolicy) -> list[dict[str, Any]]:
    return service_clusters(told(compiled(*policies, routed=route())), DEFAULTS)


def policy(**fields: Any) -> BackendTrafficPolicy:
    return replace(POLICY, **fields)


BREAKS = policy(circuit_breaker=CircuitBreaker(max_parallel_requests=3))


def test_without_a_policy_every_pod_is_a_cluster() -> None:
    assert [each["name"] for each in clusters()] == ["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80", "[fd00::2]:80"]
    assert service_endpoints(told(compiled(routed=route()))) == []


@pytest.mark.parametrize("fields", [{"fault_injection": FaultInjection(FaultDelay("1s"))}, {"request_timeout": "1s"}])
def test_what_needs_no_others_leaves_pods_alone(fields: dict[str, Any]) -> None:
    assert all(each["type"] == "STATIC" for each in clusters(policy(**fields)))


def test_pods_of_one_backend_are_behind_one_cluster_whose_members_come_apart_from_it() -> None:
    services = told(compiled(BREAKS, routed=route()))
    found = service_clusters(services, DEFAULTS)
    assert [each["type"] for each in found] == ["EDS", "EDS"]  # of IPv4 and of IPv6
    members = service_endpoints(services)
    assert [each["cluster_name"] for each in members] == [each["name"] for each in found]
    addresses = [
        [one["endpoint"]["address"]["socket_address"]["address"] for one in each["endpoints"][0]["lb_endpoints"]]
        for each in members
    ]
    assert addresses == [["10.0.0.1", "10.0.0.2"], ["fd00::1", "fd00::2"]]
    (entry,) = action(BREAKS)["weighted_clusters"]["clusters"]
    assert (entry["name"], entry["weight"]) == (found[0]["name"], 2)
    for each in (*found, *members):
        message(each)


def test_a_pod_of_which_policies_say_something_else_is_in_another_cluster() -> None:
    refusing = {
        direction: {f"{aimed_prefix(1, Backend('10.0.0.2', 80))}x": {"permissions": [], "principals": []}}
        for direction in NONE.refused
    }
    services = told(compiled(BREAKS, routed=route()), {Backend("10.0.0.2", 80): RequestRules(refusing, NONE.headers)})
    four = [each for each in service_endpoints(services) if "IPv4" in each["cluster_name"]]
    assert [len(each["endpoints"][0]["lb_endpoints"]) for each in four] == [1, 1]
    entries = service_routes(services, DEFAULTS)["virtual_hosts"][0]["routes"][0]["route"]["weighted_clusters"]["clusters"]
    assert [each["weight"] for each in entries] == [1, 1]
    assert len({each["name"] for each in entries}) == 2
    assert sum(bool(each["typed_per_filter_config"]["egress-rules"]["rbac"]["rules"].get("policies")) for each in entries) == 1


def test_the_name_of_a_cluster_is_the_same_whatever_policies_are_called() -> None:
    def named(*numbers: int) -> list[str]:
        rules = {
            backend: RequestRules(
                {way: {f"{aimed_prefix(n, backend)}x": {"principals": []} for n in numbers} for way in NONE.refused},
                NONE.headers,
            )
            for backend in backends(compiled(BREAKS, routed=route()))
        }
        return [each["name"] for each in service_clusters(told(compiled(BREAKS, routed=route()), rules), DEFAULTS)]

    assert named(1) == named(2)
    assert named(1, 2) == named(1)  # while one takes the other's place
    assert len(named(1)) == 2


def test_limits_that_are_not_written_are_those_of_the_crd() -> None:
    first, *_ = clusters(BREAKS)
    assert first["circuit_breakers"]["thresholds"] == [
        {"max_connections": 1024, "max_pending_requests": 1024, "max_requests": 3, "max_retries": 1024}
    ]
    first, *_ = clusters(policy(circuit_breaker=CircuitBreaker(0, 1, 2, 3, 4)))
    assert first["circuit_breakers"]["thresholds"] == [
        {"max_connections": 0, "max_pending_requests": 1, "max_requests": 2, "max_retries": 3}
    ]
    (options,) = first["typed_extension_protocol_options"].values()
    assert options["common_http_protocol_options"] == {"max_requests_per_connection": 4}


def test_ejections_have_the_defaults_of_the_crd_and_none_that_nobody_asked_for() -> None:
    first, *_ = clusters(policy(health_check=HealthCheck(PassiveHealthCheck(), 20)))
    assert first["outlier_detection"] == {
        "consecutive_5xx": 5,
        "interval": "3s",
        "base_ejection_time": "30s",
        "max_ejection_percent": 10,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "split_external_local_origin_errors": False,
    }
    assert first["common_lb_config"] == {"healthy_panic_threshold": {"value": 20}}


def test_ejections_are_as_written() -> None:
    passive = PassiveHealthCheck(True, "1s", 2, 3, 0, "1m", 100)
    first, *_ = clusters(policy(health_check=HealthCheck(passive)))
    assert first["outlier_detection"] == {
        "consecutive_5xx": 0,
        "interval": "1.000s",
        "base_ejection_time": "60.000s",
        "max_ejection_percent": 100,
        "consecutive_gateway_failure": 3,
        "enforcing_consecutive_gateway_failure": 100,
        "enforcing_success_rate": 0,
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 2,
        "enforcing_local_origin_success_rate": 0,
    }
    assert "common_lb_config" not in first


def test_errors_in_a_row_reach_envoy_though_the_library_does_not_find_their_name() -> None:
    packed = message(
        {
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "name": "c",
            "outlier_detection": {"consecutive_5xx": 7},
        }
    )
    assert library("envoy.config.cluster.v3").Cluster.parse(packed.value).outlier_detection.consecutive_5xx == 7


def test_retries_of_a_policy_are_as_written_and_go_to_another_pod() -> None:
    retry = TrafficRetry(3, ("5xx", "retriable-status-codes"), (418,), "250ms", "10ms", "1s")
    found = action(policy(retry=retry))["retry_policy"]
    assert found["retry_host_predicate"][0]["name"] == "envoy.retry_host_predicates.previous_hosts"
    assert {name: found[name] for name in found if not name.startswith(("retry_host", "host_"))} == {
        "retry_on": "5xx,retriable-status-codes",
        "num_retries": 3,
        "retriable_status_codes": [418],
        "retry_back_off": {"base_interval": "0.010s", "max_interval": "1.000s"},
        "per_try_timeout": "0.250s",
    }


@pytest.mark.parametrize(
    ("retry", "found"),
    [
        (TrafficRetry(), ("connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", 2, [503])),
        (TrafficRetry(triggers=("reset",)), ("reset", 2, None)),
        (TrafficRetry(num_retries=0), (None, None, None)),
    ],
)
def test_what_a_retry_leaves_out(retry: TrafficRetry, found: tuple[object, ...]) -> None:
    policy_ = action(policy(retry=retry)).get("retry_policy", {})
    assert tuple(policy_.get(name) for name in ("retry_on", "num_retries", "retriable_status_codes")) == found


def test_what_a_rule_writes_stands_before_its_policy() -> None:
    both = policy(retry=TrafficRetry(5, ("5xx",), timeout="9s"), request_timeout="8s")
    own = HTTPRouteRule(HERE, backend_refs=REFS, timeouts=Timeouts("2s"), retry=Retry((500,), 1))
    found = action(both, routed=route(own))
    assert (found["timeout"], found["retry_policy"]["num_retries"]) == ("2.000s", 1)
    assert "per_try_timeout" not in found["retry_policy"]
    none = action(both, routed=route(HTTPRouteRule(HERE, backend_refs=REFS, timeouts=Timeouts("0s", "3s"))))
    assert (none["timeout"], none["retry_policy"]["per_try_timeout"]) == ("0s", "3.000s")
    assert action(both)["timeout"] == "8.000s"


def test_faults_stand_at_the_route() -> None:
    faults = FaultInjection(FaultDelay("1s500ms", 0.5), FaultAbort(grpc_status=14))
    (found, *_) = service_routes(told(compiled(policy(fault_injection=faults), routed=route())), DEFAULTS)["virtual_hosts"][0][
        "routes"
    ]
    (settings,) = found["typed_per_filter_config"].values()
    assert settings["delay"] == {"fixed_delay": "1.500s", "percentage": {"numerator": 5000, "denominator": "MILLION"}}
    assert settings["abort"] == {"grpc_status": 14, "percentage": {"numerator": 1_000_000, "denominator": "MILLION"}}


def test_each_rule_of_a_limit_is_one_for_all_routes_of_a_rule_and_both_families() -> None:
    limits = (
        RateLimitRule(
            HERE, 10, "Minute", ((SelectedHeader("X-A", "1"),), (SelectedHeader("Host", "a.*", "RegularExpression", True),))
        ),
        RateLimitRule(HERE, 100, "Day"),
    )
    described = service_routes(told(compiled(policy(rate_limits=limits), routed=route())), DEFAULTS)
    message(described)
    (settings,) = described["typed_per_filter_config"].values()
    assert [each["token_bucket"] for each in settings["descriptors"]] == [
        {"max_tokens": 10, "tokens_per_fill": 10, "fill_interval": "60s"},
        {"max_tokens": 100, "tokens_per_fill": 100, "fill_interval": "86400s"},
    ]
    routes = [each["routes"][0]["route"]["rate_limits"] for each in described["virtual_hosts"]]
    assert len(routes) == 2
    assert routes[0] == routes[1]
    selecting, general = routes[0]
    headers = selecting["actions"][1]["header_value_match"]["headers"]
    assert headers == [
        {"name": "x-a", "string_match": {"exact": "1"}},
        {"name": ":authority", "string_match": {"safe_regex": {"regex": "a.*"}}, "invert_match": True},
    ]
    made = [{each["descriptor_key"]: each["descriptor_value"] for each in action_.values()} for action_ in general["actions"]]
    (entry,) = settings["descriptors"][1]["entries"]
    assert made == [{entry["key"]: entry["value"]}]


def test_without_limits_no_filter_is_turned_on() -> None:
    assert service_routes(told(compiled(BREAKS, routed=route())), DEFAULTS)["typed_per_filter_config"] == {}


def test_a_routes_policy_stands_before_its_services_and_the_older_of_two_before_the_younger() -> None:
    of_service = policy(targets=(OF_SERVICE,), name="s", request_timeout="9s")
    assert action(of_service)["timeout"] == "9.000s"
    assert action(of_service, policy(request_timeout="1s"))["timeout"] == "1.000s"
    older = policy(name="z", request_timeout="2s", created="2026-01-01T00:00:00Z")
    assert action(policy(request_timeout="1s"), older)["timeout"] == "2.000s"
    assert action(policy(name="b", request_timeout="1s"), policy(name="a", request_timeout="3s"))["timeout"] == "3.000s"
    assert action(policy(namespace="other", request_timeout="1s"))["timeout"] == "0s"


def test_a_policy_is_of_routes_of_its_kind_alone() -> None:
    grpc = GRPCRoute(HERE, "r", "shop", (PARENT,), None, (GRPCRouteRule(HERE, backend_refs=REFS),))
    found = compiled(policy(request_timeout="1s"), routed=grpc)
    assert [route.traffic for host in found for route in host.routes] == [None] * 4


def test_a_service_without_routes_has_its_policy() -> None:
    (first, *_) = [
        route for host in compiled(policy(targets=(OF_SERVICE,), circuit_breaker=CircuitBreaker())) for route in host.routes
    ]
    assert first.traffic is not None
    assert {share.pool for share in first.shares} == {"shop/p Service shop/web:80 backend 0 IPv4"}
