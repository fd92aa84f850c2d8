"""BackendTrafficPolicies on node proxies: pods of a backend behind one cluster, and never one that policies shut."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pytest
from http_ends import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from request_policies import egress, http, ingress, rule
from route_strategies import http_calls, http_routes
from routed_checks import IN_A_LAB, check_against_oracles
from service_clients import ask, connection
from service_world import HERE, SERVICES

from harness.dataplanes.port import Attachment, RestartKind
from harness.envoy.admin import Admin
from harness.envoy.bootstrap import ADMIN_SOCKET
from harness.lab.port import Lab
from harness.model.cilium import Policy
from harness.model.policy import LabelSelector, NetworkPolicy
from harness.model.route import HTTPRoute
from harness.model.routing import Call, Routing
from harness.model.service import Service
from harness.model.traffic import BackendTrafficPolicy, CircuitBreaker, TargetReference

TARGETS = tuple(TargetReference(HERE, "", "Service", each.name) for each in SERVICES)
POOLED = BackendTrafficPolicy(HERE, "pooled", "shop", TARGETS, CircuitBreaker())
REPLACED = "cluster_manager.cluster_(added|modified|removed)$"
POLICIES: tuple[Policy, ...] = (
    ingress("v1", rule("client", http("/a.*"))),
    ingress("v2", rule("client"), rule("v1")),
    ingress("v2", rule("client", http("/b.*"))),
    egress("client", rule("v1", http(None, "GET")), rule("v2")),
    NetworkPolicy(HERE, "none", "shop", LabelSelector({"app": "v2"}), ingress=()),
    NetworkPolicy(HERE, "both", "shop", LabelSelector({"tier": "backend"}), ingress=()),
    egress("v2", rule("v1", http("/b.*"))),
)


@pytest.fixture
def admins(routed_lab: Lab, routing_plane: Attachment) -> Iterator[list[Admin]]:
    """Those of the nodes' Envoys."""
    yield [Admin(path) for path in sorted(routed_lab.folder.glob(f"envoy-*/*/{ADMIN_SOCKET}"))]


def counted(admins: Sequence[Admin]) -> Counter[str]:
    total: Counter[str] = Counter()
    for admin in admins:
        total.update({name: int(value) for name, value in admin.statistics(REPLACED).items()})
    return total


def selecting(app: str | None) -> tuple[Service, ...]:
    """The Services, of which ``web`` selects one version, or both."""
    selector = {"tier": "backend"} if app is None else {"app": app}
    return tuple(replace(each, selector=selector) if each.name == "web" else each for each in SERVICES)


def bodies(lab: Lab, client: str, times: int, path: str = "/") -> Counter[tuple[int, str]]:
    with closing(connection(lab, client, SERVICES, "shop/web", 80, 4)) as opened:
        answers = [ask(opened, path) for _ in range(times)]
    return Counter((each.status, each.body if each.status == 200 else "") for each in answers)


@settings(IN_A_LAB, max_examples=15)
@given(
    routes=http_routes(),
    calls=st.lists(http_calls, min_size=15, max_size=15),
    policies=st.lists(st.sampled_from(POLICIES), max_size=3, unique_by=POLICIES.index),
)
def test_requests_to_pools_go_where_the_oracle_says_and_are_judged_as_their_pod_gets_them(
    routing_plane: Attachment,
    routed_lab: Lab,
    versions: dict[str, Backend],
    routes: tuple[HTTPRoute, ...],
    calls: list[Call],
    policies: list[Policy],
) -> None:
    routing = Routing(SERVICES, http_routes=routes, traffic_policies=(POOLED,))
    check_against_oracles(routing_plane, routed_lab, versions, routing, calls, policies)


