"""The mesh cases of Gateway API's conformance suite, by their published names: what they expect, asked of the oracle.

Source: https://github.com/kubernetes-sigs/gateway-api/tree/main/conformance/tests/mesh. Of ``MeshFrontend`` the request to a
pod's address is left out: no Service is asked there.
"""

from pathlib import Path

import pytest
from routed import ECHO, ask, route, router, shown

from harness.model.route import HTTPHeader
from harness.model.routing import Forwarded, Mirrored, Replied

PARENT = '  parentRefs: [{group: "", kind: Service, name: echo, port: 80}]\n'
V1 = "backendRefs: [{name: echo-v1, port: 80}]"
V2 = "backendRefs: [{name: echo-v2, port: 80}]"
SET = "filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: X-Header-Set, value: %s}]}}]"


def mesh(rules: str, parent: str = PARENT, kind: str = "HTTPRoute", name: str = "mesh/r") -> str:
    return route(name, f"{parent}  rules:\n{rules}", kind)


def sets(answers: tuple[Forwarded | Replied, ...]) -> list[HTTPHeader]:
    (only,) = answers
    assert isinstance(only, Forwarded)
    return [header for changes in only.response for header in changes.set or ()]


def test_mesh_basic(tmp_path: Path) -> None:
    assert shown(ask(router(tmp_path, ""), "mesh/echo")) == "mesh/echo"


def test_mesh_frontend(tmp_path: Path) -> None:
    parent = '  parentRefs: [{group: "", kind: Service, name: echo-v2}]\n'
    oracle = router(tmp_path, mesh(f"    - {{{SET % 'set'}, {V2}}}", parent))
    assert sets(ask(oracle, "mesh/echo-v2")) == [HTTPHeader("X-Header-Set", "set")]


def test_mesh_frontend_hostname(tmp_path: Path) -> None:
    """What is asked is told by the Service's address, not by the Host header."""
    parent = '  parentRefs: [{group: "", kind: Service, name: echo-v2}]\n'
    oracle = router(tmp_path, mesh(f"    - {{{SET % 'set'}, {V2}}}", parent))
    wrong_name = ask(oracle, "mesh/echo-v2", host="echo-v1")
    assert (shown(wrong_name), len(sets(wrong_name))) == ("mesh/echo-v2", 1)
    other_service = ask(oracle, "mesh/echo-v1", host="echo-v2")
    assert (shown(other_service), sets(other_service)) == ("mesh/echo-v1", [])


def test_mesh_ports(tmp_path: Path) -> None:
    oracle = router(
        tmp_path,
        mesh(f"    - {{{SET % 'v1'}, {V1}}}", '  parentRefs: [{group: "", kind: Service, name: echo-v1, port: 80}]\n')
        + mesh(f"    - {{{SET % 'v2'}, {V2}}}", '  parentRefs: [{group: "", kind: Service, name: echo-v2}]\n', name="mesh/s"),
    )
    places = [(name, port) for name in ("echo-v1", "echo-v2") for port in (80, 8080)]
    assert {(name, port): sets(ask(oracle, f"mesh/{name}", port=port)) for name, port in places} == {
        ("echo-v1", 80): [HTTPHeader("X-Header-Set", "v1")],
        ("echo-v1", 8080): [],
        ("echo-v2", 80): [HTTPHeader("X-Header-Set", "v2")],
        ("echo-v2", 8080): [HTTPHeader("X-Header-Set", "v2")],
    }


def test_mesh_traffic_split(tmp_path: Path) -> None:
    rules = (
        f"    - {{matches: [{{path: {{type: Exact, value: /v1}}}}], {V1}}}\n"
        f"    - {{matches: [{{path: {{type: Exact, value: /v2}}}}], {V2}}}\n"
    )
    oracle = router(tmp_path, mesh(rules))
    assert [shown(ask(oracle, "mesh/echo", path)) for path in ("/v1", "/v2")] == ["mesh/echo-v1", "mesh/echo-v2"]


