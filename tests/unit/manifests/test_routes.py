"""HTTPRoutes and GRPCRoutes are read as written, and refused where the rules of their CRDs refuse them."""

from pathlib import Path

import pytest

from harness.manifests.errors import ManifestError
from harness.manifests.objects import load_manifests
from harness.model.origin import Origin
from harness.model.route import (
    BackendObject,
    BackendRef,
    Fraction,
    GRPCMethodMatch,
    GRPCRoute,
    GRPCRouteMatch,
    GRPCRouteRule,
    HeaderChanges,
    HTTPHeader,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
    PathModifier,
    RequestHeaderModifier,
    RequestMirror,
    RequestRedirect,
    ResponseHeaderModifier,
    Retry,
    Timeouts,
    URLRewrite,
    ValueMatch,
)
from harness.model.routing import Routing

HTTP = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\n"
GRPC = HTTP.replace("HTTPRoute", "GRPCRoute")


def load(folder: Path, text: str) -> Routing:
    (folder / "r.yaml").write_text(text)
    return load_manifests([folder / "r.yaml"]).routing


def refusal(folder: Path, text: str) -> list[str]:
    with pytest.raises(ManifestError) as refused:
        load(folder, text)
    return [str(fault).removeprefix(f"{folder / 'r.yaml'}:") for fault in refused.value.faults]


def test_every_field_of_an_httproute_reaches_the_model_with_its_line(tmp_path: Path) -> None:
    (route,) = load(
        tmp_path,
        """\
apiVersion: gateway.networking.k8s.io/v1beta1
kind: HTTPRoute
metadata: {name: web, namespace: shop, creationTimestamp: 2026-01-31T12:00:00Z}
spec:
  parentRefs:
    - {group: "", kind: Service, name: web, namespace: other, port: 80, sectionName: http}
    - {name: edge}
  hostnames: ["*.example.com", shop.example.com]
  rules:
    - name: all
      matches:
        - path: {type: RegularExpression, value: "/v[0-9]+/.*"}
          headers: [{type: Exact, name: X-User, value: a b}, {type: RegularExpression, name: X-B, value: "a|b"}]
          queryParams: [{name: animal, value: whale}]
          method: GET
        - {}
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier: {set: [{name: A, value: b}], add: [{name: C, value: d}], remove: [E]}
        - type: ResponseHeaderModifier
          responseHeaderModifier: {set: []}
        - type: RequestMirror
          requestMirror: {backendRef: {name: m, port: 1}, percent: 0}
        - type: RequestMirror
          requestMirror:
            backendRef: {group: "", kind: Service, name: m, namespace: ns, port: 2}
            fraction: {numerator: 1, denominator: 3}
        - type: RequestMirror
          requestMirror: {backendRef: {name: m, port: 1}, fraction: {numerator: 7}}
      backendRefs:
        - name: v1
          port: 8080
          weight: 0
          filters:
            - type: URLRewrite
              urlRewrite: {hostname: a.b, path: {type: ReplaceFullPath, replaceFullPath: /x}}
        - {name: v2, group: multicluster.x-k8s.io, kind: ServiceImport}
      timeouts: {request: 10s, backendRequest: 1m30s500ms}
      retry: {codes: [500, 503], attempts: 3, backoff: 100ms}
    - filters:
        - type: RequestRedirect
          requestRedirect:
            scheme: https
            hostname: a.b
            path: {type: ReplacePrefixMatch, replacePrefixMatch: ""}
            port: 8443
            statusCode: 308
    - timeouts: {}
      retry: {}
status: {parents: []}
""".replace("request: 10s", "request: 0s"),
    ).http_routes

    def at(line: int) -> Origin:
        return Origin(str(tmp_path / "r.yaml"), line)

    assert route == HTTPRoute(
        at(2),
        "web",
        "shop",
        parent_refs=(
            ParentReference(at(6), "web", "", "Service", "other", "http", 80),
            ParentReference(at(7), "edge"),
        ),
        hostnames=("*.example.com", "shop.example.com"),
        created="2026-01-31T12:00:00Z",
        rules=(
            HTTPRouteRule(
                at(10),
                name="all",
                matches=(
                    HTTPRouteMatch(
                        at(12),
                        PathMatch("RegularExpression", "/v[0-9]+/.*"),
                        (ValueMatch("X-User", "a b", "Exact"), ValueMatch("X-B", "a|b", "RegularExpression")),
                        (ValueMatch("animal", "whale"),),
                        "GET",
                    ),
                    HTTPRouteMatch(at(16)),
                ),
                filters=(
                    RequestHeaderModifier(at(18), HeaderChanges((HTTPHeader("A", "b"),), (HTTPHeader("C", "d"),), ("E",))),
                    ResponseHeaderModifier(at(20), HeaderChanges(set=())),
                    RequestMirror(at(22), BackendObject(at(23), "m", port=1), percent=0),
                    RequestMirror(at(24), BackendObject(at(26), "m", "", "Service", "ns", 2), fraction=Fraction(1, 3)),
                    RequestMirror(at(28), BackendObject(at(29), "m", port=1), fraction=Fraction(7)),
                ),
                backend_refs=(
                    BackendRef(
                        BackendObject(at(31), "v1", port=8080),
                        0,
                        (URLRewrite(at(35), "a.b", PathModifier("ReplaceFullPath", "/x")),),
                    ),
                    BackendRef(BackendObject(at(37), "v2", "multicluster.x-k8s.io", "ServiceImport")),
                ),
                timeouts=Timeouts("0s", "1m30s500ms"),
                retry=Retry((500, 503), 3, "100ms"),
            ),
            HTTPRouteRule(
                at(40),
                filters=(RequestRedirect(at(41), "https", "a.b", PathModifier("ReplacePrefixMatch", None, ""), 8443, 308),),
            ),
            HTTPRouteRule(at(48), timeouts=Timeouts(), retry=Retry()),
        ),
    )