def test_pods_are_asked_in_turn_and_those_that_policies_shut_are_never(
    routed_lab: Lab, routing_plane: Attachment, versions: dict[str, Backend]
) -> None:
    routing = Routing(SERVICES, traffic_policies=(POOLED,))
    routing_plane.apply((), routing)
    assert bodies(routed_lab, "shop/client", 20) == {(200, "shop/v1"): 10, (200, "shop/v2"): 10}
    for policies in ([ingress("v2", rule("v1"))], [egress("client", rule("v1"))]):
        routing_plane.apply(policies, routing)
        for each in versions.values():
            each.seen.clear()
        found = bodies(routed_lab, "shop/client", 60)
        assert set(found) == {(200, "shop/v1"), (403, "")}
        assert not versions["shop/v2"].seen


def test_a_pod_always_reaches_itself_through_a_pool(
    routed_lab: Lab, routing_plane: Attachment, versions: dict[str, Backend]
) -> None:
    nobody = NetworkPolicy(HERE, "both", "shop", LabelSelector({"tier": "backend"}), ingress=())
    routing_plane.apply([nobody], Routing(SERVICES, traffic_policies=(POOLED,)))
    assert set(bodies(routed_lab, "shop/v2", 60)) == {(200, "shop/v2"), (403, "")}
    assert set(bodies(routed_lab, "shop/client", 20)) == {(403, "")}


def test_members_come_and_go_without_replacing_their_cluster(
    routed_lab: Lab, routing_plane: Attachment, versions: dict[str, Backend], admins: list[Admin]
) -> None:
    assert len(admins) == 2
    routing_plane.apply((), Routing(selecting(None), traffic_policies=(POOLED,)))
    before = counted(admins)
    routing_plane.apply((), Routing(selecting("v1"), traffic_policies=(POOLED,)))
    assert bodies(routed_lab, "shop/client", 8) == {(200, "shop/v1"): 8}
    routing_plane.apply((), Routing(selecting(None), traffic_policies=(POOLED,)))
    assert bodies(routed_lab, "shop/client", 8) == {(200, "shop/v1"): 4, (200, "shop/v2"): 4}
    assert counted(admins) == before


def test_a_cluster_that_is_made_anew_has_its_members(
    routed_lab: Lab, routing_plane: Attachment, versions: dict[str, Backend], admins: list[Admin]
) -> None:
    """As under other policies, or another limit."""
    routing_plane.apply((), Routing(SERVICES, traffic_policies=(POOLED,)))
    before = counted(admins)
    for limit in (5, 6):
        other = replace(POOLED, circuit_breaker=CircuitBreaker(limit))
        routing_plane.apply((), Routing(SERVICES, traffic_policies=(other,)))
        assert bodies(routed_lab, "shop/client", 8) == {(200, "shop/v1"): 4, (200, "shop/v2"): 4}
    assert counted(admins)["cluster_manager.cluster_modified"] > before["cluster_manager.cluster_modified"]
    routing_plane.apply(
        [ingress("v1", rule("client")), ingress("v2", rule("client"))], Routing(SERVICES, traffic_policies=(POOLED,))
    )
    assert sum(bodies(routed_lab, "shop/client", 40).values()) == 40
    routing_plane.apply((), Routing(SERVICES))
    assert set(bodies(routed_lab, "shop/client", 40)) == {(200, "shop/v1"), (200, "shop/v2")}


@pytest.mark.parametrize("how", [RestartKind.HOT, RestartKind.COLD])
def test_an_envoy_that_takes_over_knows_the_members(
    routed_lab: Lab, routing_plane: Attachment, versions: dict[str, Backend], how: RestartKind
) -> None:
    routing = Routing(SERVICES, traffic_policies=(POOLED,))
    routing_plane.apply((), routing)
    routing_plane.restart("n1", how)
    assert bodies(routed_lab, "shop/client", 8) == {(200, "shop/v1"): 4, (200, "shop/v2"): 4}
    routing_plane.apply([ingress("v2", rule("v1"))], routing)
    assert set(bodies(routed_lab, "shop/client", 40)) == {(200, "shop/v1"), (403, "")}