def test_mesh_consumer_route(tmp_path: Path) -> None:
    parent = '  parentRefs: [{group: "", kind: Service, name: echo-v1, namespace: mesh}]\n'
    backend = "backendRefs: [{name: echo-v1, namespace: mesh, port: 80}]"
    oracle = router(tmp_path, mesh(f"    - {{{SET % 'set'}, {backend}}}", parent, name="consumer/r"))
    assert sets(ask(oracle, "mesh/echo-v1", source="consumer/echo-v1")) == [HTTPHeader("X-Header-Set", "set")]
    assert sets(ask(oracle, "mesh/echo-v1", source="mesh/echo-v1")) == []


MATCHING = f"""\
    - matches: [{{path: {{type: PathPrefix, value: /}}}}, {{headers: [{{name: version, value: one}}]}}]
      {V1}
    - matches: [{{path: {{type: PathPrefix, value: /v2}}}}, {{headers: [{{name: version, value: two}}]}}]
      {V2}
"""


@pytest.mark.parametrize(
    ("path", "version", "backend"),
    [
        ("/", "", "v1"), ("/example", "", "v1"), ("/", "one", "v1"), ("/v2", "", "v2"), ("/v2/example", "", "v2"),
        ("/", "two", "v2"), ("/v2/", "", "v2"), ("/v2example", "", "v1"), ("/foo/v2/example", "", "v1"),
    ],
)  # fmt: skip
def test_mesh_http_route_matching(tmp_path: Path, path: str, version: str, backend: str) -> None:
    headers = {"Version": version} if version else {}
    assert shown(ask(router(tmp_path, mesh(MATCHING)), "mesh/echo", path, headers=headers)) == f"mesh/echo-{backend}"


QUERIES = f"""\
    - {{matches: [{{queryParams: [{{name: animal, value: whale}}]}}], {V1}}}
    - {{matches: [{{queryParams: [{{name: animal, value: dolphin}}]}}], {V2}}}
    - matches: [{{path: {{value: /path1}}, queryParams: [{{name: animal, value: whale}}]}}]
      {V1}
    - matches: [{{headers: [{{name: version, value: one}}], queryParams: [{{name: animal, value: whale}}]}}]
      {V2}
    - matches:
        - {{path: {{value: /path3}}, queryParams: [{{name: animal, value: shark}}]}}
        - path: {{value: /path4}}
          headers: [{{name: version, value: three}}]
          queryParams: [{{name: animal, value: kraken}}]
      {V1}
    - {{matches: [{{path: {{value: /path5}}}}], {V1}}}
    - {{matches: [{{queryParams: [{{name: animal, value: hydra}}]}}], {V2}}}
"""


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        ("/?animal=whale", "", "v1"), ("/?animal=dolphin", "", "v2"), ("/?animal=whale&otherparam=irrelevant", "", "v1"),
        ("/?animal=dolphin&color=yellow", "", "v2"), ("/?color=blue", "", 404), ("/?animal=dog", "", 404),
        ("/?animal=whaledolphin", "", 404), ("/", "", 404), ("/path1?animal=whale", "", "v1"), ("/?animal=whale", "one", "v2"),
        ("/path3?animal=shark", "", "v1"), ("/path4?animal=kraken", "three", "v1"), ("/?animal=shark", "", 404),
        ("/path4?animal=kraken", "", 404), ("/path5?animal=hydra", "", "v1"),
    ],
)  # fmt: skip
def test_mesh_http_route_query_param_matching(tmp_path: Path, path: str, version: str, expected: str | int) -> None:
    headers = {"version": version} if version else {}
    found = shown(ask(router(tmp_path, mesh(QUERIES)), "mesh/echo", path, headers=headers))
    assert found == (expected if isinstance(expected, int) else f"mesh/echo-{expected}")


def test_mesh_http_route_simple_same_namespace(tmp_path: Path) -> None:
    assert shown(ask(router(tmp_path, mesh(f"    - {{{V1}}}")), "mesh/echo")) == "mesh/echo-v1"


