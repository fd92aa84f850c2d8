"""HTTPRoutes and GRPCRoutes that the rules of their CRDs refuse are refused, by field and reason."""

from pathlib import Path

import pytest
from routing_files import GRPC, HTTP, load, refusal

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


def test_prefixes_may_be_replaced_where_no_match_is_written(tmp_path: Path) -> None:
    """The default is one match of a prefix, in a rule and in a match."""
    for rule in ("", "matches: [{}], ", "matches: [{path: {value: /b}}], "):
        load(tmp_path, _rule(f"{{{rule}filters: [{{type: URLRewrite, urlRewrite: {{{PREFIX}}}}}]}}"))
