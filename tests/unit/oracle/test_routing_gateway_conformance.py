"""Cases of Gateway API's conformance suite for Gateways that ask where requests go: their names, and what they expect.

Source: https://github.com/kubernetes-sigs/gateway-api/tree/main/conformance/tests. Left out are those about TLS, CORS,
WebSocket, sessions, external authorisation and the status of objects, and where EndpointSlices are written by hand.
"""

from pathlib import Path

import pytest
from routed import ECHO, ask, gateway, route, router, service, shown

SAME = "  parentRefs: [{name: same-namespace}]\n"


def refs(number: int, more: str = "") -> str:
    return f"backendRefs: [{{name: v{number}, port: 8080{more}}}]"


def rule(match: str, number: int) -> str:
    return f"    - {{matches: [{{{match}}}], {refs(number)}}}\n"


def attached(rules: str, *, parent: str = SAME, hosts: str = "", name: str = "infra/r", kind: str = "HTTPRoute") -> str:
    return route(name, f"{parent}{f'  hostnames: [{hosts}]' if hosts else ''}\n  rules:\n{rules}", kind)


def path(value: str, kind: str = "PathPrefix") -> str:
    return f"path: {{type: {kind}, value: {value}}}"


def header(name: str, value: str) -> str:
    return f"headers: [{{name: {name}, value: {value}}}]"


def listening(hosts: dict[str, str], allowed: str = "", port: int = 80) -> str:
    return (
        "["
        + ", ".join(
            f"{{name: {name}, port: {port}, protocol: HTTP{f', hostname: {host!r}' if host else ''}{allowed}}}"
            for name, host in hosts.items()
        )
        + "]"
    )


EXACT = rule(path("/one", "Exact"), 1) + rule(path("/two", "Exact"), 2)
ORDER = (
    rule(path("/match", "Exact"), 1)
    + rule(path("/match/exact", "Exact"), 2)
    + rule(path("/match/exact/one", "Exact"), 3)
    + rule(path("/match"), 3)
    + rule(path("/match/prefix"), 1)
    + rule(path("/match/prefix/one"), 2)
)
HEADERS = (
    rule(header("version", "one"), 1)
    + rule(header("version", "two"), 2)
    + rule("headers: [{name: version, value: two}, {name: color, value: orange}]", 1)
    + f"    - {{matches: [{{{header('color', 'blue')}}}, {{{header('color', 'green')}}}], {refs(1)}}}\n"
    + f"    - {{matches: [{{{header('color', 'red')}}}, {{{header('color', 'yellow')}}}], {refs(2)}}}\n"
)
HEADER_CASES: list[tuple[dict[str, str], int]] = [
    ({"Version": "one"}, 1), ({"Version": "two"}, 2), ({"Version": "two", "Color": "orange"}, 1),
    ({"Version": "two", "Color": "blue"}, 2), ({"Color": "orange"}, 0), ({"Some-Other-Header": "one"}, 0),
    ({"Color": "blue"}, 1), ({"Color": "green"}, 1), ({"Color": "red"}, 2), ({"Color": "yellow"}, 2), ({"Color": "purple"}, 0),
]  # fmt: skip
METHODS = (
    rule("method: POST", 1)
    + rule("method: GET", 2)
    + rule(f"{path('/path1')}, method: GET", 1)
    + rule(f"{header('version', 'one')}, method: PUT", 2)
    + rule(f"{path('/path2')}, {header('version', 'two')}, method: POST", 3)
    + f"    - matches: [{{{path('/path3')}, method: PATCH}}, "
    f"{{{path('/path4')}, {header('version', 'three')}, method: DELETE}}]\n      {refs(1)}\n"
    + rule(path("/path5"), 1)
    + rule("method: PATCH", 2)
    + rule(header("version", "four"), 3)
)
ACROSS = attached(
    f"    - {{matches: [{{{path('/')}}}, {{{header('version', 'one')}}}], {refs(1)}}}\n", hosts="example.com, example.net"
) + attached(
    f"    - {{matches: [{{{path('/v2')}}}, {{{header('version', 'two')}}}], {refs(2)}}}\n", hosts="example.com", name="infra/s"
)


