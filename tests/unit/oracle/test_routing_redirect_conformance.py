"""Cases of Gateway API's conformance suite about redirects: of the mesh and of Gateways, by their published names.

Source: https://github.com/kubernetes-sigs/gateway-api/tree/main/conformance/tests
"""

from pathlib import Path

import pytest
from routed import ask, gateway, route, router

from harness.model.routing import Replied

PARENT = '  parentRefs: [{group: "", kind: Service, name: echo, port: 80}]\n'
GATEWAY = "  parentRefs: [{name: same-namespace}]\n"


def _redirects(*rules: tuple[str, str]) -> str:
    return "".join(
        f"    - {{matches: [{{path: {{value: {path}}}}}], filters: [{{type: RequestRedirect, requestRedirect: {{{what}}}}}]}}\n"
        for path, what in rules
    )


REPLACED = "path: {type: ReplacePrefixMatch, replacePrefixMatch: /replacement-prefix}"
FULL = "path: {type: ReplaceFullPath, replaceFullPath: /replacement-full}"
REDIRECTS = {
    "MeshHTTPRouteRedirectPath": [
        ("/original-prefix", REPLACED, "/original-prefix/lemon", 302, "http://echo/replacement-prefix/lemon"),
        (
            "/full",
            "path: {type: ReplaceFullPath, replaceFullPath: /full-path-replacement}",
            "/full/path/original",
            302,
            "http://echo/full-path-replacement",
        ),
        ("/path-and-host", f"hostname: example.org, {REPLACED}", "/path-and-host", 302, "http://example.org/replacement-prefix"),
        ("/path-and-status", f"{REPLACED}, statusCode: 301", "/path-and-status", 301, "http://echo/replacement-prefix"),
        ("/full-path-and-host", f"hostname: example.org, {FULL}", "/full-path-and-host", 302, "http://example.org/replacement-full"),
        ("/full-path-and-status", f"{FULL}, statusCode: 301", "/full-path-and-status", 301, "http://echo/replacement-full"),
    ],
    "MeshHTTPRouteRedirectPort": [
        ("/port", "port: 8083", "/port", 302, "http://echo:8083/port"),
        ("/port-and-host", "hostname: example.org, port: 8083", "/port-and-host", 302, "http://example.org:8083/port-and-host"),
        ("/port-and-status", "port: 8083, statusCode: 301", "/port-and-status", 301, "http://echo:8083/port-and-status"),
        (
            "/port-and-host-and-status",
            "port: 8083, hostname: example.org, statusCode: 302",
            "/port-and-host-and-status",
            302,
            "http://example.org:8083/port-and-host-and-status",
        ),
    ],
    "MeshHTTPRouteSchemeRedirect": [
        ("/scheme", "scheme: https", "/scheme", 302, "https://echo/scheme"),
        ("/scheme-and-host", "hostname: example.org, scheme: https", "/scheme-and-host", 302, "https://example.org/scheme-and-host"),
        ("/scheme-and-status", "scheme: https, statusCode: 301", "/scheme-and-status", 301, "https://echo/scheme-and-status"),
        (
            "/scheme-and-host-and-status",
            "scheme: https, statusCode: 302, hostname: example.org",
            "/scheme-and-host-and-status",
            302,
            "https://example.org/scheme-and-host-and-status",
        ),
    ],
    "MeshHTTPRouteRedirectHostAndStatus": [
        ("/hostname-redirect", "hostname: example.org", "/hostname-redirect", 302, "http://example.org/hostname-redirect"),
        ("/host-and-status", "hostname: example.org, statusCode: 301", "/host-and-status", 301, "http://example.org/host-and-status"),
    ],
    **{
        f"MeshHTTPRoute{code}Redirect": [("/redirect", f"statusCode: {code}", "/redirect", code, "http://echo/redirect")]
        for code in (303, 307, 308)
    },
    **{
        f"MeshHTTPRoute{code}RedirectHostAndStatus": [
            ("/host-and-status", f"hostname: example.org, statusCode: {code}", "/host-and-status", code,
             "http://example.org/host-and-status"),
        ]
        for code in (303, 307, 308)
    },
}  # fmt: skip


@pytest.mark.parametrize("case", REDIRECTS)
def test_redirects_of_the_mesh_and_of_gateways(tmp_path: Path, case: str) -> None:
    """Each of the names is one of a Gateway's cases too, without ``Mesh``."""
    cases = REDIRECTS[case]
    rules = _redirects(*((match, what) for match, what, _, _, _ in cases))
    oracle = router(tmp_path, route("mesh/r", f"{PARENT}  rules:\n{rules}") + route("infra/r", f"{GATEWAY}  rules:\n{rules}"))
    for _, _, path, status, location in cases:
        for to in ("mesh/echo", "gateway infra/same-namespace"):
            (only,) = ask(oracle, to, path, host="echo")
            assert isinstance(only, Replied)
            assert (only.status, only.headers) == (status, {"Location": location})


PORTS = {
    80: [
        ("scheme-nil-and-port-nil", "", "http://example.org"),
        ("scheme-nil-and-port-80", "port: 80", "http://example.org"),
        ("scheme-nil-and-port-8080", "port: 8080", "http://example.org:8080"),
        ("scheme-https-and-port-nil", "scheme: https", "https://example.org"),
        ("scheme-https-and-port-443", "scheme: https, port: 443", "https://example.org"),
        ("scheme-https-and-port-8443", "scheme: https, port: 8443", "https://example.org:8443"),
    ],
    8080: [
        ("scheme-nil-and-port-nil", "", "http://example.org:8080"),
        ("scheme-nil-and-port-80", "port: 80", "http://example.org"),
        ("scheme-https-and-port-nil", "scheme: https", "https://example.org"),
    ],
}


@pytest.mark.parametrize("port", PORTS)
def test_http_route_redirect_port_and_scheme(tmp_path: Path, port: int) -> None:
    """Of it the listeners without TLS."""
    rules = _redirects(*((f"/{name}", f"hostname: example.org{what and ', '}{what}") for name, what, _ in PORTS[port]))
    manifests = gateway("one", f"[{{name: http, port: {port}, protocol: HTTP}}]")
    manifests += route("infra/r", f"  parentRefs: [{{name: one}}]\n  rules:\n{rules}")
    oracle = router(tmp_path, manifests)
    for name, _, location in PORTS[port]:
        (only,) = ask(oracle, "gateway infra/one", f"/{name}", port=port, host="anything")
        assert isinstance(only, Replied)
        assert (only.status, only.headers) == (302, {"Location": f"{location}/{name}"})


def test_http_route_backend_path_redirect(tmp_path: Path) -> None:
    """Each backend redirects its share."""
    spec = (
        f"{GATEWAY}  rules:\n    - backendRefs:\n"
        "        - {name: v1, port: 8080, filters: [{type: RequestRedirect, requestRedirect: "
        "{scheme: https, hostname: redirect-example.com, port: 443, statusCode: 302}}]}\n"
        "        - {name: v2, port: 8080, filters: [{type: RequestRedirect, requestRedirect: "
        "{scheme: http, hostname: redirect-example.com, port: 80, statusCode: 301}}]}\n"
    )
    answers = ask(router(tmp_path, route("infra/r", spec)), "gateway infra/same-namespace")
    assert [(each.status, each.weight, each.headers) for each in answers if isinstance(each, Replied)] == [
        (302, 1, {"Location": "https://redirect-example.com/"}),
        (301, 1, {"Location": "http://redirect-example.com/"}),
    ]