def test_mesh_http_route_named_rule(tmp_path: Path) -> None:
    oracle = router(
        tmp_path,
        mesh(
            f"    - {{name: named-rule, matches: [{{path: {{value: /named}}}}], {V1}}}\n"
            f"    - {{matches: [{{path: {{value: /unnamed}}}}], {V2}}}"
        ),
    )
    assert [shown(ask(oracle, "mesh/echo", path)) for path in ("/named", "/unnamed")] == ["mesh/echo-v1", "mesh/echo-v2"]


def test_mesh_http_route_weight(tmp_path: Path) -> None:
    refs = "[{name: echo-v1, port: 8080, weight: 70}, {name: echo-v2, port: 8080, weight: 30}]"
    answers = ask(router(tmp_path, mesh(f"    - {{backendRefs: {refs}}}")), "mesh/echo")
    assert [(each.backend, each.weight) for each in answers if isinstance(each, Forwarded)] == [
        ("mesh/echo-v1", 70), ("mesh/echo-v2", 30)
    ]  # fmt: skip


MODIFIERS = {
    "/set": "set: [{name: X-Header-Set, value: set-overwrites-values}]",
    "/add": "add: [{name: X-Header-Add, value: add-appends-values}]",
    "/remove": "remove: [X-Header-Remove]",
    "/multiple": "set: [{name: X-Header-Set-1, value: header-set-1}, {name: X-Header-Set-2, value: header-set-2}], "
    "add: [{name: X-Header-Add-1, value: header-add-1}, {name: X-Header-Add-2, value: header-add-2}, "
    "{name: X-Header-Add-3, value: header-add-3}], remove: [X-Header-Remove-1, X-Header-Remove-2]",
    "/case-insensitivity": "set: [{name: X-Header-Set, value: header-set}], add: [{name: X-Header-Add, value: header-add}], "
    "remove: [X-Header-Remove]",
}
MODIFIED = [
    ("/set", {"Some-Other-Header": "val"}, {"some-other-header": "val", "x-header-set": "set-overwrites-values"}),
    (
        "/set",
        {"Some-Other-Header": "val", "X-Header-Set": "some-other-value"},
        {"some-other-header": "val", "x-header-set": "set-overwrites-values"},
    ),
    ("/add", {"Some-Other-Header": "val"}, {"some-other-header": "val", "x-header-add": "add-appends-values"}),
    (
        "/add",
        {"Some-Other-Header": "val", "X-Header-Add": "some-other-value"},
        {"some-other-header": "val", "x-header-add": "some-other-value,add-appends-values"},
    ),
    ("/remove", {"X-Header-Remove": "val"}, {}),
    (
        "/multiple",
        {
            "X-Header-Set-2": "set-val-2",
            "X-Header-Add-2": "add-val-2",
            "X-Header-Remove-2": "remove-val-2",
            "Another-Header": "another-header-val",
        },
        {
            "x-header-set-1": "header-set-1",
            "x-header-set-2": "header-set-2",
            "x-header-add-1": "header-add-1",
            "x-header-add-2": "add-val-2,header-add-2",
            "x-header-add-3": "header-add-3",
            "another-header": "another-header-val",
        },
    ),
    (
        "/case-insensitivity",
        {
            "x-header-set": "original-val-set",
            "x-header-add": "original-val-add",
            "x-header-remove": "original-val-remove",
            "Another-Header": "another-header-val",
        },
        {"x-header-set": "header-set", "x-header-add": "original-val-add,header-add", "another-header": "another-header-val"},
    ),
]


