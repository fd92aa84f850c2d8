"""Answers known from the reference of Gateway API and GEP-1426, and what docs/routing.md chooses where they are silent."""

from pathlib import Path

import pytest
from routed import ECHO, ask, route, router, service, shown

from harness.model.route import HeaderChanges, HTTPHeader, PathModifier, Retry, Timeouts
from harness.model.routing import Forwarded, Replied, RouteAnswer
from harness.oracle.routing.filters import new_path

PARENT = '  parentRefs: [{group: "", kind: Service, name: echo}]\n'
V1, V2 = (f"backendRefs: [{{name: {name}, port: 80}}]" for name in ("echo-v1", "echo-v2"))


def mesh(*rules: str, parent: str = PARENT, name: str = "mesh/r", kind: str = "HTTPRoute", created: str = "") -> str:
    return route(name, parent + "  rules:\n" + "".join(f"    - {{{rule}}}\n" for rule in rules), kind, created)


def forwarded(answers: tuple[RouteAnswer, ...]) -> Forwarded:
    (only,) = answers
    assert isinstance(only, Forwarded)
    return only


def replied(answers: tuple[RouteAnswer, ...]) -> Replied:
    (only,) = answers
    assert isinstance(only, Replied)
    return only


# Services without routes, and what does not match


def test_a_service_without_a_route_gets_its_requests_as_they_are_sent(tmp_path: Path) -> None:
    found = forwarded(ask(router(tmp_path, ""), "mesh/echo", "/a?b", port=8080, headers={"X-A": "b"}))
    assert found == Forwarded("mesh/echo", 8080, 1, "/a?b", "echo.mesh.svc.cluster.local:8080", {"X-A": "b"}, None)


def test_a_service_without_endpoints_is_unavailable(tmp_path: Path) -> None:
    others = service("mesh/others", 80, selector="app: v1")  # whose pods are in other namespaces
    oracle = router(tmp_path, service("mesh/none", 80, selector="app: none") + service("mesh/unselected", 80) + others)
    for name in ("none", "unselected", "others"):
        assert shown(ask(oracle, f"mesh/{name}")) == 503
        assert shown(ask(oracle, f"mesh/{name}", grpc="a.B/C")) == "grpc 14"


@pytest.mark.parametrize(("target", "expected"), [("8080", "mesh/named"), ("web", 503)])
def test_a_target_port_that_is_a_name_has_to_be_declared(tmp_path: Path, target: str, expected: str | int) -> None:
    text = service("mesh/named", 80, selector="app: echo").replace("port: 80}", f"port: 80, targetPort: {target}}}")
    assert shown(ask(router(tmp_path, text), "mesh/named")) == expected


def test_without_a_match_there_is_nothing_to_find(tmp_path: Path) -> None:
    none = "matches: [{path: {value: /other}}], " + V1
    call = "matches: [{method: {service: other.Service}}], " + V1
    http, grpc = router(tmp_path, mesh(none)), router(tmp_path, mesh(call, kind="GRPCRoute"))
    assert shown(ask(http, "mesh/echo")) == 404
    assert shown(ask(http, "mesh/echo", grpc=f"{ECHO}/Echo")) == 404
    assert shown(ask(grpc, "mesh/echo", grpc=f"{ECHO}/Echo")) == "grpc 12"
    assert shown(ask(grpc, "mesh/echo")) == 404


def test_a_request_that_is_no_call_matches_no_grpcroute(tmp_path: Path) -> None:
    oracle = router(tmp_path, mesh(V1, kind="GRPCRoute"))
    path, kind = f"/{ECHO}/Echo", {"Content-Type": "application/grpc+proto"}
    assert shown(ask(oracle, "mesh/echo", path, method="POST", headers=kind)) == "mesh/echo-v1"
    assert shown(ask(oracle, "mesh/echo", path, method="POST")) == 404
    assert shown(ask(oracle, "mesh/echo", path, headers=kind)) == 404