def test_every_field_of_a_grpcroute_reaches_the_model_with_its_line(tmp_path: Path) -> None:
    routes = load(
        tmp_path,
        GRPC
        + """\
spec:
  parentRefs: [{group: "", kind: Service, name: rpc}]
  hostnames: [rpc.example.com]
  rules:
    - name: one
      matches:
        - method: {type: Exact, service: shop.Cart, method: Add}
          headers: [{name: version, value: one}]
        - method: {type: RegularExpression, service: "shop[.].*"}
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [a]}}]
      backendRefs: [{name: v1, port: 1, filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {}}]}]
    - {}
---
"""
        + GRPC.replace("name: r", "name: s")
        + "spec: {}\n",
    ).grpc_routes

    def at(line: int) -> Origin:
        return Origin(str(tmp_path / "r.yaml"), line)

    assert routes == (
        GRPCRoute(
            at(2),
            "r",
            "default",
            (ParentReference(at(5), "rpc", "", "Service"),),
            ("rpc.example.com",),
            (
                GRPCRouteRule(
                    at(8),
                    "one",
                    (
                        GRPCRouteMatch(at(10), GRPCMethodMatch("Exact", "shop.Cart", "Add"), (ValueMatch("version", "one"),)),
                        GRPCRouteMatch(at(12), GRPCMethodMatch("RegularExpression", "shop[.].*")),
                    ),
                    (RequestHeaderModifier(at(13), HeaderChanges(remove=("a",))),),
                    (
                        BackendRef(
                            BackendObject(at(14), "v1", port=1), None, (ResponseHeaderModifier(at(14), HeaderChanges()),)
                        ),
                    ),
                ),
                GRPCRouteRule(at(15)),
            ),
        ),
        GRPCRoute(at(18), "s", "default"),
    )


def test_lists_hold_routes_of_both_versions_and_an_empty_time_is_none(tmp_path: Path) -> None:
    text = "---\n".join(
        f'{{"apiVersion": "gateway.networking.k8s.io/{version}", "kind": "HTTPRouteList", '
        f'"items": [{{"metadata": {{"name": "{version}", "creationTimestamp": null}}, "spec": {{}}}}]}}\n'
        for version in ("v1", "v1beta1")
    )
    assert [(each.name, each.created) for each in load(tmp_path, text).http_routes] == [("v1", None), ("v1beta1", None)]


def test_a_route_written_twice_in_two_versions_is_refused(tmp_path: Path) -> None:
    (message,) = refusal(tmp_path, f"{HTTP}spec: {{}}\n---\n{HTTP.replace('/v1', '/v1beta1')}spec: {{}}\n")
    assert message.startswith('7: HTTPRoute "default/r" is written already at ')


