"""Generated requests to Services go where the oracles say when they are asked again, by then past the proxy where they can."""

from collections.abc import Iterator

import pytest
from fast_clients import counted
from http_ends import Backend
from hypothesis import given, settings
from hypothesis import strategies as st
from request_policies import POLICY, egress, http, ingress, rule
from route_strategies import http_calls, http_routes, slashed
from routed_checks import IN_A_LAB, check_against_oracles
from service_world import HERE, SERVICES

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.lab.port import Lab
from harness.model.cilium import Policy
from harness.model.policy import LabelSelector, NetworkPolicy
from harness.model.route import (
    BackendObject,
    BackendRef,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
    ValueMatch,
)
from harness.model.routing import Call, Routing

POLICIES: tuple[Policy, ...] = (
    ingress("v1", rule("client", http("/a.*"))),
    ingress("v2", rule("client"), rule("v1")),
    egress("client", rule("v1", http(None, "GET")), rule("v2")),
    NetworkPolicy(POLICY, "none", "shop", LabelSelector({"app": "v2"}), ingress=()),
    ingress("v1", rule("client"), deny=(rule("v2"),)),
)
TIMES = 4
PLAIN = st.builds(
    lambda path, kind, headers, method, refs: HTTPRouteRule(
        HERE, None, (HTTPRouteMatch(HERE, PathMatch(kind, path), headers or None, None, method),), backend_refs=refs
    ),
    slashed,
    st.sampled_from(("Exact", "PathPrefix")),
    st.lists(
        st.builds(ValueMatch, st.sampled_from(("x-a", "X-B", "Host")), st.sampled_from(("one", "two", "web"))), max_size=1
    ).map(tuple),
    st.sampled_from((None, None, "GET", "POST")),
    st.lists(st.sampled_from(("v1", "v2", "all")), min_size=1, max_size=2).map(
        lambda names: tuple(BackendRef(BackendObject(HERE, name, port=80)) for name in names)
    ),
)
PLAIN_ROUTES = st.lists(PLAIN, min_size=1, max_size=4).map(
    lambda rules: (HTTPRoute(HERE, "r", "shop", (ParentReference(HERE, "web", "", "Service"),), None, tuple(rules)),)
)


@pytest.fixture(scope="module")
def plane(routed_lab: Lab, versions: dict[str, Backend]) -> Iterator[EbpfL7Attachment]:
    with EbpfL7().attach(routed_lab) as attachment:
        assert isinstance(attachment, EbpfL7Attachment)
        yield attachment


@settings(IN_A_LAB, max_examples=25)
@given(
    routes=PLAIN_ROUTES | http_routes(),
    calls=st.lists(http_calls, min_size=10, max_size=10),
    policies=st.lists(st.sampled_from(POLICIES), max_size=2, unique_by=POLICIES.index),
)
def test_requests_go_where_the_oracles_say(
    plane: EbpfL7Attachment,
    routed_lab: Lab,
    versions: dict[str, Backend],
    routes: tuple[HTTPRoute, ...],
    calls: list[Call],
    policies: list[Policy],
) -> None:
    check_against_oracles(plane, routed_lab, versions, Routing(SERVICES, http_routes=routes), calls, policies, TIMES)


def test_some_of_them_took_the_fast_path(plane: EbpfL7Attachment) -> None:
    assert counted(plane, dict.fromkeys(plane.path_counts(), 0))["routed"] > 50
