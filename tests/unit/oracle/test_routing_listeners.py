"""Which routes a listener of a Gateway accepts, and which of them takes a request for a host."""

from pathlib import Path

import pytest
from routed import ask, gateway, route, router, shown

EDGE = "gateway infra/one"


def edge(number: int, name: str, kind: str = "HTTPRoute", hosts: str = "", created: str = "") -> str:
    spec = f"  parentRefs: [{{name: one}}]\n{hosts}  rules: [{{backendRefs: [{{name: v{number}, port: 8080}}]}}]"
    return route(f"infra/{name}", spec, kind, created)


@pytest.mark.parametrize(
    ("http", "grpc", "expected"),
    [
        (("z", "2026-01-01T00:00:00Z"), ("a", "2026-01-01T00:00:01Z"), ("infra/v1", "infra/v1")),
        (("a", "2026-01-01T00:00:01Z"), ("z", "2026-01-01T00:00:00Z"), (404, "infra/v2")),
        (("a", ""), ("z", ""), ("infra/v1", "infra/v1")),
        (("z", ""), ("a", ""), (404, "infra/v2")),
        (("a", ""), ("a", ""), (404, "infra/v2")),
    ],
)
def test_of_an_httproute_and_a_grpcroute_for_one_host_the_older_is_accepted(
    tmp_path: Path, http: tuple[str, str], grpc: tuple[str, str], expected: tuple[object, object]
) -> None:
    hosts = "  hostnames: ['*.example.com']\n", "  hostnames: [a.example.com, b.org]\n"
    manifests = gateway("one", "[{name: http, port: 80, protocol: HTTP}]")
    manifests += edge(1, http[0], "HTTPRoute", hosts[0], http[1]) + edge(2, grpc[0], "GRPCRoute", hosts[1], grpc[1])
    oracle = router(tmp_path, manifests)
    asked = ask(oracle, EDGE, host="a.example.com"), ask(oracle, EDGE, host="a.example.com", grpc="a.B/C")
    assert tuple(map(shown, asked)) == expected


def test_routes_of_both_kinds_for_different_hosts_are_accepted(tmp_path: Path) -> None:
    manifests = gateway("one", "[{name: http, port: 80, protocol: HTTP}]")
    manifests += edge(1, "a", hosts="  hostnames: [a.org]\n") + edge(2, "b", "GRPCRoute", "  hostnames: [b.org]\n")
    oracle = router(tmp_path, manifests)
    assert shown(ask(oracle, EDGE, host="a.org")) == "infra/v1"
    assert shown(ask(oracle, EDGE, host="b.org", grpc="a.B/C")) == "infra/v2"


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        ("{kinds: [{kind: GRPCRoute}]}", 404),
        ("{kinds: [{kind: GRPCRoute}, {kind: HTTPRoute}]}", "infra/v1"),
        ("{kinds: [{kind: HTTPRoute, group: example.com}]}", 404),
        ("{namespaces: {from: All}}", "infra/v1"),
        ("{namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: infra}}}}", "infra/v1"),
        ("{namespaces: {from: Selector, selector: {matchLabels: {backend: 'yes'}}}}", 404),
        ("{}", "infra/v1"),
    ],
)
def test_a_listener_accepts_what_it_allows(tmp_path: Path, allowed: str, expected: str | int) -> None:
    listener = f"[{{name: http, port: 80, protocol: HTTP, allowedRoutes: {allowed}}}]"
    assert shown(ask(router(tmp_path, gateway("one", listener) + edge(1, "a")), EDGE, host="x")) == expected


def test_the_more_specific_host_of_a_route_stands_before_every_path(tmp_path: Path) -> None:
    manifests = gateway("one", "[{name: http, port: 80, protocol: HTTP}]")
    manifests += edge(1, "z", hosts="  hostnames: ['*.com', a.example.com]\n")
    manifests += edge(2, "b", hosts="  hostnames: ['*.example.com']\n")
    manifests += edge(3, "c").replace("rules: [{", "rules: [{matches: [{path: {type: Exact, value: /x}}], ")
    oracle = router(tmp_path, manifests)
    hosts = ("a.example.com", "b.example.com", "b.com", "b.org")
    assert [shown(ask(oracle, EDGE, "/x", host=host)) for host in hosts] == ["infra/v1", "infra/v2", "infra/v1", "infra/v3"]


def test_where_the_more_specific_hosts_route_has_no_match_the_others_are_asked(tmp_path: Path) -> None:
    manifests = gateway("one", "[{name: http, port: 80, protocol: HTTP}]") + edge(2, "b")
    manifests += edge(1, "a", hosts="  hostnames: [a.org]\n").replace("rules: [{", "rules: [{matches: [{path: {value: /x}}], ")
    oracle = router(tmp_path, manifests)
    assert [shown(ask(oracle, EDGE, path, host="a.org")) for path in ("/x", "/y")] == ["infra/v1", "infra/v2"]