@pytest.mark.parametrize("kind", ["TLSRoute", "TCPRoute", "UDPRoute", "BackendTLSPolicy", "ListenerSet", "FutureRoute"])
def test_other_kinds_of_gateway_api_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    assert refusal(tmp_path, HTTP.replace("HTTPRoute", kind)) == [
        f"2: kind: {kind} of gateway.networking.k8s.io/v1 is not supported; "
        "write it as an HTTPRoute or GRPCRoute of gateway.networking.k8s.io/v1, or leave it out"
    ]


def test_versions_that_are_no_more_are_refused(tmp_path: Path) -> None:
    (message,) = refusal(tmp_path, GRPC.replace("/v1", "/v1alpha2"))
    assert message.startswith("2: kind: GRPCRoute of gateway.networking.k8s.io/v1alpha2 is not supported")


SPECS = {
    "{parentRef: []}": 'spec: unknown field "parentRef" (did you mean "parentRefs"?)',
    "{rules: []}": "spec.rules: empty; write at least one",
    "{useDefaultGateways: All}":
        "spec.useDefaultGateways: not supported: default Gateways are not known here; write parentRefs",
    "{parentRefs: [{name: a, kind: Service}]}":
        'spec.parentRefs[0].group: missing; a Service is of group "": write it',
    "{parentRefs: [{name: a, kind: Mesh}]}":
        'spec.parentRefs[0].kind: a parent of kind Mesh and group "gateway.networking.k8s.io" is not supported; '
        'write a Gateway, or a Service of group ""',
    "{parentRefs: [{name: a}, {name: a}]}":
        'spec.parentRefs[1]: "a" is referred to already; write another sectionName or port, or remove one',
    "{parentRefs: [{name: a, sectionName: b}, {name: a}]}":
        'spec.parentRefs[1]: "a" is referred to already; write sectionName and port in all entries or in none',
    "{parentRefs: [{name: a, port: 1}, {name: a, port: 1}]}":
        'spec.parentRefs[1]: "a" is referred to already; write another sectionName or port, or remove one',
    "{parentRefs: [{name: a, namespace: A}]}":
        "spec.parentRefs[0].namespace: want a DNS label (a-z, 0-9, '-' inside; at most 63 characters), found \"A\"",
    "{hostnames: [A.com]}":
        "spec.hostnames[0]: want a host name in lower case, no address (a-z, 0-9, '-' and '.' inside), found \"A.com\"",
    "{hostnames: [192.0.2.1]}":
        "spec.hostnames[0]: "
        "want a host name in lower case, no address (a-z, 0-9, '-' and '.' inside), found \"192.0.2.1\"",
    '{hostnames: ["a.*.com"]}':
        "spec.hostnames[0]: want a host name in lower case, no address (a-z, 0-9, '-' and '.' inside), found \"a.*.com\"",
    "{rules: [{name: a}, {name: a}]}": 'spec.rules[1].name: "a" is the name of another rule; rename one',
    "{rules: [{sessionPersistence: {}}]}":
        "spec.rules[0].sessionPersistence: not supported: sessions are not kept on one backend; remove it",
    "{rules: [{backendRefs: [{name: a}]}]}":
        "spec.rules[0].backendRefs[0].port: missing; a Service is referred to with its port: write it",
    "{rules: [{backendRefs: [{name: a, port: 1, weight: 1000001}]}]}":
        "spec.rules[0].backendRefs[0].weight: want at most 1000000, found the number 1000001",
    "{rules: [{filters: [{type: ExtensionRef, extensionRef: {}}]}]}":
        "spec.rules[0].filters[0].extensionRef: not supported: filters of implementations are not known here; remove it",
    "{rules: [{filters: [{type: RequestHeaderModifier}]}]}":
        "spec.rules[0].filters[0].requestHeaderModifier: missing; a filter of type RequestHeaderModifier needs it",
    "{rules: [{filters: [{type: RequestHeaderModifer, requestHeaderModifier: {}}]}]}":
        'spec.rules[0].filters[0].type: no filter of type "RequestHeaderModifer" (did you mean "RequestHeaderModifier"?)',
    "{rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {}, responseHeaderModifier: {}}]}]}":
        "spec.rules[0].filters[0].responseHeaderModifier: beside type RequestHeaderModifier; remove it, "
        "or write a filter of type ResponseHeaderModifier",
    "{rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {}},"
    " {type: RequestHeaderModifier, requestHeaderModifier: {}}]}]}":
        "spec.rules[0].filters[1].type: RequestHeaderModifier is written already; a rule takes one: merge them",
    "{rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: 'a:', value: b}]}}]}]}":
        "spec.rules[0].filters[0].requestHeaderModifier.set[0].name: want a name of letters, digits and "
        "!#$%&'*+-.^_`|~, at most 256 characters, found \"a:\"",
    "{rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: ''}]}}]}]}":
        "spec.rules[0].filters[0].requestHeaderModifier.set[0].value: empty; write something",
    "{rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier:"
    " {set: [{name: a, value: b}], remove: [A]}}]}]}":
        'spec.rules[0].filters[0].requestHeaderModifier.remove[0]: "A" is set, added or removed already; '
        "a filter takes one action a header",
    "{rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 1}, percent: 101}}]}]}":
        "spec.rules[0].filters[0].requestMirror.percent: want at most 100, found the number 101",
    "{rules: [{filters: [{type: RequestMirror, requestMirror:"
    " {backendRef: {name: a, port: 1}, percent: 1, fraction: {numerator: 1}}}]}]}":
        "spec.rules[0].filters[0].requestMirror.fraction: percent beside it; write one of them",
    "{rules: [{filters: [{type: RequestMirror, requestMirror:"
    " {backendRef: {name: a, port: 1}, fraction: {numerator: 3, denominator: 2}}}]}]}":
        "spec.rules[0].filters[0].requestMirror.fraction.numerator: over the denominator (100 where none is written); "
        "write a fraction of at most one",
    "{rules: [{matches: [{headers: [{name: a, value: b}, {name: a, value: c}]}]}]}":
        'spec.rules[0].matches[0].headers[1].name: "a" is matched already; write one match a name',
    "{rules: [{matches: [{headers: [{name: a, value: '(', type: RegularExpression}]}]}]}":
        'spec.rules[0].matches[0].headers[0].value: RE2 does not take "(": "missing ): ("; correct it',
}  # fmt: skip


