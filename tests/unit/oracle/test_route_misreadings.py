"""What might be made of routes by who misreads one value."""

from pathlib import Path

import pytest
from routed import route, service

from harness.manifests.objects import load_manifests
from harness.oracle.misreadings.routes import routing

SERVICE = service("mesh/echo", 80)
PARENT = '  parentRefs: [{group: "", kind: Service, name: echo%s}]\n'


def readings(folder: Path, rules: str, parent: str = "", ref: str = "mesh/r", kind: str = "HTTPRoute") -> dict[str, set[str]]:
    """What is taken for something else, and for what, by field and class."""
    (folder / "m.yaml").write_text(SERVICE + route(ref, f"{PARENT % parent}  rules:\n{rules}", kind, "2026-01-01T00:00:00Z"))
    written = load_manifests([folder / "m.yaml"], services=True).routing
    found: dict[str, set[str]] = {}
    for each in routing(written):
        assert each.instead != written, each
        found.setdefault(f"{each.field}: {each.value}", set()).add(each.taken)
    return found


@pytest.mark.parametrize(
    ("rule", "field", "taken"),
    [
        ("{matches: [{path: {value: /Ab}}]}", "HTTPRoute matches.path: PathPrefix, capitals", {"without regard to case"}),
        ("{matches: [{path: {value: /a}}]}", "HTTPRoute matches.path: PathPrefix", {"Exact", "the beginning of a path"}),
        ("{matches: [{path: {value: /a}}]}", "HTTPRoute matches.path: PathPrefix, alone", {"not looked at"}),
        ("{matches: [{method: GET}, {method: PUT}]}", "HTTPRoute matches: one of several", {"not there"}),
        ("{matches: [{method: GET}]}", "HTTPRoute matches.method: written", {"not looked at"}),
        (
            "{matches: [{headers: [{name: a, value: b}]}]}", "HTTPRoute matches.headers: Exact, one",
            {"not looked at", "one of a list", "the beginning of a value", "without regard to case"},
        ),
        (
            "{matches: [{queryParams: [{name: a, type: RegularExpression, value: b}]}]}",
            "HTTPRoute matches.queryParams: RegularExpression, one",
            {"not looked at", "looked for within the value", "the beginning of a value", "without regard to case"},
        ),
        (
            "{filters: [{type: URLRewrite, urlRewrite: {hostname: a.b}}]}",
            "HTTPRoute filters URLRewrite.hostname: written", {"not there"},
        ),
        (
            "{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}]}",
            "HTTPRoute filters RequestHeaderModifier.set: written", {"not there", "add"},
        ),
        (
            "{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}, percent: 5}}]}",
            "HTTPRoute filters RequestMirror.percent: written", {"all"},
        ),
        ("{backendRefs: [{name: a, port: 80, weight: 0}]}", "HTTPRoute backendRefs.weight: 0, alone", {"1"}),
        ("{timeouts: {request: 0s}}", "HTTPRoute timeouts.request: zero", {"1ms"}),
        ("{timeouts: {request: 2s}}", "HTTPRoute timeouts.request: limited", {"none", "a tenth"}),
        ("{retry: {codes: [503], attempts: 2}}", "HTTPRoute retry.attempts: 2", {"one more", "one less"}),
        ("{retry: {codes: [503, 500]}}", "HTTPRoute retry.codes: several", {"any error", "the first alone"}),
    ],
)  # fmt: skip
def test_a_value_of_a_rule_is_taken_for_others(rule: str, field: str, taken: set[str], tmp_path: Path) -> None:
    assert readings(tmp_path, f"    - {rule}")[field] == taken


def test_how_a_route_is_bound_is_misread_too(tmp_path: Path) -> None:
    found = readings(tmp_path, "    - {matches: [{method: GET}]}", ", namespace: mesh, port: 80", "consumer/r")
    assert found["HTTPRoute parentRefs.port: written"] == {"not looked at"}
    assert found["HTTPRoute metadata.namespace: not the Service's"] == {"the Service's own"}
    assert found["HTTPRoute creationTimestamp: written"] == {"not looked at"}


def test_calls_are_misread_by_service_and_method(tmp_path: Path) -> None:
    found = readings(tmp_path, "    - {matches: [{method: {service: a.B, method: C}}]}", kind="GRPCRoute")
    assert found["GRPCRoute matches.method.service: Exact, beside the other"] == {"not looked at", "looked for within the name"}
