"""Cases of Gateway API's conformance suite about backends, references and filters of Gateways' routes, by their names.

Source: https://github.com/kubernetes-sigs/gateway-api/tree/main/conformance/tests
"""

from pathlib import Path

import pytest
from routed import ask, gateway, route, router, shown

from harness.model.route import HeaderChanges, HTTPHeader, Timeouts
from harness.model.routing import Forwarded, Mirrored, Replied, RouteAnswer

SAME = "  parentRefs: [{name: same-namespace}]\n"
EDGE = "gateway infra/same-namespace"
V1 = "backendRefs: [{name: v1, port: 8080}]"


def attached(rules: str, parent: str = SAME, name: str = "infra/r", hosts: str = "") -> str:
    return route(name, f"{parent}{hosts}  rules:\n{rules}")


def forwarded(answers: tuple[RouteAnswer, ...]) -> Forwarded:
    (only,) = answers
    assert isinstance(only, Forwarded)
    return only


def grant(namespace: str, *, from_: str = "infra", kind: str = "HTTPRoute", to: str = '{group: "", kind: Service}') -> str:
    spec = f"{{from: [{{group: gateway.networking.k8s.io, kind: {kind}, namespace: {from_}}}], to: [{to}]}}"
    head = "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\n"
    return f"{head}metadata: {{name: g, namespace: {namespace}}}\nspec: {spec}\n---\n"


ELSEWHERE = "    - {backendRefs: [{name: v1, namespace: app, port: 8080}]}\n"


def test_http_route_invalid_cross_namespace_backend_ref(tmp_path: Path) -> None:
    assert shown(ask(router(tmp_path, attached(ELSEWHERE)), EDGE)) == 500


@pytest.mark.parametrize("to", ["{group: '', kind: Service}", "{group: '', kind: Service, name: v1}"])
def test_http_route_reference_grant(tmp_path: Path, to: str) -> None:
    assert shown(ask(router(tmp_path, attached(ELSEWHERE) + grant("app", to=to)), EDGE)) == "app/v1"


INVALID_GRANTS = {
    "in the route's namespace": grant("infra"),
    "from another namespace": grant("app", from_="web"),
    "from another kind": grant("app", kind="GRPCRoute"),
    "to another kind": grant("app", to="{group: '', kind: Secret}"),
    "to another group": grant("app", to="{group: other, kind: Service}"),
    "to another Service": grant("app", to="{group: '', kind: Service, name: v2}"),
}


@pytest.mark.parametrize("case", INVALID_GRANTS)
def test_http_route_invalid_reference_grant(tmp_path: Path, case: str) -> None:
    assert shown(ask(router(tmp_path, attached(ELSEWHERE) + INVALID_GRANTS[case]), EDGE)) == 500


def test_http_route_partially_invalid_via_invalid_reference_grant(tmp_path: Path) -> None:
    rules = (
        "    - {matches: [{path: {value: /v2}}], backendRefs: [{name: v2, namespace: app, port: 8080}]}\n"
        "    - {backendRefs: [{name: v1, namespace: app, port: 8080}]}\n"
    )
    oracle = router(tmp_path, attached(rules) + grant("app", to='{group: "", kind: Service, name: v1}'))
    assert [shown(ask(oracle, EDGE, path)) for path in ("/v2", "/")] == [500, "app/v1"]


def test_http_route_invalid_non_existent_backend_ref(tmp_path: Path) -> None:
    rules = "    - {backendRefs: [{name: nonexistent, port: 8080}]}\n"
    assert shown(ask(router(tmp_path, attached(rules)), EDGE)) == 500


def test_http_route_invalid_backend_ref_unknown_kind(tmp_path: Path) -> None:
    rules = "    - {backendRefs: [{group: unknownkind.example.com, kind: NonExistent, name: v1, port: 8080}]}\n"
    assert shown(ask(router(tmp_path, attached(rules)), EDGE)) == 500


def test_http_route_simple_same_namespace(tmp_path: Path) -> None:
    assert shown(ask(router(tmp_path, attached(f"    - {{{V1}}}\n")), EDGE)) == "infra/v1"