@pytest.mark.parametrize(("spec", "message"), SPECS.items(), ids=SPECS.values())
@pytest.mark.parametrize("head", [HTTP, GRPC], ids=["HTTPRoute", "GRPCRoute"])
def test_what_both_kinds_refuse(tmp_path: Path, head: str, spec: str, message: str) -> None:
    if head == GRPC and spec == "{rules: []}":
        assert load(tmp_path, f"{head}spec: {spec}\n").grpc_routes[0].rules == ()
        return
    assert refusal(tmp_path, f"{head}spec: {spec}\n") == [f"4: {message}"]


def _rule(rule: str) -> str:
    return f"{HTTP}spec: {{rules: [{rule}]}}\n"


REDIRECT = "{type: RequestRedirect, requestRedirect: {}}"
PREFIX = "path: {type: ReplacePrefixMatch, replacePrefixMatch: /a}"
NEEDS_PREFIX = "replaces a prefix, for which a rule needs exactly one match, of type PathPrefix; write that, or ReplaceFullPath"
RULES = {
    "{matches: [{path: {value: a}}]}": 'matches[0].path.value: want a path that begins with /, found "a"',
    "{matches: [{path: {value: ''}}]}": 'matches[0].path.value: want a path that begins with /, found ""',
    "{matches: [{path: {value: /a//b}}]}": 'matches[0].path.value: "//" in "/a//b"; write the path without it',
    "{matches: [{path: {type: Exact, value: /a/./b}}]}": 'matches[0].path.value: "/./" in "/a/./b"; write the path without it',
    "{matches: [{path: {value: /a/../b}}]}": 'matches[0].path.value: "/../" in "/a/../b"; write the path without it',
    "{matches: [{path: {value: /a%2fb}}]}": 'matches[0].path.value: "%2f" in "/a%2fb"; write the path without it',
    "{matches: [{path: {value: /a%2Fb}}]}": 'matches[0].path.value: "%2F" in "/a%2Fb"; write the path without it',
    "{matches: [{path: {value: /a/..}}]}": 'matches[0].path.value: "/a/.." ends with a dot segment; write the path without it',
    "{matches: [{path: {value: /a/.}}]}": 'matches[0].path.value: "/a/." ends with a dot segment; write the path without it',
    "{matches: [{path: {value: '/a#b'}}]}":
        "matches[0].path.value: want letters, digits, -/._~!$&'()*+,;=:@ and %XX, found \"/a#b\"",
    "{matches: [{path: {value: /a?b}}]}":
        "matches[0].path.value: want letters, digits, -/._~!$&'()*+,;=:@ and %XX, found \"/a?b\"",
    "{matches: [{path: {value: /a%zz}}]}":
        "matches[0].path.value: want letters, digits, -/._~!$&'()*+,;=:@ and %XX, found \"/a%zz\"",
    "{matches: [{path: {type: Prefix}}]}":
        'matches[0].path.type: want Exact, PathPrefix or RegularExpression, found the string "Prefix"'
        ' (did you mean "PathPrefix"?)',
    '{matches: [{path: {type: RegularExpression, value: "/(?=a)"}}]}':
        'matches[0].path.value: RE2 does not take "/(?=a)": "invalid perl operator: (?="; correct it',
    "{matches: [{method: get}]}":
        "matches[0].method: want GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE or PATCH, found the string \"get\""
        ' (did you mean "GET"?)',
    "{matches: [{queryParams: [{name: a, value: ''}]}]}": "matches[0].queryParams[0].value: empty; write something",
    "{matches: [{queryParams: [{name: a, value: b}, {name: a, value: c}]}]}":
        'matches[0].queryParams[1].name: "a" is matched already; write one match a name',
    "{filters: [{type: CORS, cors: {}}]}":
        "filters[0].cors: not supported: CORS is not known here; remove it",
    "{filters: [{type: CORS}]}": "filters[0].type: not supported: CORS is not known here; remove the filter",
    "{filters: [{type: ExternalAuth, externalAuth: {}}]}":
        "filters[0].externalAuth: not supported: no data plane here asks others; remove it",
    f"{{filters: [{REDIRECT}, {{type: URLRewrite, urlRewrite: {{}}}}]}}":
        "filters[1].type: RequestRedirect and URLRewrite exclude one another; remove one",
    f"{{filters: [{REDIRECT}], backendRefs: [{{name: a, port: 1}}]}}":
        "backendRefs: a rule that redirects sends nothing to backends; remove them, or the filter",
    f"{{backendRefs: [{{name: a, port: 1, filters: [{REDIRECT}, {REDIRECT}]}}]}}":
        "backendRefs[0].filters[1].type: RequestRedirect is written already; a rule takes one: merge them",
    "{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 304}}]}":
        "filters[0].requestRedirect.statusCode: want 301, 302, 303, 307 or 308, found the number 304",
    "{filters: [{type: RequestRedirect, requestRedirect: {scheme: ftp}}]}":
        'filters[0].requestRedirect.scheme: want http or https, found the string "ftp"',
    "{filters: [{type: RequestRedirect, requestRedirect: {hostname: '*.a'}}]}":
        "filters[0].requestRedirect.hostname: "
        "want a host name in lower case, no address (a-z, 0-9, '-' and '.' inside), found \"*.a\"",
    "{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath}}}]}":
        "filters[0].urlRewrite.path.replaceFullPath: missing; type ReplaceFullPath needs it",
    "{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /a,"
    " replacePrefixMatch: /b}}}]}":
        "filters[0].urlRewrite.path.replacePrefixMatch: "
        "beside type ReplaceFullPath; remove it, or write type ReplacePrefixMatch",
    "{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: a}}}]}":
        'filters[0].urlRewrite.path.replaceFullPath: want a path that begins with /, found "a"',
    "{filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /a?b}}}]}":
        "filters[0].urlRewrite.path.replaceFullPath: "
        'want a path without ?, #, spaces and control characters, found "/a?b"',
    f"{{matches: [{{path: {{type: Exact, value: /a}}}}], filters: [{{type: URLRewrite, urlRewrite: {{{PREFIX}}}}}]}}":
        f"filters[0]: {NEEDS_PREFIX}",
    f"{{matches: [], filters: [{{type: URLRewrite, urlRewrite: {{{PREFIX}}}}}]}}": f"filters[0]: {NEEDS_PREFIX}",
    f"{{matches: [{{}}, {{}}], filters: [{{type: RequestRedirect, requestRedirect: {{{PREFIX}}}}}]}}":
        f"filters[0]: {NEEDS_PREFIX}",
    "{matches: [{}, {}], backendRefs: [{name: a, port: 1, filters: "
    f"[{{type: URLRewrite, urlRewrite: {{{PREFIX}}}}}]}}]}}":
        f"backendRefs[0].filters[0]: {NEEDS_PREFIX}",
    "{timeouts: {request: 10}}": "timeouts.request: want a string, found the number 10; quote it",
    "{timeouts: {request: 1d}}": 'timeouts.request: want a duration such as 500ms, 10s or 1h30m, found "1d"',
    "{timeouts: {request: 1s, backendRequest: 1001ms}}":
        "timeouts.backendRequest: 1001ms is longer than request, 1s; write at most that",
    "{retry: {codes: [399]}}": "retry.codes[0]: want at least 400, found the number 399",
    "{retry: {codes: [500, 500]}}": "retry.codes[1]: 500 is written already; remove it",
}  # fmt: skip


