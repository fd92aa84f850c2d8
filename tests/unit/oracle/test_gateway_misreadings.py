"""What might be made of Gateways, and of what means something at Gateways alone, by who misreads one value."""

from pathlib import Path

import pytest
from routed import gateway, route

from harness.manifests.objects import load_manifests
from harness.oracle.misreadings.routes import routing

ROUTE = route("infra/r", "  parentRefs: [{name: edge}]\n  hostnames: [a.org, '*.b.org']\n  rules: [{}]\n")
GRANT = """apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: app}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: infra}]
  to: [{group: '', kind: Service, name: v1}]
---
"""


def readings(folder: Path, manifests: str) -> dict[str, set[str]]:
    (folder / "m.yaml").write_text(manifests)
    written = load_manifests([folder / "m.yaml"], services=True).routing
    found: dict[str, set[str]] = {}
    for each in routing(written):
        assert each.instead != written, each
        found.setdefault(f"{each.field}: {each.value}", set()).add(each.taken)
    return found


@pytest.mark.parametrize(
    ("listener", "field", "taken"),
    [
        ("hostname: '*.b.org'", "Gateway listeners.hostname: a wildcard", {"not looked at", "the domain itself"}),
        ("hostname: a.org", "Gateway listeners.hostname: one host", {"not looked at"}),
        ("allowedRoutes: {namespaces: {from: All}}", "Gateway allowedRoutes.from: All, written", {"Same"}),
        (
            "allowedRoutes: {namespaces: {from: Selector, selector: {}}}", "Gateway allowedRoutes.from: Selector, written",
            {"All", "Same"},
        ),
        ("allowedRoutes: {}", "Gateway allowedRoutes.from: Same, absent", {"All"}),
        ("allowedRoutes: {kinds: [{kind: HTTPRoute}]}", "Gateway allowedRoutes.kinds: written", {"not looked at"}),
    ],
)  # fmt: skip
def test_a_listener_may_be_misread(tmp_path: Path, listener: str, field: str, taken: set[str]) -> None:
    found = readings(tmp_path, gateway("edge", f"[{{name: l, port: 80, protocol: HTTP, {listener}}}]") + ROUTE)
    assert found[field] == taken


def test_host_names_grants_and_several_of_a_kind_may_be_misread(tmp_path: Path) -> None:
    two = "[{name: l, port: 80, protocol: HTTP}, {name: m, port: 81, protocol: HTTP}]"
    found = readings(tmp_path, gateway("edge", two) + gateway("other", two) + ROUTE + GRANT)
    assert found["HTTPRoute hostnames: of a Gateway's"] == {"not looked at"}
    assert found["HTTPRoute hostnames: one host of several"] == {"not there"}
    assert found["HTTPRoute hostnames: a wildcard"] == {"the domain itself"}
    assert found["ReferenceGrant: there"] == {"not there"}
    assert found["ReferenceGrant to.name: written"] == {"not looked at"}
    assert found["Gateway: several"] == {"routes of each at all"}
    assert found["Gateway listeners: one of several"] == {"not there"}


def test_grants_and_host_names_mean_nothing_without_gateways(tmp_path: Path) -> None:
    found = readings(tmp_path, ROUTE + GRANT)
    assert not [each for each in found if "hostnames" in each or "Grant" in each or "Gateway" in each]