@pytest.mark.parametrize(("path", "sent", "expected"), MODIFIED)
@pytest.mark.parametrize("place", ["MeshHTTPRouteRequestHeaderModifier", "MeshHTTPRouteBackendRequestHeaderModifier"])
def test_mesh_http_route_request_header_modifier(
    tmp_path: Path, place: str, path: str, sent: dict[str, str], expected: dict[str, str]
) -> None:
    rules = ""
    for value, changes in MODIFIERS.items():
        filters = f"filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{{changes}}}}}]"
        match = f"matches: [{{path: {{value: {value}}}}}]"
        if "Backend" in place:
            rules += f"    - {{{match}, backendRefs: [{{name: echo-v1, port: 80, {filters}}}]}}\n"
        else:
            rules += f"    - {{{match}, {filters}, {V1}}}\n"
    (only,) = ask(router(tmp_path, mesh(rules)), "mesh/echo", path, headers=sent)
    assert isinstance(only, Forwarded)
    assert (only.backend, only.path) == ("mesh/echo-v1", path)
    assert {name.lower(): value for name, value in only.headers.items()} == expected


HEADERS = (
    "requestHeaderModifier: {set: [{name: X-Header-Set, value: set-overwrites-values}], "
    "add: [{name: X-Header-Add, value: header-val-1}, {name: X-Header-Add-Append, value: header-val-2}], "
    "remove: [X-Header-Remove]}"
)


def _rewrite(value: str, path: str, more: str = "") -> str:
    filters = f"[{{type: URLRewrite, urlRewrite: {{path: {{{path}}}}}}}{more}]"
    return f"    - {{matches: [{{path: {{value: {value}}}}}], filters: {filters}, {V1}}}\n"


REWRITES = (
    _rewrite("/prefix/one", "type: ReplacePrefixMatch, replacePrefixMatch: /one")
    + _rewrite("/strip-prefix", "type: ReplacePrefixMatch, replacePrefixMatch: /")
    + _rewrite("/full/one", "type: ReplaceFullPath, replaceFullPath: /one")
    + _rewrite(
        "/full/rewrite-path-and-modify-headers",
        "type: ReplaceFullPath, replaceFullPath: /test",
        f", {{type: RequestHeaderModifier, {HEADERS}}}",
    )
    + _rewrite(
        "/prefix/rewrite-path-and-modify-headers",
        "type: ReplacePrefixMatch, replacePrefixMatch: /prefix",
        f", {{type: RequestHeaderModifier, {HEADERS}}}",
    )
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/prefix/one/two", "/one/two"),
        ("/strip-prefix/three", "/three"),
        ("/strip-prefix", "/"),
        ("/full/one/two", "/one"),
        ("/full/rewrite-path-and-modify-headers/test", "/test"),
        ("/prefix/rewrite-path-and-modify-headers/one", "/prefix/one"),
    ],
)
def test_mesh_http_route_rewrite_path(tmp_path: Path, path: str, expected: str) -> None:
    sent = {"X-Header-Remove": "remove-val", "X-Header-Add-Append": "append-val-1", "X-Header-Set": "set-val"}
    (only,) = ask(router(tmp_path, mesh(REWRITES)), "mesh/echo", path, headers=sent)
    assert isinstance(only, Forwarded)
    assert only.path == expected
    if "modify" in path:
        assert only.headers == {
            "X-Header-Add-Append": "append-val-1,header-val-2",
            "X-Header-Set": "set-overwrites-values",
            "X-Header-Add": "header-val-1",
        }


GRPC_PARENT = '  parentRefs: [{group: "", kind: Service, name: echo, port: 7070}]\n'