@pytest.mark.parametrize(("rule", "message"), RULES.items(), ids=RULES.values())
def test_what_rules_of_an_httproute_refuse(tmp_path: Path, rule: str, message: str) -> None:
    assert refusal(tmp_path, _rule(rule)) == [f"4: spec.rules[0].{message}"]


GRPC_RULES = {
    "{matches: [{method: {}}]}": "matches[0].method: neither service nor method; write one of them, or both",
    "{matches: [{method: {service: a/b}}]}":
        'matches[0].method.service: want a service such as package.Service, found "a/b"',
    "{matches: [{method: {method: a.b}}]}":
        "matches[0].method.method: want a method's name (letters, digits, '_'), found \"a.b\"",
    "{matches: [{method: {type: RegularExpression, method: '['}}]}":
        'matches[0].method.method: RE2 does not take "[": "missing ]: ["; correct it',
    "{matches: [{path: {value: /a}}]}": 'matches[0]: unknown field "path" (known here: headers, method)',
    "{filters: [{type: URLRewrite}]}":
        'filters[0].type: no filter of type "URLRewrite"; '
        "supported are RequestHeaderModifier, ResponseHeaderModifier, RequestMirror",
    "{timeouts: {}}":
        'unknown field "timeouts" (known here: backendRefs, filters, matches, name, sessionPersistence)',
}  # fmt: skip