def test_a_call_is_a_post_to_an_httproute(tmp_path: Path) -> None:
    oracle = router(tmp_path, mesh(f"matches: [{{method: POST, path: {{type: Exact, value: /{ECHO}/Echo}}}}], {V1}"))
    assert forwarded(ask(oracle, "mesh/echo", grpc=f"{ECHO}/Echo")).headers == {"content-type": "application/grpc"}
    own = {"Content-Type": "application/grpc+json"}
    assert forwarded(ask(oracle, "mesh/echo", grpc=f"{ECHO}/Echo", headers=own)).headers == own


# Which routes apply to a Service


def test_a_consumers_route_stands_before_the_producers_for_its_own_clients(tmp_path: Path) -> None:
    consumer = mesh(
        "backendRefs: [{name: echo-v2, namespace: mesh, port: 80}]",
        parent='  parentRefs: [{group: "", kind: Service, name: echo, namespace: mesh}]\n',
        name="consumer/r",
    )
    oracle = router(tmp_path, mesh(V1) + consumer)
    found = {source: shown(ask(oracle, "mesh/echo", source=source)) for source in ("consumer/echo-v1", "app/v1", "192.0.2.7")}
    assert found == {"consumer/echo-v1": "mesh/echo-v2", "app/v1": "mesh/echo-v1", "192.0.2.7": "mesh/echo-v1"}


def test_a_consumers_route_of_one_port_leaves_the_others_to_the_producer(tmp_path: Path) -> None:
    consumer = mesh(
        "backendRefs: [{name: echo-v2, namespace: mesh, port: 80}]",
        parent='  parentRefs: [{group: "", kind: Service, name: echo, namespace: mesh, port: 8080}]\n',
        name="consumer/r",
    )
    oracle = router(tmp_path, mesh(V1) + consumer)
    found = [shown(ask(oracle, "mesh/echo", port=port, source="consumer/echo-v1")) for port in (80, 8080)]
    assert found == ["mesh/echo-v1", "mesh/echo-v2"]


def test_grpcroutes_are_the_only_ones_that_count_beside_httproutes(tmp_path: Path) -> None:
    grpc = mesh(V2, kind="GRPCRoute", parent='  parentRefs: [{group: "", kind: Service, name: echo, port: 7070}]\n')
    oracle = router(tmp_path, mesh(V1) + grpc)
    assert shown(ask(oracle, "mesh/echo", port=7070, grpc=f"{ECHO}/Echo")) == "mesh/echo-v2"
    assert shown(ask(oracle, "mesh/echo", port=7070)) == 404
    assert shown(ask(oracle, "mesh/echo", port=80)) == "mesh/echo-v1"


def test_a_section_of_a_service_is_a_port_by_its_name(tmp_path: Path) -> None:
    parent = '  parentRefs: [{group: "", kind: Service, name: echo, sectionName: p8080}]\n'
    oracle = router(tmp_path, mesh(V1, parent=parent))
    assert [shown(ask(oracle, "mesh/echo", port=port)) for port in (80, 8080)] == ["mesh/echo", "mesh/echo-v1"]


def test_host_names_of_routes_mean_nothing_to_services_but_the_host_header_can_be_matched(tmp_path: Path) -> None:
    hosts = PARENT + "  hostnames: [other.example.com]\n"
    assert shown(ask(router(tmp_path, mesh(V1, parent=hosts)), "mesh/echo")) == "mesh/echo-v1"
    oracle = router(tmp_path, mesh("matches: [{headers: [{name: host, value: a.b}]}], " + V1))
    assert [shown(ask(oracle, "mesh/echo", host=host)) for host in ("a.b", "a.b:80")] == ["mesh/echo-v1", 404]


def test_a_headless_service_has_no_front_that_routes_could_take(tmp_path: Path) -> None:
    headless = service("mesh/headless", 80, selector="app: echo", more=", clusterIP: None")
    parent = '  parentRefs: [{group: "", kind: Service, name: headless}]\n'
    assert shown(ask(router(tmp_path, headless + mesh(V1, parent=parent)), "mesh/headless")) == "mesh/headless"


