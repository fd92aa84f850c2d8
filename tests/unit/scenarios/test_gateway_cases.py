"""The shipped cases of Gateways: the oracles agree with them, and between them they ask from everywhere."""

import pytest

from harness.campaign.conformance.oracles import consult
from harness.campaign.coverage.routed import routed_misreadings, routed_pairs
from harness.lab.addressing import plan
from harness.manifests.case import load_cases
from harness.manifests.place import SCENARIOS
from harness.model.case import Case
from harness.model.flow import is_pod
from harness.model.route import RequestHeaderModifier, RequestMirror, RequestRedirect, ResponseHeaderModifier, URLRewrite
from harness.model.routed import RoutedExpectation
from harness.oracle.misreadings.routes import routing

PUBLISHED = (
    "GRPCExactMethodMatching", "GRPCRouteAllBackendsWeightZero", "GRPCRouteHeaderMatching",
    "GRPCRouteListenerHostnameMatching", "GRPCRouteMultipleGateways",
    "GRPCRouteMultipleRoutesAttachmentSameHostnameIntersection", "GRPCRouteNamedRule", "GRPCRouteRequestHeaderModifier",
    "GRPCRouteRequestMirror", "GRPCRouteWeight", "GatewayHTTPListenerIsolation", "GatewayHTTPListenerIsolation-hostnames",
    "GatewayModifyListeners", "GatewayStaticAddresses", "HTTPRoute303Redirect", "HTTPRoute307Redirect", "HTTPRoute308Redirect",
    "HTTPRouteAllBackendsWeightZero", "HTTPRouteBackendRequestHeaderModifier", "HTTPRouteCrossNamespace",
    "HTTPRouteDisallowedKind", "HTTPRouteExactPathMatching", "HTTPRouteHeaderMatching", "HTTPRouteHostnameIntersection",
    "HTTPRouteInvalidBackendRefUnknownKind", "HTTPRouteInvalidCrossNamespaceBackendRef",
    "HTTPRouteInvalidCrossNamespaceParentRef", "HTTPRouteInvalidNonExistentBackendRef",
    "HTTPRouteInvalidParentRefNotMatchingListenerPort", "HTTPRouteInvalidParentRefNotMatchingSectionName",
    "HTTPRouteInvalidParentRefSectionNameNotMatchingPort", "HTTPRouteInvalidReferenceGrant",
    "HTTPRouteListenerHostnameMatching", "HTTPRouteListenerPortMatching", "HTTPRouteMatching", "HTTPRouteMatchingAcrossRoutes",
    "HTTPRouteMethodMatching", "HTTPRouteNamedRule", "HTTPRoutePartiallyInvalidViaInvalidReferenceGrant",
    "HTTPRoutePathMatchOrder", "HTTPRouteQueryParamMatching", "HTTPRouteRedirectHostAndStatus", "HTTPRouteRedirectPath",
    "HTTPRouteRedirectPort", "HTTPRouteRedirectPortAndScheme", "HTTPRouteRedirectScheme", "HTTPRouteReferenceGrant",
    "HTTPRouteRequestHeaderModifier", "HTTPRouteRequestMirror", "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror", "HTTPRouteResponseHeaderModifier", "HTTPRouteRewriteHost", "HTTPRouteRewritePath",
    "HTTPRouteSimpleSameNamespace", "HTTPRouteTimeoutBackendRequest", "HTTPRouteTimeoutRequest", "HTTPRouteWeight",
)  # fmt: skip
"""Names of cases in https://github.com/kubernetes-sigs/gateway-api/tree/main/conformance/tests; one has two parts."""


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return load_cases([SCENARIOS / "conformance" / "gateway"])


def _requests(cases: list[Case]) -> list[RoutedExpectation]:
    return [each for case in cases for step in case.steps for each in step.requests]


def test_all_that_are_published_are_there(cases: list[Case]) -> None:
    assert set(PUBLISHED) == {case.name for case in cases if case.name[0].isupper()}


def test_the_oracles_agree_with_every_expectation(cases: list[Case]) -> None:
    assert [said for case in cases for said in consult(case, plan(case.topology).topology).contradictions] == []


def test_every_case_asks_both_ends_through_a_gateway_and_from_outside(cases: list[Case]) -> None:
    """An answer of the Gateway's own proves nothing where the pods may be gone."""
    through = {case.id for case in cases if any(each.asked.call.to_gateway for each in _requests([case]))}
    outside = {case.id for case in cases if any(not is_pod(each.asked.call.source) for each in _requests([case]))}
    reached = {case.id for case in cases if any(share.pods for each in _requests([case]) for share in each.shares)}
    redirects = {case.id for case in cases if "redirect" in case.name.lower()}
    every = {case.id for case in cases}
    assert (every - through, every - outside, every - reached - redirects) == (set(), set(), set())


def test_both_families_both_nodes_and_pods_ask(cases: list[Case]) -> None:
    clients = {each.asked.call.source for each in _requests(cases)}
    hosts = {ip for host in cases[0].topology.outside for ip in host.ips}
    assert hosts <= clients
    assert {cases[0].topology.pod(each).node for each in clients - hosts} == {"n1", "n2"}


def test_every_filter_and_every_answer_is_there(cases: list[Case]) -> None:
    steps = [step.routing for case in cases for step in case.steps]
    rules = [rule for each in steps for route in (*each.http_routes, *each.grpc_routes) for rule in route.rules or ()]
    filters = {type(each) for rule in rules for each in rule.filters or ()}
    assert filters == {RequestHeaderModifier, RequestMirror, RequestRedirect, ResponseHeaderModifier, URLRewrite}
    statuses = {share.status for each in _requests(cases) for share in each.shares}
    assert statuses >= {200, 301, 302, 303, 307, 308, 403, 404, 500, 503, 504}
    assert statuses >= {"OK", "UNIMPLEMENTED", "UNAVAILABLE", "PERMISSION_DENIED"}


def test_a_policy_that_refuses_a_host_lets_another_in(cases: list[Case]) -> None:
    """Else whatever shuts all the world out would pass."""
    for case in cases:
        shares = [share for each in _requests([case]) for share in each.shares]
        if any(share.status in (403, "PERMISSION_DENIED") for share in shares):
            assert any(share.pods for share in shares), case.id


UNNOTICED = {("GRPCRoute filters RequestHeaderModifier.add", "written", "set")}
"""Misreadings that no request tells: of values that are asked about in cases of Services."""


def test_some_case_notices_whatever_is_made_of_a_value_and_every_case_something(cases: list[Case]) -> None:
    possible: set[tuple[str, str, str]] = set()
    noticed: set[tuple[str, str, str]] = set()
    for case in cases:
        topology = plan(case.topology).topology
        found = [each for step in case.steps for each in routed_misreadings(step, topology)]
        assert found, case.id
        noticed |= {(each.field, each.value, each.taken) for each in found}
        possible |= {(each.field, each.value, each.taken) for step in case.steps for each in routing(step.routing)}
    assert possible - noticed == UNNOTICED


def test_requests_of_gateways_have_classes_of_their_own(cases: list[Case]) -> None:
    for case in cases:
        topology = plan(case.topology).topology
        pairs = [pair for step in case.steps for pair in routed_pairs(step, topology, None)]
        assert any(pair.field == "request to a Gateway" for pair in pairs), case.id