@pytest.mark.parametrize(("rule", "message"), GRPC_RULES.items(), ids=GRPC_RULES.values())
def test_what_rules_of_a_grpcroute_refuse(tmp_path: Path, rule: str, message: str) -> None:
    (found,) = refusal(tmp_path, f"{GRPC}spec: {{rules: [{rule}]}}\n")
    assert found.replace("spec.rules[0]: ", "spec.rules[0].") == f"4: spec.rules[0].{message}"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (f"rules: [{', '.join(['{}'] * 17)}]", "spec.rules: want at most 16, found 17"),
        (f"rules: [{{matches: [{', '.join(['{}'] * 65)}]}}]", "spec.rules[0].matches: want at most 64, found 65"),
        (
            "rules: [" + ", ".join(["{matches: [" + ", ".join(["{}"] * 64) + "]}"] * 2) + ", {}]",
            "spec.rules[2].matches: over 128 matches in the route up to here; split it",
        ),
        (f"hostnames: [{', '.join(f'a{n}' for n in range(17))}]", "spec.hostnames: want at most 16, found 17"),
        ("parentRefs: [{name: " + "a" * 254 + "}]", "spec.parentRefs[0].name: want at most 253 characters, found 254"),
        (f"parentRefs: [{', '.join(f'{{name: a{n}}}' for n in range(33))}]", "spec.parentRefs: want at most 32, found 33"),
    ],
)
def test_more_than_an_api_server_takes_is_refused(tmp_path: Path, spec: str, message: str) -> None:
    assert refusal(tmp_path, f"{HTTP}spec: {{{spec}}}\n") == [f"4: {message}"]


@pytest.mark.parametrize("time", ["yesterday", "2026-01-31", "2026-13-31T12:00:00Z", "2026-01-31T12:00:00"])
def test_a_time_of_creation_that_is_none_is_refused(tmp_path: Path, time: str) -> None:
    text = HTTP.replace("name: r", f'name: r, creationTimestamp: "{time}"') + "spec: {}\n"
    assert refusal(tmp_path, text) == [
        f'3: metadata.creationTimestamp: want a time such as 2026-01-31T12:00:00Z, found "{time}"'
    ]


def test_prefixes_may_be_replaced_where_no_match_is_written(tmp_path: Path) -> None:
    """The default is one match of a prefix, in a rule and in a match."""
    for rule in ("", "matches: [{}], ", "matches: [{path: {value: /b}}], "):
        load(tmp_path, _rule(f"{{{rule}filters: [{{type: URLRewrite, urlRewrite: {{{PREFIX}}}}}]}}"))
