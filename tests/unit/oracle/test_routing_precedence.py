"""Which match wins, and what a match compares: the reference of Gateway API, and what docs/routing.md chooses."""

from pathlib import Path

import pytest
from routed import ask, route, router, shown

PARENT = '  parentRefs: [{group: "", kind: Service, name: echo}]\n'
V1, V2 = (f"backendRefs: [{{name: {name}, port: 80}}]" for name in ("echo-v1", "echo-v2"))


def mesh(*rules: str, parent: str = PARENT, name: str = "mesh/r", kind: str = "HTTPRoute", created: str = "") -> str:
    return route(name, parent + "  rules:\n" + "".join(f"    - {{{rule}}}\n" for rule in rules), kind, created)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("path: {type: Exact, value: /a/b}", "path: {type: RegularExpression, value: '/a/.*'}, method: GET"),
        ("path: {type: Exact, value: /a/b}", "path: {value: /a/b}, method: GET"),
        ("path: {type: RegularExpression, value: '/a/.*'}", "path: {value: /a/b}, method: GET"),
        ("path: {type: RegularExpression, value: '/a/.*'}", "path: {type: RegularExpression, value: '/a.*'}, method: GET"),
        ("path: {value: /a/b}", "path: {value: /a}, method: GET, headers: [{name: x-a, value: one}]"),
        ("path: {value: /a/}, method: GET", "path: {value: /a}"),
        ("path: {value: /a}, method: GET", "path: {value: /a/}"),
        ("method: GET", "headers: [{name: x-a, value: one}, {name: x-b, value: two}]"),
        ("headers: [{name: x-a, value: one}, {name: x-b, value: two}]", "headers: [{name: x-a, value: one}]"),
        ("headers: [{name: x-a, value: one}]", "queryParams: [{name: q, value: v}, {name: r, value: w}]"),
        ("queryParams: [{name: q, value: v}, {name: r, value: w}]", "queryParams: [{name: q, value: v}]"),
        ("queryParams: [{name: q, value: v}]", "{}"),
        # Of several matches of one header the first counts, so these are two, and the others one.
        (
            "headers: [{name: x-a, value: one}, {name: x-b, value: two}]",
            "headers: [{name: x-a, value: one}, {name: X-A, value: one}, {name: X-a, value: one}]",
        ),
    ],
)
@pytest.mark.parametrize("several", [False, True], ids=["two rules", "two routes"])
def test_the_more_specific_match_wins_wherever_it_stands(tmp_path: Path, several: bool, better: str, worse: str) -> None:
    for first, second in ((better, worse), (worse, better)):
        ones = [f"matches: [{match if match == '{}' else f'{{{match}}}'}], " for match in (first, second)]
        backends = [V1 if match == better else V2 for match in (first, second)]
        whole = [one + backend for one, backend in zip(ones, backends, strict=True)]
        manifests = mesh(whole[0]) + mesh(whole[1], name="mesh/s") if several else mesh(*whole)
        found = ask(router(tmp_path, manifests), "mesh/echo", "/a/b?q=v&r=w", headers={"x-a": "one", "x-b": "two"})
        assert shown(found) == "mesh/echo-v1"


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("method: {service: a.Bc, method: D}", "method: {service: a.Bc}, headers: [{name: x-a, value: one}]"),
        ("method: {service: a.Bc}", "method: {method: D}, headers: [{name: x-a, value: one}]"),
        ("method: {method: D}", "headers: [{name: x-a, value: one}]"),
        ("headers: [{name: x-a, value: one}]", "{}"),
        ("method: {type: RegularExpression, service: 'a[.][A-Z]c'}", "method: {service: a.Bc}"),
    ],
)
def test_the_more_specific_match_of_a_call_wins(tmp_path: Path, better: str, worse: str) -> None:
    for matches in ((better, worse), (worse, better)):
        rules = [
            f"matches: [{match if match == '{}' else f'{{{match}}}'}], {V1 if match == better else V2}" for match in matches
        ]
        oracle = router(tmp_path, mesh(*rules, kind="GRPCRoute"))
        assert shown(ask(oracle, "mesh/echo", grpc="a.Bc/D", headers={"x-a": "one"})) == "mesh/echo-v1"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("mesh/z", "2026-01-01T00:00:00Z"), ("mesh/a", "2026-01-01T00:00:01Z")),
        (("mesh/z", "2026-01-01T01:00:00+01:00"), ("mesh/a", "2026-01-01T00:00:01Z")),
        (("mesh/z", "2026-01-01T00:00:00Z"), ("mesh/a", "")),
        (("mesh/a", ""), ("mesh/z", "")),
        (("mesh/a", "2026-01-01T00:00:00Z"), ("mesh/z", "2026-01-01T00:00:00Z")),
    ],
)
def test_of_equal_matches_the_oldest_route_then_the_first_by_name_wins(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str]
) -> None:
    (name, created), (other, later) = first, second
    one, two = mesh(V1, name=name, created=created), mesh(V2, name=other, created=later)
    for manifests in (one + two, two + one):
        assert shown(ask(router(tmp_path, manifests), "mesh/echo")) == "mesh/echo-v1"


