"""HTTPRoutes and GRPCRoutes are read as written, and refused where the rules of their CRDs refuse them."""

from pathlib import Path

import pytest
from routing_files import GRPC, HTTP, load, refusal

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


@pytest.mark.parametrize("time", ["yesterday", "2026-01-31", "2026-13-31T12:00:00Z", "2026-01-31T12:00:00"])
def test_a_time_of_creation_that_is_none_is_refused(tmp_path: Path, time: str) -> None:
    text = HTTP.replace("name: r", f'name: r, creationTimestamp: "{time}"') + "spec: {}\n"
    assert refusal(tmp_path, text) == [
        f'3: metadata.creationTimestamp: want a time such as 2026-01-31T12:00:00Z, found "{time}"'
    ]
