"""The shipped cases of routing: the oracles agree with them, and between them they ask all there is to ask of a Service."""

import pytest

from harness.campaign.conformance.oracles import consult
from harness.campaign.coverage.routed import routed_misreadings
from harness.lab.addressing import plan
from harness.manifests.case import load_cases
from harness.manifests.place import SCENARIOS
from harness.model.case import Case
from harness.model.request import GRPCRequest
from harness.model.route import RequestHeaderModifier, RequestMirror, RequestRedirect, ResponseHeaderModifier, URLRewrite
from harness.model.routed import RoutedExpectation
from harness.oracle.misreadings.routes import routing

FEWEST = 40
PUBLISHED = (
    "MeshBasic", "MeshConsumerRoute", "MeshFrontend", "MeshFrontendHostname", "MeshGRPCRouteRequestHeaderModifier",
    "MeshGRPCRouteRequestMirror", "MeshGRPCRouteWeight", "MeshHTTPRoute303Redirect", "MeshHTTPRoute303RedirectHostAndStatus",
    "MeshHTTPRoute307Redirect", "MeshHTTPRoute307RedirectHostAndStatus", "MeshHTTPRoute308Redirect",
    "MeshHTTPRoute308RedirectHostAndStatus", "MeshHTTPRouteBackendRequestHeaderModifier", "MeshHTTPRouteMatching",
    "MeshHTTPRouteNamedRule", "MeshHTTPRouteQueryParamMatching", "MeshHTTPRouteRedirectHostAndStatus",
    "MeshHTTPRouteRedirectPath", "MeshHTTPRouteRedirectPort", "MeshHTTPRouteRequestHeaderModifier", "MeshHTTPRouteRewritePath",
    "MeshHTTPRouteSchemeRedirect", "MeshHTTPRouteSimpleSameNamespace", "MeshHTTPRouteWeight", "MeshPorts", "MeshTrafficSplit",
)  # fmt: skip
"""Names of cases in https://github.com/kubernetes-sigs/gateway-api/tree/main/conformance/tests/mesh."""


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return load_cases([SCENARIOS / "conformance" / "routing"])


def _requests(cases: list[Case]) -> list[RoutedExpectation]:
    return [each for case in cases for step in case.steps for each in step.requests]


def test_there_are_enough_and_all_that_are_published(cases: list[Case]) -> None:
    assert len(cases) >= FEWEST
    assert set(PUBLISHED) == {case.name for case in cases if case.name.startswith("Mesh")}


def test_the_oracles_agree_with_every_expectation(cases: list[Case]) -> None:
    assert [said for case in cases for said in consult(case, plan(case.topology).topology).contradictions] == []


def test_every_case_asks_both_ends(cases: list[Case]) -> None:
    """An answer of the mesh's own proves nothing where the Service's pods may be gone."""
    reached = {case.id for case in cases if any(share.pods for each in _requests([case]) for share in each.shares)}
    redirects = {case.id for case in cases if "redirect" in case.name.lower()}
    assert {case.id for case in cases} - reached - redirects == set()


def test_every_filter_is_asked_in_rules_and_every_answer_is_there(cases: list[Case]) -> None:
    steps = [step.routing for case in cases for step in case.steps]
    rules = [rule for each in steps for route in (*each.http_routes, *each.grpc_routes) for rule in route.rules or ()]
    filters = {type(each) for rule in rules for each in rule.filters or ()}
    assert filters == {RequestHeaderModifier, RequestMirror, RequestRedirect, ResponseHeaderModifier, URLRewrite}
    statuses = {share.status for each in _requests(cases) for share in each.shares}
    assert statuses >= {200, 301, 302, 303, 307, 308, 403, 404, 500, 503, 504}
    assert statuses >= {"OK", "UNIMPLEMENTED", "UNAVAILABLE", "PERMISSION_DENIED", "NOT_FOUND"}


UNNOTICED = {
    ("GRPCRoute backendRefs.weight", "absent", "100"),
    ("GRPCRoute matches.headers", "Exact, several", "one of a list"),
    ("GRPCRoute matches.headers", "RegularExpression, several", "the beginning of a value"),
    ("HTTPRoute retry.attempts", "5", "one less"),
    ("HTTPRoute retry.attempts", "5", "one more"),
    ("HTTPRoute timeouts.request", "limited, both", "a tenth"),
    ("HTTPRoute timeouts.request", "limited, both", "none"),
}
"""Misreadings that no request tells: of values that stand in a case for another one's sake, and are asked about elsewhere."""


def test_some_case_notices_whatever_is_made_of_a_value(cases: list[Case]) -> None:
    possible: set[tuple[str, str, str]] = set()
    noticed: set[tuple[str, str, str]] = set()
    for case in cases:
        for step in case.steps:
            possible |= {(each.field, each.value, each.taken) for each in routing(step.routing)}
            found = routed_misreadings(step, plan(case.topology).topology)
            noticed |= {(each.field, each.value, each.taken) for each in found}
    assert possible - noticed == UNNOTICED


def test_shares_copies_tries_and_both_families_are_asked(cases: list[Case]) -> None:
    requests = _requests(cases)
    assert any(each.weighted for each in requests)
    assert {copies.always for each in requests for copies in each.copies} == {True, False}
    assert max(share.tries for each in requests for share in each.shares) > 1
    assert {each.asked.family for each in requests} == {4, 6}
    assert any(isinstance(each.asked.call.request, GRPCRequest) for each in requests)