def test_mesh_grpc_route_weight(tmp_path: Path) -> None:
    refs = "[{name: echo-v1, port: 7070, weight: 70}, {name: echo-v2, port: 7070, weight: 30}]"
    oracle = router(tmp_path, mesh(f"    - {{backendRefs: {refs}}}", GRPC_PARENT, "GRPCRoute"))
    answers = ask(oracle, "mesh/echo", port=7070, grpc=f"{ECHO}/Echo")
    assert [(each.backend, each.weight) for each in answers if isinstance(each, Forwarded)] == [
        ("mesh/echo-v1", 70), ("mesh/echo-v2", 30)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "changes", "backend", "sent", "expected"),
    [
        (
            "set",
            "set: [{name: X-Header-Set, value: set-overwrites-values}]",
            "echo-v1",
            {"some-other-header": "this-header-should-be-set", "x-header-set": "this-value-should-be-overwritten"},
            {"some-other-header": "this-header-should-be-set", "x-header-set": "set-overwrites-values"},
        ),
        (
            "add",
            "add: [{name: X-Header-Add, value: add-appends-values}]",
            "echo-v1",
            {"x-header-add": "this-value-should-be-appended"},
            {"x-header-add": "this-value-should-be-appended,add-appends-values"},
        ),
        ("remove", "remove: [X-Header-Remove]", "echo-v1", {"x-header-remove": "this-should-be-removed"}, {}),
        (
            "multi",
            "set: [{name: X-Header-Set-1, value: header-set-1}, {name: X-Header-Set-2, value: header-set-2}], "
            "add: [{name: X-Header-Add-1, value: header-add-1}, {name: X-Header-Add-2, value: header-add-2}], "
            "remove: [X-Header-Remove-1, X-Header-Remove-2]",
            "echo-v2",
            {
                "x-header-set-2": "set-header-2",
                "x-header-add-2": "add-header-2",
                "x-header-remove-2": "should-be-removed-2",
            },
            {
                "x-header-set-1": "header-set-1",
                "x-header-set-2": "header-set-2",
                "x-header-add-1": "header-add-1",
                "x-header-add-2": "add-header-2,header-add-2",
            },
        ),
    ],
)
def test_mesh_grpc_route_request_header_modifier(
    tmp_path: Path, case: str, changes: str, backend: str, sent: dict[str, str], expected: dict[str, str]
) -> None:
    rule = (
        f"    - matches: [{{method: {{service: {ECHO}, method: Echo}}, headers: [{{name: x-test-case, value: {case}}}]}}]\n"
        f"      filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{{changes}}}}}]\n"
        f"      backendRefs: [{{name: {backend}, port: 7070}}]\n"
    )
    oracle = router(tmp_path, mesh(rule, GRPC_PARENT, "GRPCRoute"))
    (only,) = ask(oracle, "mesh/echo", port=7070, grpc=f"{ECHO}/Echo", headers={"x-test-case": case, **sent})
    assert isinstance(only, Forwarded)
    found = {name.lower(): value for name, value in only.headers.items()}
    assert (only.backend, found) == (
        f"mesh/{backend}",
        {"content-type": "application/grpc", "x-test-case": case, **expected},
    )


def test_mesh_grpc_route_request_mirror(tmp_path: Path) -> None:
    mirror = "{type: RequestMirror, requestMirror: {backendRef: {name: echo-v2, port: 7070}}}"
    rules = (
        f"    - matches: [{{headers: [{{name: x-mirror-only, value: 'true'}}]}}]\n      filters: [{mirror}]\n"
        "      backendRefs: [{name: echo-v1, port: 7070}]\n"
        f"    - matches: [{{headers: [{{name: x-mirror-and-modify, value: 'true'}}]}}]\n"
        f"      filters: [{{type: RequestHeaderModifier, {HEADERS}}}, {mirror}]\n"
        "      backendRefs: [{name: echo-v1, port: 7070}]\n"
    )
    oracle = router(tmp_path, mesh(rules, GRPC_PARENT, "GRPCRoute"))
    for headers in (
        {"x-mirror-only": "true"},
        {"x-mirror-and-modify": "true", "X-Header-Remove": "remove-val", "X-Header-Add-Append": "append-val-1"},
    ):
        (only,) = ask(oracle, "mesh/echo", port=7070, grpc=f"{ECHO}/Echo", headers=headers)
        assert isinstance(only, Forwarded)
        assert (only.backend, only.mirrors) == ("mesh/echo-v1", (Mirrored("mesh/echo-v2", 7070, 1, 1),))
        if "x-mirror-and-modify" in headers:
            assert only.headers == {
                "content-type": "application/grpc",
                "x-mirror-and-modify": "true",
                "X-Header-Add-Append": "append-val-1,header-val-2",
                "X-Header-Set": "set-overwrites-values",
                "X-Header-Add": "header-val-1",
            }