@pytest.mark.parametrize(
    ("asked", "number"), [("/one", 1), ("/two", 2), ("/", 0), ("/one/example", 0), ("/two/", 0), ("/Two", 0)]
)
def test_http_exact_path_matching(tmp_path: Path, asked: str, number: int) -> None:
    found = shown(ask(router(tmp_path, attached(EXACT)), "gateway infra/same-namespace", asked))
    assert found == (f"infra/v{number}" if number else 404)


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ("/match/exact/one", 3), ("/match/exact", 2), ("/match", 1), ("/match/prefix/one/any", 2), ("/match/prefix/any", 1),
        ("/match/any", 3),
    ],
)  # fmt: skip
def test_http_route_path_match_order(tmp_path: Path, asked: str, number: int) -> None:
    assert shown(ask(router(tmp_path, attached(ORDER)), "gateway infra/same-namespace", asked)) == f"infra/v{number}"


@pytest.mark.parametrize(("headers", "number"), HEADER_CASES)
def test_http_route_header_matching(tmp_path: Path, headers: dict[str, str], number: int) -> None:
    found = shown(ask(router(tmp_path, attached(HEADERS)), "gateway infra/same-namespace", headers=headers))
    assert found == (f"infra/v{number}" if number else 404)


@pytest.mark.parametrize(
    ("method", "asked", "version", "number"),
    [
        ("POST", "/", "", 1), ("GET", "/", "", 2), ("HEAD", "/", "", 0), ("GET", "/path1", "", 1), ("PUT", "/", "one", 2),
        ("POST", "/path2", "two", 3), ("PATCH", "/path3", "", 1), ("DELETE", "/path4", "three", 1), ("PUT", "/", "", 0),
        ("DELETE", "/path4", "", 0), ("PATCH", "/path5", "", 1), ("PATCH", "/", "four", 2),
    ],
)  # fmt: skip
def test_http_route_method_matching(tmp_path: Path, method: str, asked: str, version: str, number: int) -> None:
    headers = {"version": version} if version else {}
    oracle = router(tmp_path, attached(METHODS))
    found = shown(ask(oracle, "gateway infra/same-namespace", asked, method=method, headers=headers))
    assert found == (f"infra/v{number}" if number else 404)


@pytest.mark.parametrize(
    ("host", "asked", "version", "number"),
    [
        ("example.com", "/", "", 1), ("example.com", "/example", "", 1), ("example.net", "/example", "", 1),
        ("example.com", "/example", "one", 1), ("example.com", "/v2", "", 2), ("example.net", "/v2", "", 1),
        ("example.com", "/v2/example", "", 2), ("example.com", "/", "two", 2),
    ],
)  # fmt: skip
def test_http_route_matching_across_routes(tmp_path: Path, host: str, asked: str, version: str, number: int) -> None:
    headers = {"Version": version} if version else {}
    found = shown(ask(router(tmp_path, ACROSS), "gateway infra/same-namespace", asked, host=host, headers=headers))
    assert found == f"infra/v{number}"