def test_a_route_of_another_name_or_kind_of_parent_does_not_apply(tmp_path: Path) -> None:
    for parent in ("[{name: echo}]", '[{group: "", kind: Service, name: echo-v1}]', "[]"):
        oracle = router(tmp_path, mesh(V2, parent=f"  parentRefs: {parent}\n"))
        assert shown(ask(oracle, "mesh/echo")) == "mesh/echo"


# Backends


@pytest.mark.parametrize(
    ("reference", "status"),
    [
        ("{name: echo-v1, port: 81}", 500),
        ("{name: dns, port: 53}", 500),
        ("{name: alias, port: 80}", 500),
        ("{name: none, port: 80}", 503),
        ("{name: echo-v1, port: 80, weight: 0}", 500),
    ],
)
def test_backends_that_cannot_take_requests(tmp_path: Path, reference: str, status: int) -> None:
    more = (
        service("mesh/none", 80, selector="app: none")
        + service("mesh/dns", 53, selector="app: echo").replace("port: 53}", "port: 53, protocol: UDP}")
        + "apiVersion: v1\nkind: Service\nmetadata: {name: alias, namespace: mesh}\n"
        + "spec: {type: ExternalName, externalName: a.b, ports: [{port: 80}]}\n---\n"
    )
    rule = f"backendRefs: [{reference}]"
    assert shown(ask(router(tmp_path, more + mesh(rule)), "mesh/echo")) == status
    grpc = router(tmp_path, more + mesh(rule, kind="GRPCRoute"))
    assert shown(ask(grpc, "mesh/echo", grpc="a.B/C")) == "grpc 14"


def test_routes_of_services_need_no_grant(tmp_path: Path) -> None:
    oracle = router(tmp_path, mesh("backendRefs: [{name: v1, namespace: app, port: 8080}]"))
    assert shown(ask(oracle, "mesh/echo")) == "app/v1"


@pytest.mark.parametrize("rules", ["  rules: [{}]", ""])
def test_a_rule_without_backends_is_an_error(tmp_path: Path, rules: str) -> None:
    assert shown(ask(router(tmp_path, route("mesh/r", PARENT + rules)), "mesh/echo", "/any")) == 500


def test_a_grpcroute_without_rules_matches_nothing(tmp_path: Path) -> None:
    assert shown(ask(router(tmp_path, route("mesh/r", PARENT, "GRPCRoute")), "mesh/echo", grpc="a.B/C")) == "grpc 12"


def test_timeouts_and_retries_are_carried_along(tmp_path: Path) -> None:
    more = "timeouts: {request: 10s, backendRequest: 2s}, retry: {codes: [500], attempts: 3}, "
    found = forwarded(ask(router(tmp_path, mesh(more + V1)), "mesh/echo"))
    assert (found.timeouts, found.retry) == (Timeouts("10s", "2s"), Retry((500,), 3))


# Filters


@pytest.mark.parametrize(
    ("path", "prefix", "replacement", "expected"),
    [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"), ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"), ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"), ("/foo/", "/foo", "/xyz", "/xyz/"), ("/foo/bar", "/foo", "", "/bar"),
        ("/foo/", "/foo", "", "/"), ("/foo", "/foo", "", "/"), ("/foo/", "/foo", "/", "/"), ("/foo", "/foo", "/", "/"),
        ("/", "/", "/xyz", "/xyz/"), ("/a", "/", "/xyz", "/xyz/a"), ("/a", "/", "", "/a"),
    ],
)  # fmt: skip
def test_the_references_table_of_replaced_prefixes(path: str, prefix: str, replacement: str, expected: str) -> None:
    assert new_path(PathModifier("ReplacePrefixMatch", None, replacement), path, prefix) == expected


def test_an_empty_path_is_the_root(tmp_path: Path) -> None:
    assert new_path(PathModifier("ReplaceFullPath", ""), "/a", "/") == "/"


