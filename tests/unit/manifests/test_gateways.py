"""Gateways and ReferenceGrants are read as written, and refused where the rules of their CRDs refuse them."""

from pathlib import Path

import pytest
from routing_files import load, refusal

from harness.model.origin import Origin
from harness.model.policy import LabelSelector
from harness.model.route import AllowedRoutes, Gateway, GatewayAddress, GrantFrom, GrantTo, Listener, ReferenceGrant, RouteKind

GATEWAY = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge, namespace: infra}\n"
GRANT = "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: g}\n"


def test_every_field_reaches_the_model_with_its_line(tmp_path: Path) -> None:
    routing = load(
        tmp_path,
        GATEWAY
        + """\
spec:
  gatewayClassName: mesh
  addresses: [{type: IPAddress, value: 192.0.2.1}]
  listeners:
    - {name: plain, port: 80, protocol: HTTP}
    - name: shop
      port: 80
      protocol: http
      hostname: "*.example.com"
      allowedRoutes:
        namespaces: {from: Selector, selector: {matchLabels: {team: web}}}
        kinds: [{kind: GRPCRoute}, {group: gateway.networking.k8s.io, kind: HTTPRoute}]
    - {name: all, port: 81, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
    - {name: any, port: 82, protocol: HTTP, allowedRoutes: {}}
---
"""
        + GRANT
        + """\
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: a}]
  to: [{group: "", kind: Service}, {group: "", kind: Service, name: web}]
""",
    )

    def at(line: int) -> Origin:
        return Origin(str(tmp_path / "r.yaml"), line)

    selected = AllowedRoutes(
        "Selector",
        LabelSelector({"team": "web"}),
        (RouteKind("GRPCRoute"), RouteKind("HTTPRoute", "gateway.networking.k8s.io")),
    )
    assert routing.gateways == (
        Gateway(
            at(2),
            "edge",
            "infra",
            "mesh",
            (
                Listener(at(8), "plain", 80, "HTTP"),
                Listener(at(9), "shop", 80, "http", "*.example.com", selected),
                Listener(at(16), "all", 81, "HTTP", None, AllowedRoutes("All")),
                Listener(at(17), "any", 82, "HTTP", None, AllowedRoutes()),
            ),
            (GatewayAddress(at(6), "IPAddress", "192.0.2.1"),),
        ),
    )
    assert routing.grants == (
        ReferenceGrant(
            at(20),
            "g",
            "default",
            (GrantFrom("gateway.networking.k8s.io", "HTTPRoute", "a"),),
            (GrantTo("", "Service"), GrantTo("", "Service", "web")),
        ),
    )


LISTENER = "{name: a, port: 80, protocol: HTTP"
REFUSED = {
    "{listeners: [" + LISTENER + "}]}": "spec.gatewayClassName: missing; write it",
    "{gatewayClassName: c, listeners: []}": "spec.listeners: empty; write at least one",
    "{gatewayClassName: c, listeners: [{name: a, port: 443, protocol: HTTPS}]}":
        'spec.listeners[0].protocol: protocol "HTTPS" is not supported: no Gateway here ends TLS or carries TCP and UDP; '
        "write HTTP",
    "{gatewayClassName: c, listeners: [" + LISTENER + ", tls: {}}]}":
        "spec.listeners[0].tls: not supported: no Gateway here ends TLS; remove it",
    "{gatewayClassName: c, listeners: [" + LISTENER + "}, " + LISTENER + ", hostname: a.b}]}":
        'spec.listeners[1].name: listener "a" is written already; rename one',
    "{gatewayClassName: c, listeners: [" + LISTENER + "}, {name: b, port: 80, protocol: HTTP}]}":
        "spec.listeners[1].port: another listener has port 80 and this hostname; write another",
    "{gatewayClassName: c, listeners: [" + LISTENER + ", hostname: a.b}, {name: b, port: 80, protocol: HTTP, hostname: a.b}]}":
        "spec.listeners[1].hostname: another listener has port 80 and this hostname; write another",
    "{gatewayClassName: c, listeners: [" + LISTENER + ", hostname: '*'}]}":
        "spec.listeners[0].hostname: "
        "want a host name in lower case, no address (a-z, 0-9, '-' and '.' inside), found \"*\"",
    "{gatewayClassName: c, listeners: [" + LISTENER + ", allowedRoutes: {namespaces: {from: Selector}}}]}":
        "spec.listeners[0].allowedRoutes.namespaces.selector: missing; from: Selector needs it",
    "{gatewayClassName: c, listeners: [" + LISTENER + ", allowedRoutes: {namespaces: {from: None}}}]}":
        'spec.listeners[0].allowedRoutes.namespaces.from: want All, Same or Selector, found the string "None"',
    "{gatewayClassName: c, listeners: [" + LISTENER + "}], allowedListeners: {}}":
        "spec.allowedListeners: not supported: ListenerSets are not read; write the listeners here",
    "{gatewayClassName: c, listeners: [" + LISTENER + "}], addresses: [{value: edge.example}]}":
        'spec.addresses[0]: want an IPv4 or IPv6 address, found "edge.example"',
    "{gatewayClassName: c, listeners: [" + LISTENER + "}], defaultScope: All}":
        "spec.defaultScope: not supported: default Gateways are not known here; write parentRefs in the routes",
}  # fmt: skip


@pytest.mark.parametrize(("spec", "message"), REFUSED.items(), ids=REFUSED.values())
def test_what_a_gateway_refuses(tmp_path: Path, spec: str, message: str) -> None:
    assert refusal(tmp_path, f"{GATEWAY}spec: {spec}\n") == [f"4: {message}"]


GRANTS = {
    "{from: [], to: [{group: '', kind: Service}]}": "spec.from: empty; write at least one",
    "{from: [{group: a, kind: B, namespace: c}]}": "spec.to: missing; write it",
    "{from: [{group: a, kind: B}], to: [{group: '', kind: Service}]}": "spec.from[0].namespace: missing; write it",
    "{from: [{group: a, kind: B/C, namespace: c}], to: [{group: '', kind: Service}]}":
        "spec.from[0].kind: want a kind such as Service (letters, digits, '-' inside; at most 63), found \"B/C\"",
}  # fmt: skip


@pytest.mark.parametrize(("spec", "message"), GRANTS.items(), ids=GRANTS.values())
def test_what_a_reference_grant_refuses(tmp_path: Path, spec: str, message: str) -> None:
    assert refusal(tmp_path, f"{GRANT}spec: {spec}\n") == [f"4: {message}"]