def test_of_equal_matches_in_one_route_the_first_rule_wins(tmp_path: Path) -> None:
    assert shown(ask(router(tmp_path, mesh(V1, V2)), "mesh/echo")) == "mesh/echo-v1"


# Values that are matched


@pytest.mark.parametrize(
    ("match", "path", "headers", "matches"),
    [
        ("path: {type: RegularExpression, value: /a}", "/ab", {}, False),
        ("path: {type: RegularExpression, value: '/a.*'}", "/ab?c", {}, True),
        ("path: {type: RegularExpression, value: '/a'}", "/a?b", {}, True),
        ("path: {value: /a/}", "/a", {}, True),
        ("path: {value: /a/}", "/ab", {}, False),
        ("path: {value: /a}", "/A", {}, False),
        ("path: {value: /a}", "/%61", {}, False),
        ("headers: [{name: X-A, value: one}]", "/", {"x-a": "one"}, True),
        ("headers: [{name: X-A, value: one}]", "/", {"x-a": "One"}, False),
        ("headers: [{name: X-A, value: 'one,two'}]", "/", {"x-a": "one", "X-A": "two"}, True),
        ("headers: [{name: X-A, value: one}]", "/", {"x-a": "one", "X-A": "two"}, False),
        ("headers: [{name: X-A, type: RegularExpression, value: 'o.'}]", "/", {"x-a": "one"}, False),
        ("headers: [{name: X-A, type: RegularExpression, value: 'o.*'}]", "/", {"x-a": "one"}, True),
        ("headers: [{name: X-A, type: RegularExpression, value: '.*'}]", "/", {}, False),
        ("headers: [{name: X-A, value: one}, {name: x-a, value: two}]", "/", {"x-a": "one"}, True),
        ("queryParams: [{name: q, value: v}]", "/?q=v&q=w", {}, True),
        ("queryParams: [{name: q, value: w}]", "/?q=v&q=w", {}, False),
        ("queryParams: [{name: Q, value: v}]", "/?q=v", {}, False),
        ("queryParams: [{name: q, value: a b}]", "/?q=a%20b", {}, False),
        ("queryParams: [{name: q, value: 'v=w'}]", "/?q=v=w", {}, True),
        ("queryParams: [{name: q, type: RegularExpression, value: '.*'}]", "/?q", {}, True),
        ("queryParams: [{name: q, type: RegularExpression, value: '.*'}]", "/?qq", {}, False),
    ],
)
def test_values(tmp_path: Path, match: str, path: str, headers: dict[str, str], matches: bool) -> None:
    found = shown(ask(router(tmp_path, mesh(f"matches: [{{{match}}}], {V1}")), "mesh/echo", path, headers=headers))
    assert found == ("mesh/echo-v1" if matches else 404)