def test_a_rewrite_keeps_the_query(tmp_path: Path) -> None:
    rewrite = "filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /b}}}], "
    assert forwarded(ask(router(tmp_path, mesh(rewrite + V1)), "mesh/echo", "/a?c=d")).path == "/b?c=d"


@pytest.mark.parametrize(
    ("host", "port", "location"),
    [
        ("a.b", 80, "http://a.b/x?y"), ("A.b:99", 80, "http://a.b/x?y"), ("a.b", 8080, "http://a.b:8080/x?y"),
        ("[fd00::1]:80", 80, "http://[fd00::1]/x?y"), (None, 80, "http://echo.mesh.svc.cluster.local/x?y"),
    ],
)  # fmt: skip
def test_a_redirect_keeps_what_it_does_not_change(tmp_path: Path, host: str | None, port: int, location: str) -> None:
    oracle = router(tmp_path, mesh("filters: [{type: RequestRedirect, requestRedirect: {}}]"))
    found = replied(ask(oracle, "mesh/echo", "/x?y", port=port, host=host))
    assert (found.status, found.headers) == (302, {"Location": location})


def test_the_response_of_a_redirect_is_modified_too(tmp_path: Path) -> None:
    modify = "{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: X-A, value: b}]}}"
    oracle = router(tmp_path, mesh(f"filters: [{modify}, {{type: RequestRedirect, requestRedirect: {{}}}}]"))
    assert replied(ask(oracle, "mesh/echo", host="a")).headers == {"Location": "http://a/", "X-A": "b"}


def test_filters_of_a_backend_come_after_those_of_its_rule_and_are_its_own(tmp_path: Path) -> None:
    def changes(kind: str, value: str) -> str:
        field = kind[0].lower() + kind[1:]
        return f"{{type: {kind}, {field}: {{add: [{{name: X-A, value: {value}}}]}}}}"

    rule = (
        f"filters: [{changes('RequestHeaderModifier', 'rule')}, {changes('ResponseHeaderModifier', 'rule')}], backendRefs: "
        f"[{{name: echo-v1, port: 80, filters: [{changes('RequestHeaderModifier', 'own')}, "
        f"{changes('ResponseHeaderModifier', 'own')}]}}, {{name: echo-v2, port: 80}}]"
    )
    answers = ask(router(tmp_path, mesh(rule)), "mesh/echo", headers={"x-a": "sent"})
    assert [each.headers for each in answers] == [{"x-a": "sent,rule,own"}, {"x-a": "sent,rule"}]
    added = [HeaderChanges(add=(HTTPHeader("X-A", value),)) for value in ("rule", "own")]
    assert [each.response for each in answers if isinstance(each, Forwarded)] == [tuple(added), (added[0],)]


def test_the_host_is_a_header_that_can_be_set(tmp_path: Path) -> None:
    modify = "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: host, value: a.b}]}}], "
    found = forwarded(ask(router(tmp_path, mesh(modify + V1)), "mesh/echo", host="c.d"))
    assert (found.host, found.headers) == ("a.b", {})


@pytest.mark.parametrize(
    "mirror",
    [
        "{backendRef: {name: nonexistent, port: 80}}",
        "{backendRef: {name: none, port: 80}}",
        "{backendRef: {name: echo-v2, port: 80}, percent: 0}",
    ],
)
def test_a_mirror_that_gets_nothing_is_not_named(tmp_path: Path, mirror: str) -> None:
    filters = f"filters: [{{type: RequestMirror, requestMirror: {mirror}}}], "
    oracle = router(tmp_path, service("mesh/none", 80, selector="app: none") + mesh(filters + V1))
    assert forwarded(ask(oracle, "mesh/echo")).mirrors == ()


def test_an_unknown_destination_is_a_fault_of_who_asks(tmp_path: Path) -> None:
    oracle = router(tmp_path, "")
    for to in ("mesh/nobody", "gateway infra/nobody"):
        with pytest.raises(KeyError):
            ask(oracle, to)
    with pytest.raises(KeyError):
        ask(oracle, "mesh/echo", source="mesh/nobody")
