"""Mesh cases of Gateway API's conformance suite by their published names: what is asked, and what is expected.

Manifests are our own, and shorter: of requests that differ in no way that matters here one is asked.
Source: https://github.com/kubernetes-sigs/gateway-api/tree/main/conformance/tests/mesh
"""

from dataclasses import dataclass, field

from harness.model.topology import Namespace, Pod, Topology

PORTS = (80, 8080)
"""Of each Service."""


def _pod(ref: str, node: str, version: str) -> Pod:
    namespace, name = ref.split("/")
    return Pod(name, namespace, node, {"app": "echo", "version": version})


MESH = Topology(
    "mesh",
    ("n1", "n2"),
    (Namespace("mesh"), Namespace("consumer")),
    (_pod("mesh/echo-v1", "n1", "v1"), _pod("mesh/echo-v2", "n2", "v2"), _pod("consumer/echo-v1", "n1", "v1")),
)


def _service(name: str, selector: str) -> str:
    ports = ", ".join(f"{{name: p{port}, port: {port}, targetPort: 8080}}" for port in PORTS)
    head = f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: mesh}}\n"
    return f"{head}spec: {{ports: [{ports}], selector: {{{selector}}}}}\n---\n"


SERVICES = (
    _service("echo", "app: echo")
    + _service("echo-v1", "app: echo, version: v1")
    + _service("echo-v2", "app: echo, version: v2")
)


@dataclass(frozen=True)
class Asked:
    """A request from a pod, and who answers (the name of a pod), or with which status and ``location``.

    ``told`` are headers that the backend gets, ``gets`` those of the answer; None stands for one that is not there.
    """

    path: str
    expected: str | int
    headers: dict[str, str] = field(default_factory=dict)
    to: str = "echo"
    port: int = 80
    source: str = "mesh/echo-v1"
    target: str | None = None
    location: str | None = None
    told: dict[str, str | None] = field(default_factory=dict)
    gets: dict[str, str | None] = field(default_factory=dict)


V1 = "backendRefs: [{name: echo-v1, port: 80}]"
V2 = "backendRefs: [{name: echo-v2, port: 80}]"


def _route(rules: str, parent: str = "name: echo, port: 80", name: str = "mesh/r") -> str:
    namespace, _, name = name.partition("/")
    head = f"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
    return f'{head}spec:\n  parentRefs: [{{group: "", kind: Service, {parent}}}]\n  rules:\n{rules}---\n'


def _sets(value: str, backend: str) -> str:
    changes = f"{{set: [{{name: X-Header-Set, value: {value}}}]}}"
    return f"    - {{filters: [{{type: ResponseHeaderModifier, responseHeaderModifier: {changes}}}], {backend}}}\n"


def _redirects(*rules: tuple[str, str]) -> str:
    return "".join(
        f"    - {{matches: [{{path: {{value: {path}}}}}], filters: [{{type: RequestRedirect, requestRedirect: {{{what}}}}}]}}\n"
        for path, what in rules
    )


def _rewrite(path: str, change: str, more: str = "") -> str:
    filters = f"[{{type: URLRewrite, urlRewrite: {{path: {{{change}}}}}}}{more}]"
    return f"    - {{matches: [{{path: {{value: {path}}}}}], filters: {filters}, {V1}}}\n"


_MODIFIED = (
    ", {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Header-Set, value: set-overwrites-values}], "
    "add: [{name: X-Header-Add, value: header-val-1}, {name: X-Header-Add-Append, value: header-val-2}], "
    "remove: [X-Header-Remove]}}"
)
_SENT = {"X-Header-Remove": "remove-val", "X-Header-Add-Append": "append-val-1", "X-Header-Set": "set-val"}
_TOLD = {
    "x-header-add-append": "append-val-1,header-val-2",
    "x-header-set": "set-overwrites-values",
    "x-header-add": "header-val-1",
    "x-header-remove": None,
}


def _modifier(where: str) -> str:
    changes = (
        "requestHeaderModifier: {set: [{name: X-Header-Set, value: set-overwrites-values}], "
        "add: [{name: X-Header-Add, value: add-appends-values}], remove: [X-Header-Remove]}"
    )
    filters = f"filters: [{{type: RequestHeaderModifier, {changes}}}]"
    return (
        f"    - {{{filters}, {V1}}}\n" if where == "rule" else f"    - backendRefs: [{{name: echo-v1, port: 80, {filters}}}]\n"
    )