CROSSING = "  parentRefs: [{name: crossing}]\n"
INTERSECTING = (
    gateway("crossing", listening({"l1": "very.specific.com", "l2": "*.wildcard.io", "l3": "*.anotherwildcard.io"}))
    + gateway("crossing-all", listening({"l": ""}))
    + "".join(
        attached(rule(path(f"/s{number}"), backend), parent=CROSSING, hosts=hosts, name=f"infra/s{number}")
        for number, backend, hosts in (
            (1, 1, "non.matching.com, '*.nonmatchingwildcard.io', very.specific.com"),
            (2, 2, "non.matching.com, wildcard.io, foo.wildcard.io, bar.wildcard.io, foo.bar.wildcard.io"),
            (3, 3, "non.matching.com, '*.specific.com'"),
            (4, 1, "'*.anotherwildcard.io'"),
            (5, 2, "specific.but.wrong.com, wildcard.io"),
        )
    )
    + attached(
        f"    - {{{refs(2)}}}", parent="  parentRefs: [{name: crossing-all}]\n",
        hosts="first.com, sub.first.com, second.com, sub.second.com", name="infra/s6",
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("host", "asked", "number"),
    [
        ("very.specific.com", "/s1", 1), ("very.specific.com:1234", "/s1", 1), ("non.matching.com", "/s1", 0),
        ("foo.nonmatchingwildcard.io", "/s1", 0), ("foo.wildcard.io", "/s1", 0),
        ("very.specific.com", "/non-matching-prefix", 0),
        ("foo.wildcard.io", "/s2", 2), ("bar.wildcard.io", "/s2", 2), ("foo.bar.wildcard.io", "/s2", 2),
        ("non.matching.com", "/s2", 0), ("wildcard.io", "/s2", 0), ("very.specific.com", "/s2", 0),
        ("foo.wildcard.io", "/non-matching-prefix", 0), ("very.specific.com", "/s3", 3), ("non.matching.com", "/s3", 0),
        ("foo.specific.com", "/s3", 0), ("foo.wildcard.io", "/s3", 0), ("foo.anotherwildcard.io", "/s4", 1),
        ("bar.anotherwildcard.io", "/s4", 1), ("foo.bar.anotherwildcard.io", "/s4", 1), ("anotherwildcard.io", "/s4", 0),
        ("foo.wildcard.io", "/s4", 0), ("very.specific.com", "/s4", 0), ("specific.but.wrong.com", "/s5", 0),
        ("wildcard.io", "/s5", 0),
    ],
)  # fmt: skip
def test_http_route_hostname_intersection(tmp_path: Path, host: str, asked: str, number: int) -> None:
    found = shown(ask(router(tmp_path, INTERSECTING), "gateway infra/crossing", asked, host=host))
    assert found == (f"infra/v{number}" if number else 404)


@pytest.mark.parametrize(
    ("host", "number"),
    [("first.com", 2), ("sub.first.com", 2), ("second.com", 2), ("sub.second.com", 2), ("third.com", 0), ("sub.third.com", 0)],
)
def test_http_route_hostname_intersection_with_a_listener_for_all(tmp_path: Path, host: str, number: int) -> None:
    found = shown(ask(router(tmp_path, INTERSECTING), "gateway infra/crossing-all", host=host))
    assert found == (f"infra/v{number}" if number else 404)


def by_listener(kind: str) -> str:
    hosts = {"l1": "bar.com", "l2": "foo.bar.com", "l3": "*.bar.com", "l4": "*.foo.com"}
    return gateway("named", listening(hosts)) + "".join(
        attached(
            f"    - {{{refs(number)}}}",
            parent=f"  parentRefs: [{', '.join(f'{{name: named, sectionName: {each}}}' for each in sections)}]\n",
            name=f"infra/v{number}",
            kind=kind,
        )
        for number, sections in ((1, ["l1"]), (2, ["l2"]), (3, ["l3", "l4"]))
    )


@pytest.mark.parametrize(
    ("host", "number"),
    [
        ("bar.com", 1), ("foo.bar.com", 2), ("baz.bar.com", 3), ("boo.bar.com", 3), ("multiple.prefixes.bar.com", 3),
        ("multiple.prefixes.foo.com", 3), ("foo.com", 0), ("no.matching.host", 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
def test_listener_hostname_matching(tmp_path: Path, kind: str, host: str, number: int) -> None:
    """HTTPRouteListenerHostnameMatching and GRPCRouteListenerHostnameMatching."""
    grpc = f"{ECHO}/Echo" if kind == "GRPCRoute" else ""
    found = shown(ask(router(tmp_path, by_listener(kind)), "gateway infra/named", host=host, grpc=grpc))
    assert found == (f"infra/v{number}" if number else "grpc 12" if grpc else 404)


@pytest.mark.parametrize(
    ("host", "port", "number"),
    [
        ("foo.com", 80, 1),
        ("foo.com:8080", 8080, 2),
        ("bar.com:8080", 8080, 2),
        ("foo.com:8090", 8090, 3),
        ("bar.com:8090", 8090, 0),
    ],
)
def test_http_route_listener_port_matching(tmp_path: Path, host: str, port: int, number: int) -> None:
    listeners = (
        "[{name: l1, port: 80, protocol: HTTP}, {name: l2, port: 8080, protocol: HTTP, hostname: foo.com}, "
        "{name: l3, port: 8080, protocol: HTTP, hostname: bar.com}, {name: l4, port: 8090, protocol: HTTP, hostname: foo.com}]"
    )
    manifests = gateway("ports", listeners) + "".join(
        attached(f"    - {{{refs(number)}}}", parent=f"  parentRefs: [{{name: ports, port: {on}}}]\n", name=f"infra/v{number}")
        for number, on in ((1, 80), (2, 8080), (3, 8090))
    )
    found = shown(ask(router(tmp_path, manifests), "gateway infra/ports", port=port, host=host))
    assert found == (f"infra/v{number}" if number else 404)


ISOLATED = {"empty-hostname": "", "wildcard-example-com": "*.example.com", "wildcard-foo-example-com": "*.foo.example.com",
            "abc-foo-example-com": "abc.foo.example.com"}  # fmt: skip


@pytest.mark.parametrize(
    ("host", "taking"),
    [
        ("bar.com", "empty-hostname"), ("bar.example.com", "wildcard-example-com"),
        ("bar.foo.example.com", "wildcard-foo-example-com"), ("abc.foo.example.com", "abc-foo-example-com"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("hostnames", [False, True], ids=["only in listeners", "in routes too"])
def test_gateway_http_listener_isolation(tmp_path: Path, hostnames: bool, host: str, taking: str) -> None:
    manifests = gateway("isolated", listening(ISOLATED)) + "".join(
        attached(
            rule(path(f"/{name}"), 1),
            parent=f"  parentRefs: [{{name: isolated, sectionName: {name}}}]\n",
            hosts="bar.com, '*.example.com', '*.foo.example.com', abc.foo.example.com" if hostnames else "",
            name=f"infra/{name}",
        )
        for name in ISOLATED
    )
    oracle = router(tmp_path, manifests)
    for name in ISOLATED:
        found = shown(ask(oracle, "gateway infra/isolated", f"/{name}", host=host))
        assert found == ("infra/v1" if name == taking else 404), name


def method(name: str) -> str:
    return f"method: {{service: {ECHO}, method: {name}}}"


CALLS = rule(method("Echo"), 1) + rule(method("EchoTwo"), 2)


@pytest.mark.parametrize(("asked", "number"), [("Echo", 1), ("EchoTwo", 2), ("EchoThree", 0)])
def test_grpc_exact_method_matching(tmp_path: Path, asked: str, number: int) -> None:
    found = shown(
        ask(router(tmp_path, attached(CALLS, kind="GRPCRoute")), "gateway infra/same-namespace", grpc=f"{ECHO}/{asked}")
    )
    assert found == (f"infra/v{number}" if number else "grpc 12")


@pytest.mark.parametrize(("headers", "number"), HEADER_CASES)
def test_grpc_route_header_matching(tmp_path: Path, headers: dict[str, str], number: int) -> None:
    oracle = router(tmp_path, attached(HEADERS, kind="GRPCRoute"))
    found = shown(ask(oracle, "gateway infra/same-namespace", grpc=f"{ECHO}/Echo", headers=headers))
    assert found == (f"infra/v{number}" if number else "grpc 12")


def test_grpc_route_named_rule(tmp_path: Path) -> None:
    rules = f"    - {{name: named, matches: [{{{method('Echo')}}}], {refs(1)}}}\n    - {{{refs(2)}}}\n"
    oracle = router(tmp_path, attached(rules, kind="GRPCRoute"))
    found = [shown(ask(oracle, "gateway infra/same-namespace", grpc=f"{ECHO}/{each}")) for each in ("Echo", "EchoTwo")]
    assert found == ["infra/v1", "infra/v2"]


def test_grpc_route_multiple_gateways(tmp_path: Path) -> None:
    both = "  parentRefs: [{name: same-namespace}, {name: second}]\n"
    manifests = gateway("second", "[{name: http, port: 80, protocol: HTTP}]")
    manifests += attached(
        f"    - {{matches: [{{{method('Echo')}}}], {refs(1)}}}", parent=both, name="infra/shared", kind="GRPCRoute"
    )
    for number, parent in ((2, "same-namespace"), (3, "second")):
        manifests += attached(
            rule(method("EchoTwo"), number),
            parent=f"  parentRefs: [{{name: {parent}}}]\n",
            name=f"infra/only-{number}",
            kind="GRPCRoute",
        )
    oracle = router(tmp_path, manifests)
    found = {
        (name, asked): shown(ask(oracle, f"gateway infra/{name}", grpc=f"{ECHO}/{asked}"))
        for name in ("same-namespace", "second")
        for asked in ("Echo", "EchoTwo")
    }
    assert found == {
        ("same-namespace", "Echo"): "infra/v1", ("same-namespace", "EchoTwo"): "infra/v2",
        ("second", "Echo"): "infra/v1", ("second", "EchoTwo"): "infra/v3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("listener", "older", "newer"),
    [("abc.example.com", "'*.example.com'", "abc.example.com"), ("*.example.com", "'*.com'", "'*.example.com'")],
)
def test_grpc_route_multiple_routes_attachment_same_hostname_intersection(
    tmp_path: Path, listener: str, older: str, newer: str
) -> None:
    manifests = gateway("one", listening({"l": listener}))
    for number, hosts, created in ((1, older, "2026-01-01T00:00:00Z"), (2, newer, "2026-01-01T00:00:01Z")):
        spec = f"  parentRefs: [{{name: one}}]\n  hostnames: [{hosts}]\n  rules: [{{{refs(number)}}}]"
        manifests += route(f"infra/r{number}", spec, "GRPCRoute", created)
    oracle = router(tmp_path, manifests)
    assert shown(ask(oracle, "gateway infra/one", host="abc.example.com", grpc=f"{ECHO}/Echo")) == "infra/v2"


@pytest.mark.parametrize(("kind", "expected"), [("HTTPRoute", 500), ("GRPCRoute", "grpc 14")])
def test_all_backends_weight_zero(tmp_path: Path, kind: str, expected: str | int) -> None:
    """HTTPRouteAllBackendsWeightZero and GRPCRouteAllBackendsWeightZero."""
    rules = "    - {backendRefs: [{name: v1, port: 8080, weight: 0}, {name: v2, port: 8080, weight: 0}]}"
    grpc = f"{ECHO}/Echo" if kind == "GRPCRoute" else ""
    assert shown(ask(router(tmp_path, attached(rules, kind=kind)), "gateway infra/same-namespace", grpc=grpc)) == expected


def test_http_route_service_types(tmp_path: Path) -> None:
    """Of it the headless Service with a selector."""
    manifests = service("infra/headless", 8080, selector="app: v1", more=", clusterIP: None")
    manifests += attached("    - {backendRefs: [{name: headless, port: 8080}]}")
    assert shown(ask(router(tmp_path, manifests), "gateway infra/same-namespace", "/headless")) == "infra/headless"