def test_http_route_cross_namespace(tmp_path: Path) -> None:
    selected = "allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {backend: 'yes'}}}}"
    manifests = gateway("selecting", f"[{{name: http, port: 80, protocol: HTTP, {selected}}}]")
    parent = "  parentRefs: [{name: selecting, namespace: infra}]\n"
    manifests += attached(f"    - {{matches: [{{path: {{value: /web}}}}], {V1}}}\n", parent, "web/r")
    manifests += attached(f"    - {{matches: [{{path: {{value: /app}}}}], {V1}}}\n", parent, "app/r")
    oracle = router(tmp_path, manifests)
    assert [shown(ask(oracle, "gateway infra/selecting", path)) for path in ("/web", "/app")] == ["web/v1", 404]


INVALID_PARENTS = {
    "HTTPRouteInvalidCrossNamespaceParentRef": ("  parentRefs: [{name: same-namespace, namespace: infra}]\n", "web/r"),
    "HTTPRouteInvalidParentRefNotMatchingSectionName": (
        "  parentRefs: [{name: same-namespace, sectionName: other}]\n",
        "infra/r",
    ),
    "HTTPRouteInvalidParentRefNotMatchingListenerPort": ("  parentRefs: [{name: same-namespace, port: 81}]\n", "infra/r"),
    "HTTPRouteInvalidParentRefSectionNameNotMatchingPort": (
        "  parentRefs: [{name: same-namespace, port: 81, sectionName: http}]\n",
        "infra/r",
    ),
}


@pytest.mark.parametrize("case", INVALID_PARENTS)
def test_routes_that_are_not_accepted(tmp_path: Path, case: str) -> None:
    parent, name = INVALID_PARENTS[case]
    assert shown(ask(router(tmp_path, attached(f"    - {{{V1}}}\n", parent, name)), EDGE)) == 404


def test_http_route_weight(tmp_path: Path) -> None:
    refs = ", ".join(f"{{name: v{number}, port: 8080, weight: {weight}}}" for number, weight in ((1, 70), (2, 30), (3, 0)))
    answers = ask(router(tmp_path, attached(f"    - {{backendRefs: [{refs}]}}\n")), EDGE)
    assert [(each.backend, each.weight) for each in answers if isinstance(each, Forwarded)] == [
        ("infra/v1", 70), ("infra/v2", 30)
    ]  # fmt: skip


CHANGES = (
    "{set: [{name: X-Header-Set, value: set-overwrites-values}], "
    "add: [{name: X-Header-Add, value: header-val-1}, {name: X-Header-Add-Append, value: header-val-2}], "
    "remove: [X-Header-Remove]}"
)
MODIFY = f"{{type: RequestHeaderModifier, requestHeaderModifier: {CHANGES}}}"
SENT = {"X-Header-Remove": "remove-val", "X-Header-Add-Append": "append-val-1"}
CHANGED = {
    "X-Header-Add-Append": "append-val-1,header-val-2",
    "X-Header-Set": "set-overwrites-values",
    "X-Header-Add": "header-val-1",
}


def test_http_route_rewrite_host(tmp_path: Path) -> None:
    rules = (
        "    - matches: [{path: {value: /one}}]\n"
        f"      filters: [{{type: URLRewrite, urlRewrite: {{hostname: one.example.org}}}}]\n      {V1}\n"
        "    - filters: [{type: URLRewrite, urlRewrite: {hostname: example.org}}]\n"
        "      backendRefs: [{name: v2, port: 8080}]\n"
        "    - matches: [{path: {value: /rewrite-host-and-modify-headers}}]\n"
        f"      filters: [{{type: URLRewrite, urlRewrite: {{hostname: test.example.org}}}}, {MODIFY}]\n"
        "      backendRefs: [{name: v2, port: 8080}]\n"
    )
    oracle = router(tmp_path, attached(rules, hosts="  hostnames: [rewrite.example]\n"))
    found = [
        forwarded(ask(oracle, EDGE, path, host="rewrite.example", headers=SENT))
        for path in ("/one", "/two", "/rewrite-host-and-modify-headers")
    ]
    assert [(each.backend, each.host, each.headers) for each in found] == [
        ("infra/v1", "one.example.org", SENT),
        ("infra/v2", "example.org", SENT),
        ("infra/v2", "test.example.org", CHANGED),
    ]