_ASKED_MODIFIER = (
    Asked("/", "echo-v1", {"Some": "val"}, told={"some": "val", "x-header-set": "set-overwrites-values"}),
    Asked(
        "/", "echo-v1", {"x-header-set": "other", "X-HEADER-ADD": "other", "x-header-remove": "val"},
        told={"x-header-set": "set-overwrites-values", "x-header-add": "other,add-appends-values", "x-header-remove": None},
    ),
)  # fmt: skip

SUITE: dict[str, tuple[str, tuple[Asked, ...]]] = {
    "MeshBasic": ("", (Asked("/", "echo-v1", to="echo-v1"), Asked("/", "echo-v2", to="echo-v2"))),
    "MeshFrontend": (
        _route(_sets("set", V2), "name: echo-v2"),
        (Asked("/", "echo-v2", to="echo-v2", gets={"x-header-set": "set"}),),
    ),
    "MeshFrontendHostname": (
        _route(_sets("set", V2), "name: echo-v2"),
        (
            Asked("/", "echo-v2", {"Host": "echo-v1"}, "echo-v2", gets={"x-header-set": "set"}),
            Asked("/", "echo-v1", {"Host": "echo-v2"}, "echo-v1", gets={"x-header-set": None}),
        ),
    ),
    "MeshPorts": (
        _route(_sets("v1", V1), "name: echo-v1, port: 80") + _route(_sets("v2", V2), "name: echo-v2", "mesh/s"),
        tuple(
            Asked("/", f"echo-{version}", to=f"echo-{version}", port=port, gets={"x-header-set": value})
            for version, port, value in (("v1", 80, "v1"), ("v1", 8080, None), ("v2", 80, "v2"), ("v2", 8080, "v2"))
        ),
    ),
    "MeshTrafficSplit": (
        _route(
            f"    - {{matches: [{{path: {{type: Exact, value: /v1}}}}], {V1}}}\n"
            f"    - {{matches: [{{path: {{type: Exact, value: /v2}}}}], {V2}}}\n"
        ),
        (Asked("/v1", "echo-v1"), Asked("/v2", "echo-v2")),
    ),
    "MeshConsumerRoute": (
        _route(
            _sets("set", "backendRefs: [{name: echo-v1, namespace: mesh, port: 80}]"),
            "name: echo-v1, namespace: mesh",
            "consumer/r",
        ),
        (
            Asked("/", "echo-v1", to="echo-v1", source="consumer/echo-v1", gets={"x-header-set": "set"}),
            Asked("/", "echo-v1", to="echo-v1", source="mesh/echo-v2", gets={"x-header-set": None}),
        ),
    ),
    "MeshHTTPRouteSimpleSameNamespace": (_route(f"    - {{{V1}}}\n"), (Asked("/", "echo-v1"),)),
    "MeshHTTPRouteNamedRule": (
        _route(
            f"    - {{name: named-rule, matches: [{{path: {{value: /named}}}}], {V1}}}\n"
            f"    - {{matches: [{{path: {{value: /unnamed}}}}], {V2}}}\n"
        ),
        (Asked("/named", "echo-v1"), Asked("/unnamed", "echo-v2")),
    ),
    "MeshHTTPRouteMatching": (
        _route(
            "    - matches: [{path: {type: PathPrefix, value: /}}, {headers: [{name: version, value: one}]}]\n"
            f"      {V1}\n"
            "    - matches: [{path: {type: PathPrefix, value: /v2}}, {headers: [{name: version, value: two}]}]\n"
            f"      {V2}\n"
        ),
        tuple(
            Asked(path, f"echo-{expected}", {"Version": version} if version else {})
            for path, version, expected in (
                ("/", "", "v1"), ("/example", "", "v1"), ("/", "one", "v1"), ("/v2", "", "v2"), ("/v2/example", "", "v2"),
                ("/", "two", "v2"), ("/v2/", "", "v2"), ("/v2example", "", "v1"), ("/foo/v2/example", "", "v1"),
            )
        ),
    ),
    "MeshHTTPRouteQueryParamMatching": (
        _route(
            f"    - {{matches: [{{queryParams: [{{name: animal, value: whale}}]}}], {V1}}}\n"
            f"    - {{matches: [{{queryParams: [{{name: animal, value: dolphin}}]}}], {V2}}}\n"
            f"    - {{matches: [{{path: {{value: /path1}}, queryParams: [{{name: animal, value: whale}}]}}], {V1}}}\n"
            "    - matches: [{headers: [{name: version, value: one}], queryParams: [{name: animal, value: whale}]}]\n"
            f"      {V2}\n"
            "    - matches:\n"
            "        - {path: {value: /path3}, queryParams: [{name: animal, value: shark}]}\n"
            "        - path: {value: /path4}\n"
            "          headers: [{name: version, value: three}]\n"
            "          queryParams: [{name: animal, value: kraken}]\n"
            f"      {V1}\n"
            f"    - {{matches: [{{path: {{value: /path5}}}}], {V1}}}\n"
            f"    - {{matches: [{{queryParams: [{{name: animal, value: hydra}}]}}], {V2}}}\n"
        ),
        tuple(
            Asked(path, expected, {"version": version} if version else {})
            for path, version, expected in (
                ("/?animal=whale", "", "echo-v1"), ("/?animal=dolphin", "", "echo-v2"),
                ("/?animal=whale&other=x", "", "echo-v1"),
                ("/?color=blue", "", 404), ("/?animal=dog", "", 404), ("/?animal=whaledolphin", "", 404), ("/", "", 404),
                ("/path1?animal=whale", "", "echo-v1"), ("/?animal=whale", "one", "echo-v2"),
                ("/path3?animal=shark", "", "echo-v1"),
                ("/path4?animal=kraken", "three", "echo-v1"), ("/?animal=shark", "", 404), ("/path4?animal=kraken", "", 404),
                ("/path5?animal=hydra", "", "echo-v1"),
            )
        ),
    ),
    "MeshHTTPRouteRequestHeaderModifier": (_route(_modifier("rule")), _ASKED_MODIFIER),
    "MeshHTTPRouteBackendRequestHeaderModifier": (_route(_modifier("backend")), _ASKED_MODIFIER),
    "MeshHTTPRouteRewritePath": (
        _route(
            _rewrite("/prefix/one", "type: ReplacePrefixMatch, replacePrefixMatch: /one")
            + _rewrite("/strip-prefix", "type: ReplacePrefixMatch, replacePrefixMatch: /")
            + _rewrite("/full/one", "type: ReplaceFullPath, replaceFullPath: /one")
            + _rewrite("/full/modify-headers", "type: ReplaceFullPath, replaceFullPath: /test", _MODIFIED)
            + _rewrite("/prefix/modify-headers", "type: ReplacePrefixMatch, replacePrefixMatch: /prefix", _MODIFIED)
        ),
        (
            Asked("/prefix/one/two", "echo-v1", target="/one/two"),
            Asked("/strip-prefix/three", "echo-v1", target="/three"),
            Asked("/strip-prefix", "echo-v1", target="/"),
            Asked("/full/one/two", "echo-v1", target="/one"),
            Asked("/full/modify-headers/test", "echo-v1", _SENT, target="/test", told=_TOLD),
            Asked("/prefix/modify-headers/one", "echo-v1", _SENT, target="/prefix/one", told=_TOLD),
        ),
    ),
    "MeshHTTPRouteRedirectHostAndStatus": (
        _route(_redirects(("/host", "hostname: example.org"), ("/status", "hostname: example.org, statusCode: 301"))),
        (
            Asked("/host", 302, location="http://example.org/host"),
            Asked("/status", 301, location="http://example.org/status"),
        ),
    ),
    "MeshHTTPRouteRedirectPath": (
        _route(
            _redirects(
                ("/original-prefix", "path: {type: ReplacePrefixMatch, replacePrefixMatch: /replacement-prefix}"),
                ("/full", "path: {type: ReplaceFullPath, replaceFullPath: /full-path-replacement}"),
            )
        ),
        (
            Asked("/original-prefix/lemon", 302, location="http://echo/replacement-prefix/lemon"),
            Asked("/full/path/original", 302, location="http://echo/full-path-replacement"),
        ),
    ),
    "MeshHTTPRouteRedirectPort": (
        _route(_redirects(("/port", "port: 8083"), ("/both", "port: 8083, hostname: example.org, statusCode: 301"))),
        (Asked("/port", 302, location="http://echo:8083/port"), Asked("/both", 301, location="http://example.org:8083/both")),
    ),
    "MeshHTTPRouteSchemeRedirect": (
        _route(_redirects(("/scheme", "scheme: https"), ("/both", "hostname: example.org, scheme: https"))),
        (Asked("/scheme", 302, location="https://echo/scheme"), Asked("/both", 302, location="https://example.org/both")),
    ),
    **{
        f"MeshHTTPRoute{code}Redirect": (
            _route(_redirects(("/redirect", f"statusCode: {code}"))),
            (Asked("/redirect", code, location="http://echo/redirect"),),
        )
        for code in (303, 307, 308)
    },
}  # fmt: skip