def test_http_route_response_header_modifier(tmp_path: Path) -> None:
    """What the response will have depends on the backend; the oracle says what is changed."""
    rules = f"    - filters: [{{type: ResponseHeaderModifier, responseHeaderModifier: {CHANGES}}}]\n      {V1}\n"
    assert forwarded(ask(router(tmp_path, attached(rules)), EDGE)).response == (
        HeaderChanges(
            (HTTPHeader("X-Header-Set", "set-overwrites-values"),),
            (HTTPHeader("X-Header-Add", "header-val-1"), HTTPHeader("X-Header-Add-Append", "header-val-2")),
            ("X-Header-Remove",),
        ),
    )


def test_http_route_backend_url_rewrite(tmp_path: Path) -> None:
    rules = "".join(
        f"    - matches: [{{path: {{value: /{path}}}}}]\n      backendRefs: [{{name: v1, port: 8080, filters: "
        f"[{{type: URLRewrite, urlRewrite: {{path: {change}}}}}]}}]\n"
        for path, change in (
            ("full", "{type: ReplaceFullPath, replaceFullPath: /rewritten-full}"),
            ("prefix", "{type: ReplacePrefixMatch, replacePrefixMatch: /rewritten-prefix}"),
        )
    )
    oracle = router(tmp_path, attached(rules))
    found = [forwarded(ask(oracle, EDGE, path)).path for path in ("/full/original", "/prefix/original")]
    assert found == ["/rewritten-full", "/rewritten-prefix/original"]


def _mirror(number: int, share: str = "") -> str:
    return f"{{type: RequestMirror, requestMirror: {{backendRef: {{name: v{number}, namespace: infra, port: 8080}}{share}}}}}"


MIRRORS = {
    "HTTPRouteRequestMirror": ([_mirror(2)], [Mirrored("infra/v2", 8080, 1, 1)]),
    "HTTPRouteRequestMultipleMirrors": (
        [_mirror(2), _mirror(3)],
        [Mirrored("infra/v2", 8080, 1, 1), Mirrored("infra/v3", 8080, 1, 1)],
    ),
    "HTTPRouteRequestPercentageMirror": (
        [_mirror(2, ", percent: 20"), _mirror(3, ", fraction: {numerator: 25, denominator: 50}")],
        [Mirrored("infra/v2", 8080, 20, 100), Mirrored("infra/v3", 8080, 25, 50)],
    ),
}


@pytest.mark.parametrize("case", MIRRORS)
def test_mirrors(tmp_path: Path, case: str) -> None:
    filters, mirrored = MIRRORS[case]
    rules = f"    - filters: [{', '.join((MODIFY, *filters))}]\n      {V1}\n"
    found = forwarded(ask(router(tmp_path, attached(rules)), EDGE, headers=SENT))
    assert (found.backend, found.headers, list(found.mirrors)) == ("infra/v1", CHANGED, mirrored)


@pytest.mark.parametrize(
    ("case", "written", "timeouts"),
    [
        ("HTTPRouteTimeoutRequest", "{request: 500ms}", Timeouts("500ms")),
        ("HTTPRouteTimeoutBackendRequest", "{backendRequest: 500ms}", Timeouts(None, "500ms")),
    ],
)
def test_timeouts_are_carried_along(tmp_path: Path, case: str, written: str, timeouts: Timeouts) -> None:
    assert forwarded(ask(router(tmp_path, attached(f"    - {{timeouts: {written}, {V1}}}\n")), EDGE)).timeouts == timeouts


def test_shares_of_invalid_backends_are_answered_with_an_error(tmp_path: Path) -> None:
    """As the reference says: "if two backends are specified with equal weights, and one is invalid, 50 percent of traffic"."""
    rules = "    - {backendRefs: [{name: v1, port: 8080}, {name: nonexistent, port: 8080}]}\n"
    good, bad = ask(router(tmp_path, attached(rules)), EDGE)
    assert isinstance(good, Forwarded)
    assert isinstance(bad, Replied)
    assert (good.weight, bad.weight, bad.status, bad.reason) == (1, 1, 500, "no Service infra/nonexistent")
